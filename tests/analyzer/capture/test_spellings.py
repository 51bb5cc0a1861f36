"""Calls in other spellings."""

import pytest
import torch

from nnapi_check import check, registry
from nnapi_check.analyzer.capture.capture import capture
from tests.analyzer.torch_models import Called, Function

aten = torch.ops.aten

SPELLINGS: list[tuple[str, Function, str, dict[str, object]]] = [
    ("mT", lambda x: x.mT, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("mH", lambda x: x.mH, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("adjoint", torch.adjoint, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("ravel", torch.ravel, "aten.flatten.using_ints", {"start_dim": 0, "end_dim": -1}),
    ("number minus tensor", lambda x: aten.sub.Tensor(1, x, alpha=3), "aten.rsub.Scalar", {"other": 1, "alpha": 3}),
    ("number plus tensor", lambda x: aten.add.Tensor(2.5, x), "aten.add.Tensor", {"other": 2.5}),
    ("number times tensor", lambda x: aten.mul.Tensor(2.5, x), "aten.mul.Tensor", {"other": 2.5}),
    ("swapaxes", lambda x: x.swapaxes(0, 2), "aten.transpose.int", {"dim0": 0, "dim1": 2}),
    ("multiply", lambda x: torch.multiply(x, x), "aten.mul.Tensor", {}),
    ("clip", lambda x: torch.clip(x, 0, 1), "aten.clamp.default", {"min": 0, "max": 1}),
]


def test_spellings_with_a_card_are_those_tried_here() -> None:
    written = {card.op for card in registry().cards() if card.family == "spellings" and "convolution" not in card.op}

    assert written == {f"aten.{name}.default" for name in ("mT", "mH", "adjoint", "ravel", "detach", "swapaxes")}


def test_detached_tensor_is_the_tensor_itself() -> None:
    graph = capture(Called(torch.detach), [torch.rand(2, 3, 5)], weights=False).graph

    assert graph.body.outputs == graph.body.inputs


@pytest.mark.parametrize(("name", "function", "op", "arguments"), SPELLINGS, ids=[case[0] for case in SPELLINGS])
def test_other_spellings_of_a_call_become_the_one_with_a_card(
    name: str, function: Function, op: str, arguments: dict[str, object]
) -> None:
    (node,) = capture(Called(function), [torch.rand(2, 3, 5)], weights=False).graph.nodes()

    assert node.op == op
    assert {key: node.arguments[key] for key in arguments} == arguments


@pytest.mark.parametrize("alpha", [1, 3])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
def test_number_before_a_tensor_is_no_fault(op: str, alpha: int) -> None:
    called = getattr(aten, op).Tensor
    given = {"alpha": alpha} if op in ("add", "sub") else {}

    report = check(Called(lambda x: called(2.5, x + 1, **given)), [torch.rand(3, 5)], feature_level=3)

    assert report.nodes[-1].op.startswith("aten.")
    assert (report.nodes[-1].part is None) == (op == "div" or (op, alpha) == ("add", 3))
