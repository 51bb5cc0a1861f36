"""Calls in other spellings."""

import pytest
import torch

from nnapi_check import registry
from nnapi_check.analyzer.capture.capture import capture
from tests.analyzer.torch_models import Called, Function

SPELLINGS: list[tuple[str, Function, str, dict[str, object]]] = [
    ("mT", lambda x: x.mT, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("mH", lambda x: x.mH, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("adjoint", torch.adjoint, "aten.transpose.int", {"dim0": -2, "dim1": -1}),
    ("ravel", torch.ravel, "aten.flatten.using_ints", {"start_dim": 0, "end_dim": -1}),
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
