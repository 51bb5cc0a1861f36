"""The whole answer about a graph."""

import pytest
from hypothesis import given, settings

from nnapi_check.analyzer.graph import Graph, TensorType
from nnapi_check.analyzer.judging.judge import LEVELS, judge
from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.coverage_db.cards import Status
from tests.analyzer.hand_made_graphs import HandMadeKnowledge, Sketch, graphs, mobile, surveyed, tensor


def chained(*ops: str, kind: TensorType | None = None) -> Graph:
    sketch = Sketch()
    x = sketch.input(kind)
    for op in ops:
        x = sketch.node(op, x, kind=kind)
    return sketch.graph(x)


@pytest.mark.parametrize(
    ("ops", "readiness"),
    [
        (("t.relu", "t.tanh"), Readiness.READY),
        (("t.relu", "t.gap"), Readiness.NOT_WORTHWHILE),
        (("t.gap", "t.nobody"), Readiness.UNSUPPORTED),
        (("t.nothing", "t.gap"), Readiness.UNSUPPORTED),
        (("t.relu", "t.nothing"), Readiness.READY),
    ],
)
def test_readiness_in_words(ops: tuple[str, ...], readiness: Readiness) -> None:
    assert surveyed(chained(*ops)).at(8).readiness is readiness


@pytest.mark.parametrize(
    ("size", "readiness"),
    [((1, 6, 20, 28), Readiness.NOT_WORTHWHILE), ((1, 6, 2000, 2800), Readiness.READY_WITH_FALLBACK)],
)
def test_a_part_that_runs_is_worthwhile_only_where_it_saves_more_than_its_call_costs(
    size: tuple[int, ...], readiness: Readiness
) -> None:
    plan = surveyed(chained(*["t.relu"] * 60, "t.gap", kind=tensor(size))).at(8)

    assert len(plan.partition.parts) == 1
    assert plan.score.points > 0
    assert plan.readiness is readiness


def test_lowest_ready_level_is_where_everything_has_a_way() -> None:
    assert surveyed(chained("t.relu")).lowest_ready_level() == 1
    assert surveyed(chained("t.relu", "t.elu")).lowest_ready_level() == 4
    assert surveyed(chained("t.relu", "t.gap")).lowest_ready_level() is None


def test_unknown_ops_are_listed_apart() -> None:
    plan = surveyed(chained("t.relu", "t.nobody", "t.gap")).at(8)

    assert [verdict.op for verdict in plan.unknown] == ["t.nobody"]


def test_levels_with_the_same_ways_share_a_partition() -> None:
    survey = surveyed(chained("t.relu", "t.elu"))

    assert survey.at(5).partition is survey.at(8).partition
    assert survey.at(5).partition is not survey.at(3).partition


@given(graphs())
@settings(max_examples=80)
def test_plan_uses_nothing_that_its_level_lacks(graph: Graph) -> None:
    survey = surveyed(graph)

    for level in LEVELS:
        plan = survey.at(level)
        assert plan.level == level
        assert plan.planned_level <= level
        for verdict in plan.verdicts.values():
            assert verdict.level is None or verdict.level <= level


@given(graphs())
@settings(max_examples=80)
def test_ready_means_one_part_with_every_node_that_computes(graph: Graph) -> None:
    plan = surveyed(graph).at(4)

    held = set(plan.partition.part_of())
    computing = {node for node, verdict in plan.verdicts.items() if counts(verdict)}
    is_ready = bool(computing) and computing <= held and len(plan.partition.parts) == 1

    assert (plan.readiness is Readiness.READY) == is_ready


@given(graphs())
@settings(max_examples=80)
def test_every_node_has_a_verdict_of_the_closed_set(graph: Graph) -> None:
    plan = surveyed(graph).at(4)

    assert set(plan.verdicts) == {node.id for node in graph.nodes()}
    assert {verdict.status for verdict in plan.verdicts.values()} <= set(Status)


@given(graphs())
@settings(max_examples=150)
def test_reasons_are_those_of_the_level_that_is_asked_for(graph: Graph) -> None:
    survey = surveyed(graph)

    for level in LEVELS:
        plan = survey.at(level)
        raised = [
            failure for verdict in plan.verdicts.values() for failure in verdict.failures if failure.reason == "NNC201"
        ]
        assert {failure.found for failure in raised} <= {f"feature level {level}"}
        assert all(int(failure.wanted.split()[2]) > level for failure in raised)


def test_plan_of_a_lower_level_tells_what_it_leaves_to_the_cpu_as_it_is_at_this_one() -> None:
    sketch = Sketch()
    x = sketch.input()
    for _ in range(40):
        x = sketch.node("t.relu", x)
    small = sketch.node("t.elu", x, kind=tensor((1, 6)))
    graph = sketch.graph(sketch.node("t.gap", small, kind=tensor((1, 6))))
    low = surveyed(graph).at(3)

    high = low.kept_at(8, judge(graph, HandMadeKnowledge(), mobile()).at(8))

    assert [failure.reason for failure in low.verdicts[40].failures] == ["NNC201"]
    assert (high.level, high.planned_level, high.left) == (8, 3, frozenset({40}))
    assert high.verdicts[40].failures == ()
    assert high.verdicts[41].failures == low.verdicts[41].failures
