"""Tensors on their way into a part and out of it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import ElementType, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.recipe_torch import stored
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from nnapi_check.lowering.verification.part_run import inward, outward, run_part

NHWC = (0, 2, 3, 1)
DTYPES = {
    torch.float32: ElementType.FLOAT32,
    torch.int32: ElementType.INT32,
    torch.int64: ElementType.INT64,
    torch.bool: ElementType.BOOL,
    torch.float16: ElementType.FLOAT16,
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def numbered(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    count = int(np.prod(shape))
    return (torch.arange(count) % 7).reshape(shape).to(dtype)


@pytest.mark.parametrize("dtype", list(DTYPES), ids=str)
@pytest.mark.parametrize("permutation", [(), NHWC], ids=["plain", "nhwc"])
def test_tensor_that_goes_in_and_out_is_the_same(dtype: torch.dtype, permutation: tuple[int, ...]) -> None:
    tensor = numbered((2, 3, 5, 7), dtype)
    kind = TensorType(DTYPES[dtype], (2, 3, 5, 7))
    inner = (2, 5, 7, 3) if permutation else kind.shape
    array = stored(tensor).transpose(permutation) if permutation else stored(tensor)

    assert array.shape == inner
    assert torch.equal(outward(array, kind, permutation), tensor)


@given(st.permutations(range(4)))
def test_any_order_of_dimensions_is_undone(order: list[int]) -> None:
    tensor = numbered((2, 3, 5, 7), torch.float32)

    found = outward(stored(tensor).transpose(order), TensorType(ElementType.FLOAT32, (2, 3, 5, 7)), tuple(order))

    assert torch.equal(found, tensor)


@pytest.mark.parametrize("dtype", [torch.quint8, torch.qint8])
def test_quantized_tensor_keeps_its_numbers(dtype: torch.dtype) -> None:
    tensor = torch.quantize_per_tensor(torch.linspace(-1, 1, 210).reshape(2, 3, 5, 7), 0.02, 5, dtype)
    element = ElementType.QUINT8 if dtype is torch.quint8 else ElementType.QINT8
    kind = TensorType(element, (2, 3, 5, 7), PerTensor(0.02, 5))
    inner = PerTensor(0.02, 5 if dtype is torch.quint8 else 133)
    border = Border(0, kind, TensorType(ElementType.QUINT8, (2, 5, 7, 3), inner), NHWC)

    array = inward(tensor, border)
    back = outward(array, kind, NHWC)

    assert array.dtype == np.uint8
    assert array.shape == (2, 5, 7, 3)
    assert torch.equal(back.int_repr(), tensor.int_repr())
    assert back.q_scale() == tensor.q_scale()
    assert back.q_zero_point() == tensor.q_zero_point()


def test_number_alone_is_a_tensor_of_one_inside() -> None:
    border = Border(0, TensorType(ElementType.FLOAT32, ()), TensorType(ElementType.FLOAT32, (1,)))

    array = inward(torch.tensor(2.5), border)

    assert array.shape == (1,)
    assert outward(array, border.torch, ()).shape == ()


def test_wide_integers_are_narrow_inside() -> None:
    border = Border(0, TensorType(ElementType.INT64, (3,)), TensorType(ElementType.INT32, (3,)))

    assert inward(torch.tensor([1, -2, 3]), border).dtype == np.int32


def test_quantization_per_channel_does_not_cross() -> None:
    kind = TensorType(ElementType.QINT8, (2,), PerChannel((0.5, 0.25), (0, 0), 0))

    with pytest.raises(TypeError, match="per tensor was wanted"):
        outward(np.zeros(2, np.uint8), kind, ())


def test_part_computes_its_outputs_and_what_is_kept(registry: Registry) -> None:
    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(torch.exp(x) + 1)

    x = torch.rand(2, 3)
    captured = capture(Module().eval(), [x], weights=True)
    found = survey(captured.graph, registry, registry.target("pytorch-mobile"))
    (part,) = lower_plan(found, found.at(4), FactsByName(registry))
    (given_value,) = part.part.inputs
    (exp,) = [node.outputs[0] for node in captured.graph.nodes() if node.op == "aten.exp.default"]

    run = run_part(part, captured.graph, {given_value: x}, captured.tensor, keep=[exp])

    assert torch.allclose(run.outputs[part.part.outputs[0]], torch.tanh(torch.exp(x) + 1), atol=1e-6)
    assert set(run.held) == {exp}
    assert torch.allclose(run.held[exp], torch.exp(x), atol=1e-6)
