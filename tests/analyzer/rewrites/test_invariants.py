"""Rewrites keep their invariants, each of which can be broken, and the nodes that they make compute the same."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.nn.functional import (
    adaptive_avg_pool1d,
    avg_pool1d,
    conv2d,
    hardsigmoid,
    hardswish,
    max_pool1d,
    pad,
    pixel_shuffle,
    scaled_dot_product_attention,
)

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.files.program_words import write_truth_values_as_numbers
from nnapi_check.analyzer.graph import Absent, Argument, Block, Graph, Node, Ref
from nnapi_check.analyzer.rewrites.driver import REWRITES, Applied, Rewritten, rewrite
from nnapi_check.analyzer.rewrites.invariants import ENSURES, REQUIRES, broken
from nnapi_check.analyzer.rewrites.rewrite import shipped_ops
from nnapi_check.analyzer.rewrites.undone_reshapes import UNCHANGED
from nnapi_check.coverage_db.cards import Card
from nnapi_check.lowering.examples.modules import example_module
from nnapi_check.lowering.verification.reference import graph_values
from tests.cards import cards
from tests.torch_releases import since

Function = Callable[..., object]
MADE = {op for item in REWRITES if isinstance(item.makes, frozenset) for op in item.makes}
IMAGE = (2, 6, 5, 7)


class Called(torch.nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("constant", torch.rand(4, 6, 4, 2))

    def forward(self, *given: torch.Tensor) -> object:
        return self.function(*given, self.constant)


def even_window(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return conv2d(pad(x, (0, 1, 1, 2)), weight)


def shuffled(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return x.view(2, 3, 2, 5, 7).transpose(1, 2).contiguous().view(2, 6, 5, 7)


def to_pixels(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return x[:, :4].view(2, 1, 2, 2, 5, 7).permute(0, 1, 4, 2, 5, 3).reshape(2, 1, 10, 14)


def to_channels(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return pixel_shuffle(x[:, :4], 2).view(2, 1, 5, 2, 7, 2).permute(0, 1, 3, 5, 2, 4).reshape(2, 4, 5, 7)


SAMPLES: dict[str, tuple[Function, tuple[tuple[int, ...], ...]]] = {
    "aten.hardswish.default": (lambda x, _: hardswish(x * 4), (IMAGE,)),
    "aten.hardsigmoid.default": (lambda x, _: hardsigmoid(x * 4), (IMAGE,)),
    "aten.conv2d.padding": (even_window, (IMAGE,)),
    "aten.pad.default": (lambda x, _: pad(x, (1, 2, 0, 3), mode="circular"), (IMAGE,)),
    "aten.avg_pool1d.default": (lambda x, _: avg_pool1d(x, 3, 2, 1), (IMAGE[1:],)),
    "aten.max_pool1d.default": (lambda x, _: max_pool1d(x, 3, 2, 1), (IMAGE[1:],)),
    "aten.adaptive_avg_pool1d.default": (lambda x, _: adaptive_avg_pool1d(x, 3), (IMAGE[1:],)),
    "aten.channel_shuffle.default": (shuffled, (IMAGE,)),
    "aten.pixel_shuffle.default": (to_pixels, (IMAGE,)),
    "aten.pixel_unshuffle.default": (to_channels, (IMAGE,)),
    "aten.scaled_dot_product_attention.default": (
        lambda q, k, v, _: scaled_dot_product_attention(q, k, v, scale=0.3),
        ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)),
    ),
}


@cache
def captured(name: str) -> Captured:
    function, shapes = SAMPLES[name]
    generator = torch.Generator().manual_seed(len(name))
    inputs = tuple(torch.randn(shape, generator=generator) for shape in shapes)
    program = torch.export.export(Called(function), inputs)
    # An op of PyTorch's own is taken apart, so that there is something to put together.
    module = (program if "shuffle" in name or "conv" in name else program.run_decompositions()).module()
    write_truth_values_as_numbers(module)
    return capture(module, inputs, weights=True)


def called(op: str, arguments: dict[str, object]) -> torch.Tensor:
    _, name, overload = op.split(".")
    overloaded = getattr(getattr(torch.ops.aten, name), overload)
    known = {argument.name for argument in overloaded._schema.arguments}
    assert set(arguments) == known, f"{op} takes {known}"
    result = overloaded(**arguments)
    assert isinstance(result, torch.Tensor)
    return result


@since("2.5", "attention has the argument enable_gqa")
@pytest.mark.parametrize("op", SAMPLES)
def test_the_node_that_is_made_computes_what_its_nodes_did(op: str) -> None:
    found = captured(op)
    (node,) = [node for node in found.graph.nodes() if node.op == op and node.covers]
    values = graph_values(found, [*node.inputs(), *node.outputs], found.example_inputs)

    def given(argument: Argument) -> object:
        match argument:
            case Ref(value):
                return found.tensor(value) if found.graph.values[value].is_constant else values[value]
            case Absent():
                return None
            case tuple():
                return list(argument)
            case _:
                return argument

    computed = called(op, {name: given(argument) for name, argument in node.arguments.items()})

    torch.testing.assert_close(computed, values[node.outputs[0]])


def test_every_op_of_pytorch_that_covers_nodes_has_numbers_here() -> None:
    ops = {op for item in REWRITES if isinstance(item.makes, frozenset) for op in item.makes}
    made = {op for op in ops if op.startswith("aten.")}

    # A convolution along one dimension, or three, is read by the same lines, and an alias covers no nodes.
    assert made == {*SAMPLES, "aten.conv1d.padding", "aten.conv3d.padding", UNCHANGED}


OURS = [card for card in cards().values() if card.arguments]


@pytest.mark.parametrize("card", OURS, ids=lambda card: card.op)
def test_a_node_of_an_op_of_ours_has_the_arguments_that_its_card_names(card: Card) -> None:
    example = next(example for example in card.ways[0].examples if example.expect is None)
    made = example_module(card, example)

    (node,) = [node for node in capture(made.module, made.inputs, weights=False).graph.nodes() if node.op == card.op]

    assert tuple(node.arguments) == card.arguments


def test_every_op_of_ours_is_made_by_a_rewrite() -> None:
    assert {card.op for card in OURS} == {op for op in MADE if not op.startswith(("aten.", "quantized."))}


def test_the_table_names_each_rewrite_once() -> None:
    names = [item.name for item in REWRITES]

    assert len(set(names)) == len(names)


def swish() -> tuple[Graph, Rewritten, Applied]:
    """A graph before and after, and the one rewrite that was applied: a sum, bounds, a product and a quotient."""
    nodes = captured("aten.hardswish.default").calls
    graph = captured("aten.hardswish.default").graph
    before = replace(graph, body=Block(graph.body.inputs, nodes, graph.body.outputs))
    after = rewrite(before, shipped_ops())
    (applied,) = after.applied
    return before, after, applied


def test_what_is_applied_holds() -> None:
    before, after, _ = swish()

    assert list(broken(before, after)) == []


def with_node(graph: Graph, new: Node) -> Graph:
    nodes = tuple(new if node.id == new.id else node for node in graph.body.nodes)
    return replace(graph, body=replace(graph.body, nodes=nodes))


def broken_ways() -> dict[str, tuple[Graph, Rewritten]]:
    """For each invariant, by its sentence, a graph or a match that breaks it."""
    before, after, applied = swish()
    match = applied.match
    first, last = match.nodes[0], match.nodes[-1]

    def found(graph: Graph = before, **changes: object) -> tuple[Graph, Rewritten]:
        new = replace(match, **changes)  # type: ignore[arg-type]  # each change is of the field that it names
        return graph, replace(after, applied=(replace(applied, match=new),))

    outside = next(node for node in before.nodes() if node not in match.nodes)
    constant = replace(first, is_constant=True)
    elsewhere = replace(before, body=replace(before.body, outputs=(*before.body.outputs, first.outputs[0])))
    inner = replace(outside, blocks=(Block((), match.nodes[:1], ()),))
    apart = replace(before, body=replace(before.body, nodes=(inner, *match.nodes[1:])))
    ordered = with_node(before, replace(last, follows=(first.id,)))
    late = replace(before, body=replace(before.body, nodes=(*match.nodes, outside)))
    reader = replace(outside, id=len(before.values), arguments={"self": Ref(last.outputs[0])}, outputs=())
    early = replace(before, body=replace(before.body, nodes=(outside, reader, *match.nodes)))
    cases = (
        found(nodes=match.nodes[1:]),
        found(apart),
        found(nodes=(constant, *match.nodes[1:])),
        found(elsewhere),
        found(ordered),
        found(op="aten.relu.default"),
        found(outputs=outside.outputs),
        found(late),
        found(early),
    )
    return dict(zip((item.words for item in (*REQUIRES, *ENSURES)), cases, strict=True))


@pytest.mark.parametrize("words", [item.words for item in (*REQUIRES, *ENSURES)])
def test_an_invariant_that_does_not_hold_is_told(words: str) -> None:
    graph, after = broken_ways()[words]

    assert any(sentence.endswith(words) for sentence in broken(graph, after))
