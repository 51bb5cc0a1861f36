"""Detectors, whose rows hang on comparisons of nearly equal numbers: what PyTorch's own do not explain is found."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert
from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification import own_movement, sensitivity
from nnapi_check.lowering.verification.approximation import MARGIN, Approximation
from nnapi_check.lowering.verification.subject import PackageSubject, Ran
from nnapi_check.lowering.verification.verify import Verification, verify_artifact

CANDIDATES = 40
TIED = 6
"""So many candidates score what is just enough, so that rounding decides which of them are rows."""

Outputs = list[torch.Tensor]


class Detector(nn.Module):
    """Boxes, labels and scores of the candidates that score enough, the best first. A row of the input is one."""

    def __init__(self, enough: float) -> None:
        super().__init__()
        self.scores, self.labels = nn.Linear(32, 1), nn.Linear(32, 5)
        self.boxes = nn.Sequential(nn.Linear(32, 2048), nn.ReLU(), nn.Linear(2048, 4))
        self.enough = enough

    def score(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.scores(x[:, :32])).flatten()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores = self.score(x)
        best, order = torch.sort(scores, descending=True)
        kept = order[best >= self.enough]
        seen = x[:, 32:]
        return (100 * self.boxes(seen))[kept], self.labels(seen).argmax(1)[kept], scores[kept]


@pytest.fixture(scope="module")
def candidates() -> torch.Tensor:
    x = torch.randn(CANDIDATES, 64, generator=torch.Generator().manual_seed(3))
    x[1:TIED, :32] = x[0, :32]
    return x


@pytest.fixture(scope="module")
def model(candidates: torch.Tensor) -> Detector:
    torch.manual_seed(11)
    detector = Detector(enough=0.0).eval()
    with torch.no_grad():
        detector.enough = float(detector.score(candidates)[:TIED].min())
    return detector


@pytest.fixture(scope="module")
def package(model: nn.Module, candidates: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "out.pt"
    convert(model, path, [candidates], feature_level=3, verify=False)
    return path


Plant = Callable[[Outputs], Outputs]
Verify = Callable[[Plant], Verification]


@pytest.fixture
def verified(package: Path, model: nn.Module, candidates: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Verify the package as if it gave something else."""
    run = PackageSubject.run

    def verified(plant: Plant) -> Verification:
        def planted(
            self: PackageSubject,
            inputs: Sequence[object],
            level: int,
            facts: Mapping[str, OperationFacts],
            *,
            in_half: bool = False,
        ) -> Ran:
            ran = run(self, inputs, level, facts, in_half=in_half)
            return replace(ran, outputs=tuple(plant([tensor.clone() for tensor in ran.outputs])))

        monkeypatch.setattr(PackageSubject, "run", planted)
        return verify_artifact(package, model, [candidates], level=3, facts=FactsByName(open_registry()))

    return verified


def rows_of(found: Outputs, rows: Sequence[int]) -> Outputs:
    return [column[list(rows)] for column in found]


def as_it_is(found: Outputs) -> Outputs:
    return found


def without_the_tied(model: Detector, candidates: torch.Tensor) -> Plant:
    """Leaves out the rows that score what is just enough, as a device does whose sums round downwards."""
    with torch.no_grad():
        just_enough = float(model.score(candidates)[:TIED].max())
    return lambda found: rows_of(found, (found[2] > 1.0001 * just_enough).nonzero().flatten().tolist())


def without_the_best(found: Outputs) -> Outputs:
    return rows_of(found, range(1, len(found[0])))


def with_a_row_twice(found: Outputs) -> Outputs:
    return rows_of(found, (*range(len(found[0])), 0))


def with_another_label(found: Outputs) -> Outputs:
    found[1][0] = (found[1][0] + 1) % 5
    return found


def with_greater_boxes(found: Outputs) -> Outputs:
    return [1.01 * found[0], *found[1:]]


def with_greater_scores(found: Outputs) -> Outputs:
    return [*found[:2], found[2] + 0.005]


def with_the_boxes_of_another(found: Outputs) -> Outputs:
    found[0][[0, 1]] = found[0][[1, 0]]
    return found


def with_an_invented_row(found: Outputs) -> Outputs:
    twice = with_a_row_twice(found)
    twice[0][-1] += 30
    return twice


def test_rows_that_rounding_decides_are_no_fault(verified: Verify, model: Detector, candidates: torch.Tensor) -> None:
    found = verified(without_the_tied(model, candidates))

    (rows,) = found.rows
    assert found.is_within_tolerance
    assert rows.outputs == rows.jumping == (0, 1, 2)
    assert rows.wanted >= 2 * TIED
    assert rows.unmatched == TIED
    assert rows.own_unmatched == TIED
    assert f"{rows.matched} of PyTorch's {rows.wanted} rows are among the {rows.found}" in rows.words
    assert "PyTorch never loses or moves 0 and never adds 0" in rows.words


@pytest.mark.parametrize("lost", range(TIED + 1))
def test_any_of_the_rows_that_tie_may_be_lost(
    verified: Verify, model: nn.Module, candidates: torch.Tensor, lost: int
) -> None:
    own: Outputs = list(model(candidates))
    rows = list(range(len(own[0])))

    found = verified(lambda _: [tensor.detach() for tensor in rows_of(own, rows[:-TIED] + rows[-TIED:][lost:])])

    assert found.is_within_tolerance, found.rows


@pytest.mark.parametrize(
    "plant",
    [
        *(without_the_best, with_a_row_twice, with_another_label, with_greater_boxes, with_greater_scores),
        *(with_the_boxes_of_another, with_an_invented_row),
    ],
)
def test_fault_that_rounding_does_not_explain_is_found(verified: Verify, plant: Plant) -> None:
    found = verified(plant)

    assert not found.is_within_tolerance, found.rows
    assert any(rows.unexplained.lost + rows.unexplained.new > 0 for rows in found.rows)


def test_pytorch_s_own_rows_are_made_once_for_each_distance(
    verified: Verify, model: Detector, candidates: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, asked = sensitivity.moved_runs, list[int]()

    def counted(
        captured: Captured,
        items: Sequence[Approximation],
        inputs: Sequence[torch.Tensor],
        values: Sequence[int] = (),
        *,
        rounded: Sequence[int] = (),
        times: int = 1,
    ) -> Iterator[sensitivity.MovedRun]:
        asked.append(times)
        return runs(captured, items, inputs, values, rounded=rounded, times=times)

    for place in (sensitivity, own_movement):
        monkeypatch.setattr(place, "moved_runs", counted)

    verified(without_the_tied(model, candidates))

    assert asked == [1, MARGIN]
