"""What mending a cause gains."""

import pytest
import torch
from hypothesis import given, settings

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.planning.causes import causes
from nnapi_check.analyzer.planning.gains import SHOWN, Basis, changes_worth_most
from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.coverage_db.cards import Status
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE
from tests.analyzer.hand_made_graphs import Sketch, graphs, surveyed


def chained(*ops: str) -> Graph:
    sketch = Sketch()
    x = sketch.input()
    for op in ops:
        x = sketch.node(op, x)
    return sketch.graph(x)


MANY = ("t.relu",) * 40


def test_a_higher_level_gains_what_its_plan_scores_more() -> None:
    survey = surveyed(chained(*MANY, "t.elu", *MANY))

    (change,) = changes_worth_most(survey, survey.at(3)).first
    (remedy,) = change.remedies

    assert (remedy.basis, remedy.level, change.cause.ops) == (Basis.LEVEL, 4, ("t.elu",))
    assert remedy.outcome.score == survey.at(4).score.points == 100
    assert (remedy.outcome.parts, remedy.outcome.readiness) == (1, Readiness.READY)


def test_an_op_without_a_way_gains_at_most_what_one_in_its_place_would_that_has_one() -> None:
    survey = surveyed(chained(*MANY, "t.gap", *MANY))

    (change,) = changes_worth_most(survey, survey.at(3)).first

    assert [remedy.basis for remedy in change.remedies] == [Basis.SUPPOSED]
    assert change.remedies[0].fix == "Do without."
    replaced = surveyed(chained(*MANY, "t.relu", *MANY)).at(3)
    assert change.remedies[0].outcome.score == replaced.score.points
    assert change.remedies[0].outcome.parts == len(replaced.partition.parts)


def test_ops_that_gain_nothing_alone_are_told_where_all_of_them_together_do() -> None:
    survey = surveyed(chained("t.relu", "t.gap", "t.nobody"))

    found = changes_worth_most(survey, survey.at(3))

    assert [change.cause.ops for change in found.first] == [("t.gap",), ("t.nobody",)]
    assert found.together is not None
    assert found.together.outcome.readiness is Readiness.READY


def test_nothing_is_told_of_a_model_that_is_ready() -> None:
    survey = surveyed(chained("t.relu", "t.tanh"))

    assert changes_worth_most(survey, survey.at(3)).first == ()


@pytest.mark.parametrize("level", [3, 8])
def test_nodes_of_one_op_and_reason_are_one_cause(level: int) -> None:
    survey = surveyed(chained("t.gap", "t.unwritten", *MANY, "t.gap"))

    found = causes(survey, survey.at(level))

    assert {(cause.ops, len(cause.nodes)) for cause in found} == {(("t.gap",), 2), (("t.unwritten",), 1)}


@given(graphs())
@settings(max_examples=60)
def test_each_op_off_nnapi_has_one_cause_and_nothing_told_lowers_the_score(graph: Graph) -> None:
    survey = surveyed(graph)
    for level in (1, 4):
        plan = survey.at(level)
        inside = plan.partition.part_of()
        off = sorted(
            node
            for node, verdict in plan.verdicts.items()
            if not verdict.is_supported or (verdict.status is Status.APPROXIMATE and node in inside)
        )

        found = changes_worth_most(survey, plan)

        assert sorted(node for cause in causes(survey, plan) for node in cause.nodes) == off
        assert len(found.first) <= SHOWN
        gains = [remedy.outcome.score - found.now.score for change in found.first for remedy in change.remedies]
        assert all(gain > 0 for gain in gains)
        supposed = [made for change in found.first for made in change.remedies if made.basis is Basis.SUPPOSED]
        assert all((made.outcome.work or 0) >= (found.now.work or 0) for made in supposed)


class Choosing(torch.nn.Module):
    """A model whose branch is chosen by a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return torch.relu(self.layer(x))
        return torch.relu(self.layer(-x))


def test_a_branch_that_ran_on_nnapi_by_itself_is_not_told_to_lose_what_runs_there() -> None:
    registry = open_registry()
    model = torch.jit.script(Choosing().eval())
    captured = capture(model, [torch.rand(8, 64)], weights=False).graph
    found = survey(captured, registry, registry.target(PYTORCH_MOBILE))

    changes = changes_worth_most(found, found.at(3))

    supposed = [made for change in changes.first for made in change.remedies if made.basis is Basis.SUPPOSED]
    assert any("prim.If" in change.cause.ops for change in changes.first)
    for made in supposed:
        assert made.outcome.parts >= 1
        assert made.outcome.work == changes.now.work == 1.0
