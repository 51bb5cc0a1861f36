"""Attention is found in what decompositions write for it, and nothing else is taken for it."""

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.files.program_words import write_truth_values_as_numbers
from nnapi_check.analyzer.graph import ABSENT, Graph, Node, Ref
from nnapi_check.analyzer.rewrites.decomposed_attention import ATTENTION
from tests.torch_releases import since

Function = Callable[..., object]
QUERY, KEY, VALUE = (2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)


class Called(torch.nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("mask", torch.rand(5, 7))

    def forward(self, *given: torch.Tensor) -> object:
        return self.function(*given, self.mask)


def rewritten(function: Function, *shapes: tuple[int, ...]) -> Graph:
    inputs = tuple(torch.rand(shape) for shape in shapes or (QUERY, KEY, VALUE))
    module = torch.export.export(Called(function), inputs).run_decompositions().module()
    write_truth_values_as_numbers(module)
    return capture(module, inputs, weights=False).graph


def computing(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes() if not node.is_constant]


@since("2.9", "decompositions of attention are of this form")
def test_decomposed_attention_is_one_node_again() -> None:
    graph = rewritten(lambda q, k, v, _: scaled_dot_product_attention(q, k, v, scale=0.3))

    (node,) = computing(graph)

    assert node.op == ATTENTION
    assert [node.arguments[name] for name in ("query", "key", "value")] == [Ref(value) for value in graph.body.inputs]
    assert node.arguments["attn_mask"] == ABSENT
    assert node.arguments["scale"] == pytest.approx(0.3)
    assert node.outputs == graph.body.outputs
    assert node.id == max(node.covers)


@since("2.9", "decompositions of attention are of this form")
def test_its_arguments_are_those_of_the_op() -> None:
    (node,) = computing(rewritten(lambda q, k, v, _: scaled_dot_product_attention(q, k, v)))

    schema = torch.ops.aten.scaled_dot_product_attention.default._schema

    assert set(node.arguments) == {argument.name for argument in schema.arguments}


@since("2.13", "decompositions of attention are of this form")
def test_batches_of_one_dimension_are_found_between_the_dimension_that_is_added() -> None:
    graph = rewritten(lambda q, k, v, _: scaled_dot_product_attention(q, k, v), QUERY[1:], KEY[1:], VALUE[1:])

    ops = [node.op for node in computing(graph)]

    assert ops == ["aten.unsqueeze.default"] * 3 + [ATTENTION, "aten.squeeze.dims"]


@since("2.9", "decompositions of attention are of this form")
@pytest.mark.parametrize(
    "mask_of", [lambda mask: mask, lambda mask: mask > 0.3], ids=["a mask to add", "a mask of truth values"]
)
def test_its_mask_is_a_constant(mask_of: Callable[[torch.Tensor], torch.Tensor]) -> None:
    graph = rewritten(lambda q, k, v, mask: scaled_dot_product_attention(q, k, v, mask_of(mask)))

    (node,) = computing(graph)

    mask = node.arguments["attn_mask"]
    assert node.op == ATTENTION
    assert isinstance(mask, Ref)
    assert graph.values[mask.value].is_constant


@since("2.9", "decompositions of attention are of this form")
def test_causal_attention_has_a_constant_mask() -> None:
    shapes = (QUERY, QUERY, (2, 3, 5, 6))
    graph = rewritten(lambda q, k, v, _: scaled_dot_product_attention(q, k, v, is_causal=True), *shapes)

    (node,) = computing(graph)

    assert node.op == ATTENTION
    assert isinstance(node.arguments["attn_mask"], Ref)


def weights_are_read(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor) -> object:
    weights = torch.softmax((q * 0.5) @ (k.transpose(-2, -1) * 0.5), -1)
    return weights @ v, weights


def scores_are_read(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor) -> object:
    scores = (q * 0.5) @ (k.transpose(-2, -1) * 0.5)
    return torch.softmax(scores, -1) @ v, scores


def over_rows(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor) -> object:
    return torch.softmax((q * 0.5) @ (k.transpose(-2, -1) * 0.5), -2) @ v


def keys_as_they_are(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor) -> object:
    return torch.softmax((q * 0.5) @ (k * 0.5), -1) @ v


def times_a_tensor(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> object:
    return torch.softmax((q * mask[:, :1]) @ (k.transpose(-2, -1) * 0.5), -1) @ v


def weights_on_the_right(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor) -> object:
    return v.transpose(-2, -1) @ torch.softmax((k * 0.5) @ (q.transpose(-2, -1) * 0.5), -1)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (weights_are_read, (QUERY, KEY, VALUE)),
        (scores_are_read, (QUERY, KEY, VALUE)),
        (over_rows, (QUERY, KEY, VALUE)),
        (keys_as_they_are, ((2, 3, 5, 4), (2, 3, 4, 7), (2, 3, 7, 6))),
        (times_a_tensor, (QUERY, KEY, VALUE)),
        (weights_on_the_right, ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_products_that_mean_something_else_stay(function: Function, shapes: tuple[tuple[int, ...], ...]) -> None:
    assert ATTENTION not in [node.op for node in computing(rewritten(function, *shapes))]


def test_an_attention_written_by_hand_is_found() -> None:
    def by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> object:
        return torch.softmax((q * 0.5) @ (k.transpose(-2, -1) * 0.25) + mask, -1) @ v

    (node,) = computing(rewritten(by_hand))

    assert node.op == ATTENTION
    assert node.arguments["scale"] == 0.125


def near_misses(function: Function, *shapes: tuple[int, ...]) -> list[tuple[str, int, str]]:
    inputs = tuple(torch.rand(shape) for shape in shapes or (QUERY, KEY, VALUE))
    module = torch.export.export(Called(function), inputs).run_decompositions().module()
    write_truth_values_as_numbers(module)
    misses = capture(module, inputs, weights=False).near_misses
    return [(near.rewrite.name, near.miss.matched, near.miss.at.op) for near in misses]


def weights_are_scaled(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _: torch.Tensor) -> object:
    return torch.softmax((q * 0.5) @ (k.transpose(-2, -1) * 0.5), -1).mul(2.0) @ v


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (weights_are_read, "aten._softmax.default"),
        (scores_are_read, "aten.view.default"),
        (over_rows, "aten._softmax.default"),
        (weights_are_scaled, "aten.mul.Tensor"),
    ],
)
def test_the_node_that_is_in_the_way_of_attention_is_told(function: Function, at: str) -> None:
    ((name, matched, op),) = near_misses(function)

    assert (name, op) == ("decomposed-attention", at)
    assert matched >= 8


@pytest.mark.parametrize("function", [keys_as_they_are, times_a_tensor])
def test_a_product_of_other_matrices_is_no_near_miss(function: Function) -> None:
    shapes = ((2, 3, 5, 4), (2, 3, 4, 7), (2, 3, 7, 6)) if function is keys_as_they_are else ()

    assert near_misses(function, *shapes) == []
