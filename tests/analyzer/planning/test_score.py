"""The score and its losses."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import DynamicType, ElementType, Graph, PerTensor
from nnapi_check.analyzer.judging.judge import LEVELS
from nnapi_check.analyzer.planning.plan import Plan, Readiness
from nnapi_check.analyzer.planning.score import IN_FLOATS_SHARE, NODE_POINTS, WORK_SHARE, LossKind, counts
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.coverage_db.cards import Card, Emission, InFloats, Layout, Way
from nnapi_check.coverage_db.spec import OperandType
from tests.analyzer.hand_made_graphs import (
    IMAGE,
    HandMadeKnowledge,
    Sketch,
    card,
    graphs,
    mobile,
    surveyed,
    tensor,
    way,
)


def image_chain(sketch: Sketch, x: int, count: int, op: str = "t.relu") -> int:
    for _ in range(count):
        x = sketch.node(op, x)
    return x


@given(graphs())
@settings(max_examples=150)
def test_losses_sum_to_what_the_score_lacks(graph: Graph) -> None:
    survey = surveyed(graph)

    for level in LEVELS:
        score = survey.at(level).score
        assert sum(loss.points for loss in score.losses) == pytest.approx(100 - score.points, abs=1e-6)
        assert all(loss.points > 0 for loss in score.losses)
        assert 0 <= score.points <= 100
        assert list(score.losses) == sorted(score.losses, key=lambda loss: (-loss.points, loss.kind.value, loss.id))


@given(graphs())
@settings(max_examples=150)
def test_higher_level_never_lowers_the_score(graph: Graph) -> None:
    survey = surveyed(graph)

    points = [survey.at(level).score.points for level in LEVELS]

    assert all(higher >= lower - 1e-6 for lower, higher in pairwise(points))


@given(graphs())
@settings(max_examples=100)
def test_score_is_100_only_where_one_part_holds_everything_exactly(graph: Graph) -> None:
    for level in (1, 3, 8):
        plan = surveyed(graph).at(level)
        held = set(plan.partition.part_of())
        computing = {node for node, verdict in plan.verdicts.items() if counts(verdict)}
        is_whole = computing <= held and all(
            verdict.way is None or not verdict.way.bound for verdict in plan.verdicts.values()
        )
        if plan.score.points == 100:
            assert is_whole
            assert plan.readiness is Readiness.READY
        elif is_whole:
            assert len(plan.partition.parts) != 1
        if not plan.partition.parts:
            assert plan.readiness in (Readiness.UNSUPPORTED, Readiness.NOT_WORTHWHILE)
            assert plan.score.points == pytest.approx(0, abs=1e-9)
        else:
            assert plan.score.points > 0


def test_everything_on_nnapi_scores_100() -> None:
    sketch = Sketch()

    assert surveyed(sketch.graph(image_chain(sketch, sketch.input(), 5))).at(1).score.points == 100


def test_nothing_on_nnapi_scores_0() -> None:
    sketch = Sketch()

    score = surveyed(sketch.graph(image_chain(sketch, sketch.input(), 3, "t.gap"))).at(8).score

    assert score.points == pytest.approx(0, abs=1e-9)
    assert {loss.kind for loss in score.losses} == {LossKind.NODE}


def test_nodes_of_unknown_shape_lose_all_points_between_them() -> None:
    sketch = Sketch()
    unknown = DynamicType("the shape depends on values", "t.gap")
    made = sketch.node("t.gap", sketch.node("t.nobody", sketch.input(), kind=unknown), kind=unknown)

    plan = surveyed(sketch.graph(made)).at(8)

    assert plan.readiness is Readiness.UNSUPPORTED
    assert [loss.points for loss in plan.score.losses] == [50, 50]


def test_two_parts_that_nothing_passes_between_are_not_one() -> None:
    sketch = Sketch()
    ends = [image_chain(sketch, sketch.input(), 40) for _ in range(2)]

    plan = surveyed(sketch.graph(*ends)).at(8)

    assert len(plan.partition.parts) == 2
    assert plan.readiness is Readiness.NOT_WORTHWHILE
    assert [(loss.kind, loss.id) for loss in plan.score.losses] == [(LossKind.BOUNDARY, ends[1])]
    assert plan.score.points < 99


def test_graph_that_computes_nothing_is_not_worthwhile_and_scores_0() -> None:
    sketch = Sketch()
    x = sketch.input()
    made = sketch.node("t.nothing", x)

    plan = surveyed(sketch.graph(made, x)).at(8)

    assert plan.readiness is Readiness.NOT_WORTHWHILE
    assert plan.score.points == 0
    assert sum(loss.points for loss in plan.score.losses) == 100


def test_approximation_costs_less_than_a_point() -> None:
    sketch = Sketch()
    made = sketch.node("t.near", image_chain(sketch, sketch.input(), 3))

    score = surveyed(sketch.graph(made)).at(8).score

    assert 99 < score.points < 100
    assert [loss.kind for loss in score.losses] == [LossKind.APPROXIMATION]
    assert score.losses[0].id == 3


def test_boundary_inside_the_graph_is_told_by_its_value() -> None:
    sketch = Sketch()
    inner = image_chain(sketch, sketch.input(), 40)
    made = sketch.node("t.gap", inner)

    score = surveyed(sketch.graph(made)).at(8).score

    assert [(loss.kind, loss.id) for loss in score.losses if loss.kind is LossKind.BOUNDARY] == [
        (LossKind.BOUNDARY, inner)
    ]


def test_larger_node_on_the_cpu_costs_more() -> None:
    sketch = Sketch()
    x = image_chain(sketch, sketch.input(), 40)
    small = sketch.node("t.gap", x, kind=tensor((2, 3)))
    large = sketch.node("t.gap", x)

    losses = {loss.id: loss.points for loss in surveyed(sketch.graph(small, large)).at(8).score.losses}

    assert losses[41] > losses[40]


def test_node_that_emits_nothing_weighs_nothing() -> None:
    with_it, without = Sketch(), Sketch()
    x = with_it.node("t.nothing", image_chain(with_it, with_it.input(), 40))
    y = image_chain(without, without.input(), 40)

    scores = [
        surveyed(sketch.graph(sketch.node("t.gap", value))).at(8).score.points
        for sketch, value in ((with_it, x), (without, y))
    ]

    assert scores[0] == pytest.approx(scores[1])


QUANT = tensor(IMAGE, ElementType.QUINT8, PerTensor(0.5, 7))
IN_FLOATS = Way(
    "in-floats",
    (
        Emission("DEQUANTIZE"),
        Emission("CONV_2D", type=OperandType.TENSOR_FLOAT32),
        Emission("QUANTIZE", type=OperandType.TENSOR_FLOAT32),
    ),
    Layout.NHWC,
    in_floats=InFloats("It is a test.", "Pass another."),
)
TURNING = HandMadeKnowledge(
    [card("t.conv", way("operation", Layout.NHWC, "CONV_2D")), Card("t.turned", "made", "", (IN_FLOATS,))]
)


def quantized_plan(*ops: str) -> Plan:
    """The plan for a chain of ops on quantized images."""
    sketch = Sketch()
    x = sketch.input(QUANT)
    for op in ops:
        x = sketch.node(op, x, kind=QUANT)
    return survey(sketch.graph(x), TURNING, mobile()).at(8)


def test_integer_work_in_floats_loses_half_of_what_its_work_loses_on_the_cpu() -> None:
    assert quantized_plan("t.conv", "t.conv").score.points == 100

    score = quantized_plan("t.conv", "t.turned", "t.conv", "t.turned").score

    assert [(loss.kind, loss.id) for loss in score.losses] == [(LossKind.IN_FLOATS, 1), (LossKind.IN_FLOATS, 3)]
    assert score.points == pytest.approx(100 - IN_FLOATS_SHARE * NODE_POINTS * WORK_SHARE / 2)


def test_integer_work_loses_less_in_floats_than_on_the_cpu() -> None:
    in_floats, on_the_cpu = (quantized_plan(*["t.conv"] * 9, op).score.points for op in ("t.turned", "t.gap"))

    assert on_the_cpu < in_floats < 100


@given(st.lists(st.sampled_from(["t.conv", "t.turned", "t.gap"]), min_size=1, max_size=30))
@settings(max_examples=100)
def test_losses_of_quantized_chains_sum_to_what_the_score_lacks(ops: list[str]) -> None:
    score = quantized_plan(*ops).score

    assert sum(loss.points for loss in score.losses) == pytest.approx(100 - score.points, abs=1e-6)
    assert 0 <= score.points <= 100
    assert all(loss.points > 0 for loss in score.losses)
