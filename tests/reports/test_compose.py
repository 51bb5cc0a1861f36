"""From a survey to a report's plain data."""

import pytest
import torch

from nnapi_check import check
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shown_share
from nnapi_check.reports.views import ModelReport
from tests.nnapi_check.models import Tiny
from tests.registry_numbers import LEVELS


class Mixed(torch.nn.Module):
    """A part, an op in three places that has no rule, and something small after it."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Tiny()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        for _ in range(3):
            y = torch.lgamma(y)
        return torch.relu(y)


@pytest.fixture(scope="module")
def report() -> ModelReport:
    torch.manual_seed(3)
    return check(Mixed().eval(), [torch.rand(1, 3, 17, 19)], api_level=29, min_score=99)


def test_same_reason_in_several_places_is_one_blocker(report: ModelReport) -> None:
    (blocker,) = report.blockers

    assert blocker.op == "aten.lgamma.default"
    assert blocker.reason == "NNC101"
    assert {place.file for place in blocker.places} == {__file__}
    assert blocker.fix


def test_what_other_ways_want_stands_after_the_nearest_way() -> None:
    class Averaged(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2))

    blockers = check(Averaged().eval(), [torch.rand(1, 3, 5, 7)], feature_level=1).blockers

    assert [(blocker.reason, blocker.is_alternative) for blocker in blockers] == [("NNC201", False), ("NNC402", True)]


def test_nodes_tell_which_model_holds_them(report: ModelReport) -> None:
    sides = [(node.op, node.part) for node in report.nodes]

    assert sides == [
        ("aten.conv2d.default", 0),
        ("aten.relu.default", 0),
        ("aten.conv2d.default", 0),
        *[("aten.lgamma.default", None)] * 3,
        ("aten.relu.default", None),
    ]


def test_supported_node_on_the_cpu_tells_why(report: ModelReport) -> None:
    told = {node.op: node.kept_because for node in report.nodes if node.kept_because is not None}

    assert list(told) == ["aten.relu.default"]
    assert "NNC901" in str(told["aten.relu.default"])


def test_sums_agree_with_the_nodes(report: ModelReport) -> None:
    assert report.nodes_total == 7
    assert report.nodes_on_nnapi == 3
    assert report.multiply_adds == sum(node.multiply_adds for node in report.nodes)
    assert report.parts[0].multiply_adds == report.multiply_adds
    assert report.compute_coverage == 1
    assert sum(loss.points for loss in report.losses) == pytest.approx(100 - report.score)


def test_every_level_has_a_row_and_the_chosen_one_agrees(report: ModelReport) -> None:
    assert [row.level for row in report.levels] == list(LEVELS)
    (row,) = [row for row in report.levels if row.level == report.feature_level]
    assert (row.readiness, row.score, row.parts) == (report.readiness, report.score, len(report.parts))
    assert row.api_levels == (29,)


def test_gate_tells_the_score_that_was_asked_for(report: ModelReport) -> None:
    assert not report.gate.is_passed
    assert report.gate.reasons == (f"The score is {shown_score(report.score)}; at least 99 was asked for.",)


def test_differences_of_the_parts_are_told_with_their_bridges(report: ModelReport) -> None:
    told = {found.id: found for found in report.differences}

    assert told["layout"].nodes == 2
    assert told["layout"].bridge


def test_boundary_is_told_by_its_type(report: ModelReport) -> None:
    assert ("crosses a boundary", "f32[1,6,15,18]") in {(loss.kind, loss.what) for loss in report.losses}


@pytest.mark.parametrize(
    ("points", "shown"), [(100.0, "100"), (99.99999, "99.9"), (0.0, "0.0"), (71.46, "71.4"), (100.0 - 1e-12, "100")]
)
def test_score_is_rounded_down(points: float, shown: str) -> None:
    assert shown_score(points) == shown


@pytest.mark.parametrize(("level", "is_noted"), [(5, False), (6, True), (8, True)])
def test_levels_that_no_api_level_brings_are_noted(level: int, is_noted: bool) -> None:
    found = check(Tiny().eval(), [torch.rand(1, 3, 17, 19)], feature_level=level)

    assert bool(found.notes) is is_noted
    assert all("came with updates to the runtime and drivers" in note for note in found.notes)


class Picked(torch.nn.Module):
    """Keeps the rows above zero, however many there are, and works on."""

    def __init__(self) -> None:
        super().__init__()
        self.after = torch.nn.Linear(5, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.nonzero(x[:, 0]).reshape(-1)
        return torch.relu(self.after(x[rows]))


def test_unknown_shapes_are_blamed_on_the_op_that_made_the_first() -> None:
    found = check(Picked().eval(), [torch.rand(3, 5)], api_level=29)

    (blocker,) = [blocker for blocker in found.blockers if blocker.reason == "NNC701"]
    assert blocker.op == "aten.nonzero.default"
    assert "PyTorch cannot tell its shape without the elements." in blocker.because
    blocked = [place.op for place in blocker.places]
    assert blocked[-2:] == ["aten.linear.default", "aten.relu.default"]


class Longest(torch.nn.Module):
    """Marks the places before a length that the caller gives."""

    def forward(self, x: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) * (torch.arange(int(longest.item())) < 3)


class OfFive(torch.nn.Module):
    """Gives the same length in each call."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.model(x, torch.tensor(5))
        return found


def test_shapes_of_an_input_s_elements_are_told_what_mends_their_cause() -> None:
    model = torch.jit.script(Longest().eval())
    found = check(model, [torch.rand(3, 5), torch.tensor(5)], api_level=29)

    blockers = [blocker for blocker in found.blockers if blocker.op == "aten.item.default"]
    assert {blocker.reason for blocker in blockers} == {"NNC101", "NNC701"}
    assert all("wrap it in a module that passes torch.tensor(5)" in blocker.fix for blocker in blockers)
    assert not check(torch.jit.script(OfFive(model).eval()), [torch.rand(3, 5)], api_level=29).blockers


class Remembers(torch.nn.Module):
    """Keeps the last row from run to run, of which there is none before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = self.last
        self.last = x[-1]
        return torch.relu(x) + last


def test_a_state_that_is_kept_in_an_attribute_is_told_to_become_an_input() -> None:
    found = check(torch.jit.script(Remembers().eval()), [torch.rand(3, 5)], api_level=29)

    blockers = [blocker for blocker in found.blockers if blocker.op in ("prim.GetAttr", "prim.SetAttr")]
    assert {blocker.reason for blocker in blockers} >= {"NNC701"}
    assert all(blocker.fix.startswith("Take a state as an input of forward") for blocker in blockers)


def test_multiply_adds_of_unknown_shape_are_noted_as_not_counted() -> None:
    report = check(Picked().eval(), [torch.rand(3, 5)], api_level=29)

    (note,) = report.notes
    assert note.startswith("The multiply-adds of 1 aten.linear.default are not known")
    assert [node.op for node in report.nodes if not node.is_counted] == ["aten.linear.default"]
    assert report.uncounted == 1


def test_share_of_the_work_is_not_claimed_where_some_cannot_be_counted() -> None:
    assert shown_share(0.871, uncounted=0) == "87.1%"
    assert shown_share(0.871, uncounted=1) == "at most 87.1%"
    assert shown_share(1.0, uncounted=1) == "not known"
    assert shown_share(0.99999, uncounted=1) == "not known"


def test_ops_that_only_pass_a_tensor_on_count_nowhere() -> None:
    class Passing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.drop = Tiny(), torch.nn.Dropout()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.drop(self.before(x)))

    report = check(Passing().eval(), [torch.rand(1, 3, 17, 19)], api_level=29)

    assert len(report.nodes) == 5
    assert (report.nodes_on_nnapi, report.nodes_total) == (4, 4)
    assert [(part.ops, len(part.nodes)) for part in report.parts] == [(4, 5)]
    assert [level.nodes_on_nnapi for level in report.levels] == [0, 0, *[4] * 6]


class Shifted(torch.nn.Module):
    """Twice a hard sigmoid but for its last number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = (x + 3).clamp(0, 6) / 5
        return x


def test_nodes_that_almost_are_one_op_are_noted_once_with_the_one_in_the_way() -> None:
    (note,) = check(Shifted().eval(), [torch.rand(3, 5)], api_level=29).notes

    assert note.startswith("2 nodes are as in hard swish or hard sigmoid, which would be one op, but aten.div.Tensor (")
    assert note.endswith(", and at 1 more like it) is in the way: a division by 6 was wanted.")
