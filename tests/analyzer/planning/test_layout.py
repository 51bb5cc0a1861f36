"""The order of dimensions of every value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import ElementType, Graph
from nnapi_check.analyzer.planning.layout import (
    NHWC_FROM_NCHW,
    LayoutChange,
    LayoutChanges,
    LayoutPlan,
    is_trivial,
)
from nnapi_check.coverage_db.cards import Layout
from tests.analyzer.hand_made_graphs import HandMadeKnowledge, Sketch, graphs, operations, surveyed, tensor


def planned(graph: Graph, level: int = 8) -> LayoutPlan:
    return surveyed(graph).at(level).layout


def test_elementwise_nodes_between_convolutions_stay_nhwc() -> None:
    sketch = Sketch()
    first = sketch.node("t.conv", sketch.input())
    between = sketch.node("t.relu", first)
    made = sketch.node("t.conv", between)

    found = planned(sketch.graph(made))

    assert found.nhwc_values == {first, between, made}
    assert found.conflicts == {}


def test_elementwise_nodes_alone_keep_the_order_of_pytorch() -> None:
    sketch = Sketch()
    made = sketch.node("t.add", sketch.node("t.relu", sketch.input()), sketch.input())

    assert planned(sketch.graph(made)).nhwc_values == frozenset()


def test_elementwise_node_before_a_convolution_takes_the_order_that_is_wanted() -> None:
    sketch = Sketch()
    first = sketch.node("t.relu", sketch.input())
    made = sketch.node("t.conv", first)

    found = planned(sketch.graph(made))

    assert first in found.nhwc_values
    assert found.conflicts == {}


def test_reader_of_the_other_order_has_a_conflict() -> None:
    sketch = Sketch()
    first = sketch.node("t.conv", sketch.input())
    made = sketch.node("t.tanh", first)

    found = planned(sketch.graph(made))

    assert found.conflicts == {(1, first): LayoutChange("TRANSPOSE", 2)}
    assert found.cuts == frozenset()


def test_conflict_is_a_cut_where_there_is_no_transpose() -> None:
    sketch = Sketch()
    first = sketch.node("t.conv", sketch.input())
    made = sketch.node("t.tanh", first)

    found = planned(sketch.graph(made), level=1)

    assert found.cuts == {(1, first)}


@pytest.mark.parametrize("shape", [(1, 1, 9, 11), (2, 7, 1, 1)])
def test_order_that_holds_the_same_numbers_is_changed_by_a_reshape(shape: tuple[int, ...]) -> None:
    sketch = Sketch()
    first = sketch.node("t.conv", sketch.input(tensor(shape)), kind=tensor(shape))
    made = sketch.node("t.tanh", first, kind=tensor(shape))

    found = planned(sketch.graph(made), level=1)

    assert found.conflicts == {(1, first): LayoutChange("RESHAPE", 1)}
    assert found.cuts == frozenset()


def with_places(shape: tuple[int, ...]) -> tuple[Graph, int, int]:
    """Whole numbers in PyTorch's order, converted and read in NHWC, with the values before and after the conversion."""
    sketch = Sketch()
    image = sketch.node("t.conv", sketch.input(tensor(shape)), kind=tensor(shape))
    places = sketch.node("t.argmax", image, kind=tensor(shape, ElementType.INT32))
    cast = sketch.node("t.cast", places, kind=tensor(shape))
    return sketch.graph(sketch.node("t.conv", cast, kind=tensor(shape))), places, cast


@pytest.mark.parametrize(("shape", "since"), [((1, 1, 9, 11), 1), ((1, 6, 9, 11), 2)])
def test_order_of_whole_numbers_that_no_operation_changes_is_kept_by_their_readers(
    shape: tuple[int, ...], since: int
) -> None:
    graph, places, cast = with_places(shape)

    found = planned(graph, level=3)

    assert not found.cuts
    assert places not in found.nhwc_values
    assert cast not in found.nhwc_values
    assert found.conflicts[3, cast].since == since


def test_change_of_layout_has_the_level_of_its_operation_for_the_type() -> None:
    graph, places, _ = with_places((1, 1, 9, 11))
    changes = LayoutChanges(operations()["RESHAPE"], operations()["TRANSPOSE"])

    small, large = (changes.of(tensor(shape, ElementType.INT32)) for shape in ((1, 1, 9, 11), (1, 6, 9, 11)))

    assert (small, large) == (LayoutChange("RESHAPE", 6), LayoutChange("TRANSPOSE", None))
    assert planned(graph, level=6).conflicts[2, places] == small


def test_only_rank_4_values_are_nhwc() -> None:
    sketch = Sketch()
    rows = tensor((3, 700))
    made = sketch.node("t.relu", sketch.input(rows), kind=rows)

    assert planned(sketch.graph(made)).nhwc_values == frozenset()


def test_larger_share_of_the_inputs_decides() -> None:
    sketch = Sketch()
    nhwc = sketch.node("t.conv", sketch.input())
    torch_order = sketch.node("t.tanh", sketch.input())
    mixed = sketch.node("t.add", nhwc, torch_order)
    again = sketch.node("t.add", mixed, nhwc)

    found = planned(sketch.graph(again))

    conflicted = {value for _, value in found.conflicts}
    assert len(conflicted) == 1


@given(st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_trivial_shapes_hold_the_same_numbers_in_both_orders(shape: list[int]) -> None:
    numbers = np.arange(np.prod(shape)).reshape(shape)

    if is_trivial(tuple(shape)):
        assert (numbers.transpose(NHWC_FROM_NCHW).ravel() == numbers.ravel()).all()


@given(graphs())
@settings(max_examples=120)
def test_every_read_that_differs_from_what_was_made_is_a_conflict(graph: Graph) -> None:
    plan = surveyed(graph).at(4)
    layout = plan.layout
    knowledge = HandMadeKnowledge()

    for node in graph.nodes():
        way = plan.verdicts[node.id].way
        if way is None:
            continue
        for value in node.inputs():
            kind = graph.values[value].type
            made = value in layout.nhwc_values
            is_made_inside = value not in graph.body.inputs and plan.verdicts[_maker(graph, value)].is_supported
            differs = is_made_inside and made != layout.reads_nhwc(node.id, value)
            assert ((node.id, value) in layout.conflicts) == differs
            if way.layout is Layout.NHWC and len(kind.shape) == 4:  # type: ignore[union-attr]  # all are tensors
                assert layout.reads_nhwc(node.id, value)
            if way.layout is Layout.TORCH:
                assert not layout.reads_nhwc(node.id, value)
    assert layout.cuts <= set(layout.conflicts)
    assert knowledge.operation("TRANSPOSE").since == 2
    assert layout.cuts == frozenset()


def _maker(graph: Graph, value: int) -> int:
    return next(node.id for node in graph.nodes() if value in node.outputs)
