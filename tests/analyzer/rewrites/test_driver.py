"""Runs of moves as single nodes: which are found, and that they compute the same."""

import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Block, ElementType, Graph, GraphInput, Node, NodeOutput, Ref, TensorType, Value
from nnapi_check.analyzer.rewrites.driver import rewrite
from nnapi_check.analyzer.rewrites.rewrite import shipped_ops
from nnapi_check.analyzer.rewrites.runs.rearranged_parts import REARRANGE_PARTS
from nnapi_check.analyzer.rewrites.runs.rearranged_runs import REARRANGE
from nnapi_check.analyzer.rewrites.runs.spread_additions import ADD_SPREAD
from tests.costs import calls_in

Forward = Callable[[torch.Tensor], torch.Tensor | tuple[torch.Tensor, ...]]


class Moves(torch.nn.Module):
    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self._forward = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        return self._forward(x)


def rewritten(forward: Forward, *shape: int) -> Graph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return capture(Moves(forward), [torch.rand(shape)], weights=False).graph


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes()]


def shuffle_channels(x: torch.Tensor, groups: int = 2) -> torch.Tensor:
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


@pytest.mark.parametrize("batch", [1, 2])
def test_shuffled_channels_become_channel_shuffle(batch: int) -> None:
    graph = rewritten(lambda x: shuffle_channels(x, 3), batch, 12, 5, 7)

    assert ops(graph) == ["aten.channel_shuffle.default"]
    assert next(graph.nodes()).arguments == {"self": Ref(0), "groups": 3}


def test_branches_whose_channels_are_stacked_in_turn_become_channel_shuffle() -> None:
    def interleaved(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.relu(), x.tanh()], dim=1).transpose(1, 2).flatten(1, 2)

    graph = rewritten(interleaved, 2, 6, 5, 7)

    assert ops(graph) == ["aten.relu.default", "aten.tanh.default", "aten.cat.default", "aten.channel_shuffle.default"]


def test_channels_that_become_pixels_are_found() -> None:
    def shuffle(x: torch.Tensor) -> torch.Tensor:
        return x.view(2, 3, 2, 2, 5, 7).permute(0, 1, 4, 2, 5, 3).reshape(2, 3, 10, 14)

    graph = rewritten(shuffle, 2, 12, 5, 7)

    assert ops(graph) == ["aten.pixel_shuffle.default"]
    assert next(graph.nodes()).arguments["upscale_factor"] == 2


def test_pixels_that_become_channels_are_found() -> None:
    def unshuffle(x: torch.Tensor) -> torch.Tensor:
        return x.view(2, 3, 5, 2, 7, 2).permute(0, 1, 3, 5, 2, 4).reshape(2, 12, 5, 7)

    graph = rewritten(unshuffle, 2, 3, 10, 14)

    assert ops(graph) == ["aten.pixel_unshuffle.default"]


def test_windows_become_one_permutation_of_four_dimensions() -> None:
    def windows(x: torch.Tensor) -> torch.Tensor:
        return x.view(2, 3, 2, 4, 2, 5).permute(0, 1, 3, 2, 4, 5).reshape(24, 4, 5)

    graph = rewritten(windows, 2, 6, 8, 5)

    (node,) = graph.nodes()
    assert node.op == REARRANGE
    assert node.arguments == {
        "self": Ref(0),
        "shape_before": (6, 2, 4, 10),
        "order": (0, 2, 1, 3),
        "shape_after": (24, 4, 5),
    }


def test_query_key_and_value_become_one_node() -> None:
    def attention(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = x.reshape(2, 5, 3, 4, 2).permute(2, 0, 3, 1, 4)
        return parts[0] * 2, parts[1], parts[2]

    graph = rewritten(attention, 2, 5, 24)

    (node, multiply) = graph.nodes()
    assert node.op == REARRANGE_PARTS
    assert (node.arguments["outer"], node.arguments["count"], node.arguments["inner"]) == (10, 3, 8)
    assert node.arguments["indices"] == (0, 1, 2)
    assert multiply.op == "aten.mul.Tensor"
    for place, value in enumerate(node.outputs):
        assert graph.values[value].origin == NodeOutput(node.id, place)


def test_query_and_value_that_are_sliced_become_one_node() -> None:
    def attention(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = x.reshape(2, 5, 3, 4, 2).permute(2, 0, 3, 1, 4)
        return parts[-3:1].squeeze(0) * 2, parts[2:].squeeze(0)

    (node, multiply) = rewritten(attention, 2, 5, 24).nodes()

    assert node.op == REARRANGE_PARTS
    assert node.arguments["indices"] == (0, 2)
    assert multiply.op == "aten.mul.Tensor"


def test_slices_that_are_more_than_one_place_are_kept() -> None:
    def two_places(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = x.reshape(2, 5, 3, 4, 2).permute(2, 0, 3, 1, 4)
        return parts[:1].squeeze(0), parts[1:]

    def another_dimension(x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 5, 3, 1, 8).permute(2, 0, 3, 1, 4)[:1].squeeze(2)

    assert REARRANGE_PARTS not in ops(rewritten(two_places, 2, 5, 24))
    assert REARRANGE_PARTS not in ops(rewritten(another_dimension, 2, 5, 24))


def test_a_node_names_what_it_covers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        captured = capture(Moves(shuffle_channels), [torch.rand(1, 12, 5, 7)], weights=False)

    (node,) = captured.graph.nodes()

    assert node.covers == tuple(item.id for item in captured.calls)
    assert node.id == node.covers[-1]


def test_a_tensor_of_rank_5_that_is_read_elsewhere_is_kept() -> None:
    def both(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        wide = x.view(2, 3, 2, 4, 2, 5)
        return wide.permute(0, 1, 3, 2, 4, 5).reshape(24, 4, 5), wide.sum(0)

    assert REARRANGE not in ops(rewritten(both, 2, 6, 8, 5))


def test_a_graph_without_such_runs_is_given_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = capture(Moves(lambda x: x.permute(0, 2, 1).reshape(2, 15)), [torch.rand(2, 3, 5)], weights=False).graph

    assert rewrite(graph, shipped_ops()).graph is graph


def call(name: str, *arguments: object) -> torch.Tensor:
    result = getattr(torch, name)(*arguments)
    assert isinstance(result, torch.Tensor)
    return result


def run(node: Node, x: torch.Tensor) -> torch.Tensor:
    """What a rewritten node means, in PyTorch's terms."""
    arguments = {name: item for name, item in node.arguments.items() if not isinstance(item, Ref)}
    if node.op == REARRANGE:
        moved = call("permute", call("reshape", x, arguments["shape_before"]), arguments["order"])
        return call("reshape", moved, arguments["shape_after"])
    return call(node.op.split(".")[1], x, *arguments.values())


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(1, 5)), st.permutations([2, 3, 4, 2]), st.integers(1, 3))
def test_a_rewritten_run_computes_the_same(order: list[int], sizes: list[int], batch: int) -> None:
    def moves(x: torch.Tensor) -> torch.Tensor:
        moved = x.view(batch, *sizes).permute(0, *order)
        return moved.reshape(batch, moved.shape[1] * moved.shape[2], moved.shape[3], moved.shape[4])

    x = torch.arange(batch * 48.0).reshape(batch, sizes[0] * sizes[1], sizes[2], sizes[3])
    (node,) = rewritten(moves, *x.shape).nodes()

    assert torch.equal(run(node, x), moves(x))


def chain(count: int) -> Graph:
    """A graph of shuffles, one after another."""
    flat, wide = TensorType(ElementType.FLOAT32, (1, 6, 5, 7)), TensorType(ElementType.FLOAT32, (1, 2, 3, 5, 7))
    turned = TensorType(ElementType.FLOAT32, (1, 3, 2, 5, 7))
    values = [Value(0, flat, GraphInput(0, "x"))]
    nodes: list[Node] = []
    for _ in range(count):
        for op, more, kind in (
            ("aten.view.default", {"size": wide.shape}, wide),
            ("aten.transpose.int", {"dim0": 1, "dim1": 2}, turned),
            ("aten.view.default", {"size": flat.shape}, flat),
        ):
            source = len(values) - 1
            nodes.append(Node(len(nodes), op, {"self": Ref(source), **more}, (len(values),)))
            values.append(Value(len(values), kind, NodeOutput(len(nodes) - 1, 0)))
    return Graph("chain", tuple(values), Block((0,), tuple(nodes), (len(values) - 1,)))


def test_a_long_graph_takes_time_in_proportion() -> None:
    short, long = chain(100), chain(1_000)

    assert calls_in(lambda: rewrite(long, shipped_ops())) < 11 * calls_in(lambda: rewrite(short, shipped_ops()))


def test_a_mask_for_each_window_is_added_in_four_dimensions() -> None:
    mask = torch.rand(3, 1, 4, 5)

    def masked(x: torch.Tensor) -> torch.Tensor:
        return (x.view(2, 3, 2, 4, 5) + mask.unsqueeze(0)).view(-1, 2, 4, 5)

    graph = rewritten(masked, 6, 2, 4, 5)

    (node,) = [node for node in graph.nodes() if not node.is_constant]
    assert node.op == ADD_SPREAD
    assert node.arguments["expanded"] == (2, 3, 1, 4, 5)
    assert node.arguments["shape"] == (6, 1, 4, 5)


def test_a_sum_with_a_tensor_that_is_computed_keeps_its_reshapes() -> None:
    def added(x: torch.Tensor) -> torch.Tensor:
        return (x.view(2, 3, 2, 4, 5) + x.mean()).view(-1, 2, 4, 5)

    assert ADD_SPREAD not in ops(rewritten(added, 6, 2, 4, 5))
