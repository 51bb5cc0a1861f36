"""Packed parameters for examples: made for the right op, of what was given, without a trace in PyTorch."""

import pytest
import torch

from nnapi_check.analyzer.ops.packed_ops import is_packed, unpack
from nnapi_check.lowering.examples.packed_parameters import Packing, per_channel


def schema(name: str, overload: str = "") -> torch._C.FunctionSchema:
    return next(
        found
        for found in torch._C._jit_get_schemas_for_operator(f"quantized::{name}")
        if found.overload_name == overload
    )


def packing(name: str, overload: str = "") -> Packing:
    found = Packing.of(schema(name, overload))
    assert found is not None
    return found


def weight(*shape: int) -> torch.Tensor:
    return torch.quantize_per_tensor(torch.randn(shape), 0.02, 3, torch.qint8)


def test_an_op_without_packed_parameters_has_no_packing() -> None:
    assert Packing.of(schema("add")) is None


@pytest.mark.parametrize(
    ("name", "overload", "shape"),
    [("conv2d", "new", (4, 3, 2, 5)), ("conv_transpose2d", "", (3, 4, 2, 5)), ("linear", "", (4, 3))],
)
def test_what_is_packed_is_what_was_given(name: str, overload: str, shape: tuple[int, ...]) -> None:
    given, bias = weight(*shape), torch.randn(4)

    packed = packing(name, overload).pack(given, bias, {"stride": (2, 1), "padding": 1})

    assert isinstance(packed, torch._C.ScriptObject)
    assert is_packed(packed)
    found = unpack(packed)
    assert torch.equal(found.weight.int_repr(), given.int_repr())
    assert found.bias is not None
    assert torch.equal(found.bias, bias)
    if name != "linear":
        assert (found.numbers["stride"], found.numbers["padding"]) == ([2, 1], [1, 1])


def test_packing_leaves_the_engine_of_pytorch_as_it_was() -> None:
    before = torch.backends.quantized.engine

    packing("linear").pack(weight(4, 3), None, {})

    assert torch.backends.quantized.engine == before


def test_every_channel_gets_a_scale_of_its_own() -> None:
    found = per_channel(weight(4, 3, 2), 1)

    assert found.q_per_channel_axis() == 1
    assert len(set(found.q_per_channel_scales().tolist())) == 3
