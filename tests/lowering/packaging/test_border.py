"""What crosses a border comes out as NNAPI and PyTorch want it, and forms that cannot cross are refused."""

import pytest
import torch

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerChannel, PerTensor, Quantization, TensorType
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.lowering.packaging.border import Border, BorderError
from nnapi_check.lowering.packaging.script_modules import define, new_module, wrapped

NHWC = (0, 2, 3, 1)


def kind(dtype: ElementType, *shape: int, quant: Quantization = NOT_QUANTIZED) -> TensorType:
    return TensorType(dtype, shape, quant)


def run(expression: str, tensor: torch.Tensor) -> torch.Tensor:
    module = new_module("BorderTest")
    define(module, f"def forward(self, x: Tensor) -> Tensor:\n    return {expression}\n")
    found = wrapped(module)(tensor)
    assert isinstance(found, torch.Tensor)
    return found


FLOATS = torch.randn(1, 3, 7, 9, generator=torch.Generator().manual_seed(0))
UNSIGNED = torch.quantize_per_tensor(FLOATS, 0.02, 120, torch.quint8)
SIGNED = torch.quantize_per_tensor(FLOATS, 0.02, -8, torch.qint8)

CASES = {
    "as it is": (FLOATS, kind(ElementType.FLOAT32, 1, 3, 7, 9), (), FLOATS),
    "nhwc": (FLOATS, kind(ElementType.FLOAT32, 1, 7, 9, 3), NHWC, FLOATS.permute(NHWC)),
    "reshaped": (FLOATS, kind(ElementType.FLOAT32, 3, 63), (), FLOATS.reshape(3, 63)),
    "scalar": (torch.tensor(2.5), kind(ElementType.FLOAT32, 1), (), torch.tensor([2.5])),
    "int64": (torch.tensor([3, -4]), kind(ElementType.INT32, 2), (), torch.tensor([3, -4], dtype=torch.int32)),
    "bool": (torch.tensor([True, False]), kind(ElementType.INT32, 2), (), torch.tensor([1, 0], dtype=torch.int32)),
    "float64": (FLOATS.double(), kind(ElementType.FLOAT32, 1, 3, 7, 9), (), FLOATS),
    "quint8 nhwc": (
        UNSIGNED,
        kind(ElementType.QUINT8, 1, 7, 9, 3, quant=PerTensor(0.02, 120)),
        NHWC,
        UNSIGNED.permute(NHWC).contiguous(),
    ),
    "qint8": (
        SIGNED,
        kind(ElementType.QUINT8, 1, 3, 7, 9, quant=PerTensor(0.02, 120)),
        (),
        torch._make_per_tensor_quantized_tensor((SIGNED.int_repr().int() + 128).to(torch.uint8), 0.02, 120),
    ),
}


def border_of(name: str) -> Border:
    tensor, nnapi, permutation, _ = CASES[name]
    return Border(0, tensor_type(tensor), nnapi, permutation)


@pytest.mark.parametrize("name", CASES)
def test_inward_gives_what_nnapi_takes(name: str) -> None:
    tensor, nnapi, _, expected = CASES[name]

    found = run(border_of(name).inward_source("x"), tensor)

    assert found.is_contiguous()
    assert tensor_type(found) == nnapi
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_outward_undoes_inward(name: str) -> None:
    tensor = CASES[name][0]
    border = border_of(name)

    found = run(border.outward_source("x"), run(border.inward_source("x"), tensor))

    assert found.is_contiguous()
    assert tensor_type(found) == tensor_type(tensor)
    torch.testing.assert_close(found, tensor, rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_template_has_the_operands_type(name: str) -> None:
    found = run(border_of(name).template_source(), torch.zeros(1))

    assert tensor_type(found) == CASES[name][1]


@pytest.mark.parametrize(
    ("torch_side", "nnapi_side", "permutation", "told"),
    [
        (kind(ElementType.COMPLEX64, 2), kind(ElementType.FLOAT32, 2), (), "cannot cross"),
        (kind(ElementType.FLOAT32, 2, 3), kind(ElementType.FLOAT32, 5), (), "different numbers of elements"),
        (kind(ElementType.FLOAT32, 2, 3), kind(ElementType.FLOAT32, 3, 2), (1, 1), "no order of 2 dimensions"),
        (kind(ElementType.FLOAT32, 2), kind(ElementType.QUINT8, 2, quant=PerTensor(1.0, 0)), (), "not both quantized"),
        (
            kind(ElementType.QINT8, 2, quant=PerChannel((1.0, 2.0), (0, 0), 0)),
            kind(ElementType.QUINT8, 2, quant=PerTensor(1.0, 0)),
            (),
            "not both quantized",
        ),
        (
            kind(ElementType.QINT8, 2, quant=PerTensor(0.5, 3)),
            kind(ElementType.QUINT8, 2, quant=PerTensor(0.5, 3)),
            (),
            "shifted by 128",
        ),
        (
            kind(ElementType.QUINT8, 2, quant=PerTensor(0.5, 3)),
            kind(ElementType.QUINT8, 2, quant=PerTensor(0.25, 3)),
            (),
            "shifted by 0",
        ),
        (
            kind(ElementType.QUINT8, 2, quant=PerTensor(0.5, 3)),
            kind(ElementType.INT32, 2, quant=PerTensor(0.5, 3)),
            (),
            "cannot cross as i32",
        ),
    ],
)
def test_what_cannot_cross_is_refused(
    torch_side: TensorType, nnapi_side: TensorType, permutation: tuple[int, ...], told: str
) -> None:
    with pytest.raises(BorderError, match=told):
        Border(0, torch_side, nnapi_side, permutation)


def test_what_the_loader_cannot_carry_is_refused_when_it_is_written() -> None:
    border = Border(0, kind(ElementType.FLOAT16, 2), kind(ElementType.FLOAT16, 2))

    with pytest.raises(BorderError, match="NNAPI's side is f16"):
        border.inward_source("x")
    with pytest.raises(BorderError, match="NNAPI's side is f16"):
        border.template_source()
