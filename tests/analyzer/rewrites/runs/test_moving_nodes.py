"""Ops whose cards say that they only move elements: they do, and as the cards say."""

from collections.abc import Callable

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Block, readers_of
from nnapi_check.analyzer.rewrites.rewrite import Surroundings, shipped_ops
from nnapi_check.analyzer.rewrites.runs.moving_nodes import move_of
from nnapi_check.coverage_db.cards import Movement

SHAPE = (2, 1, 3, 5)

MATRIX = {"aten.t.default"}

CALLS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "aten._unsafe_view.default": lambda x: torch.ops.aten._unsafe_view(x, [6, 5]),
    "aten.clone.default": lambda x: x.clone(),
    "aten.contiguous.default": lambda x: x.permute(0, 2, 3, 1).contiguous(),
    "aten.flatten.using_ints": lambda x: x.flatten(1, 2),
    "aten.movedim.int": lambda x: x.movedim(3, -3),
    "aten.numpy_T.default": lambda x: torch.ops.aten.numpy_T(x),
    "aten.permute.default": lambda x: x.permute(3, 0, -2, 1),
    "aten.reshape.default": lambda x: x.reshape(3, 10),
    "aten.squeeze.default": lambda x: x.squeeze(),
    "aten.squeeze.dim": lambda x: x.squeeze(1),
    "aten.squeeze.dims": lambda x: x.squeeze((0, 1)),
    "aten.t.default": lambda x: x.t(),
    "aten.transpose.int": lambda x: x.transpose(-1, 0),
    "aten.unflatten.int": lambda x: torch.unflatten(x[:, :, :, :4], 3, (2, 2)),
    "aten.unsqueeze.default": lambda x: x.unsqueeze(-2),
    "aten.view.default": lambda x: x.view(5, 6),
}


class Called(torch.nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def test_there_is_a_call_of_every_op_that_a_card_calls_a_move() -> None:
    assert set(shipped_ops().moves) == set(CALLS)


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
@pytest.mark.parametrize("op", CALLS)
def test_what_a_card_calls_a_move_moves_elements_so(op: str) -> None:
    x = torch.arange(30.0).reshape(SHAPE if op not in MATRIX else (6, 5))
    captured = capture(Called(CALLS[op]), [x], weights=False)
    (node,) = [node for node in captured.calls if node.op == op]
    graph = captured.graph
    around = Surroundings(graph, {node.id: node}, readers_of(graph), shipped_ops())

    move = move_of(node, around)

    assert move is not None
    assert (move.order is None) == (shipped_ops().moves[op] is Movement.RESHAPE)
    source = x if captured.calls[0] is node else run(captured.calls[0].op, x)
    moved = source.reshape(move.shape) if move.order is None else source.permute(move.order)
    assert torch.equal(moved, CALLS[op](x))
    assert graph.body == Block(graph.body.inputs, captured.calls, graph.body.outputs)


def run(op: str, x: torch.Tensor) -> torch.Tensor:
    """What stands before the move."""
    return x.permute(0, 2, 3, 1) if op == "aten.permute.default" else x[:, :, :, :4]
