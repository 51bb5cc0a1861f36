import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.measured_page import END, START, write_page
from benchmarks.quantized_builds import BUILDERS, Build, quantize
from benchmarks.quantized_models import try_all
from benchmarks.quantized_page import PAGE, TITLES, table
from benchmarks.quantized_rows import CASES, EAGER, EXPORTED, FX, LEVELS, Case, Row, Trial, left, read_rows, trials
from benchmarks.quantized_trials import Made, blank, make, photo, photos, settle, tried

CASE = Case("resnet18", EAGER, "qnnpack")
TRIAL = Trial(CASE, "pytorch-mobile")
ROW = replace(
    blank(TRIAL, 3, 32),
    values=90,
    classes=20,
    verdict="ready",
    score=99.0,
    parts=1,
    integers=37_952_768,
    layers=65,
    exact=64,
    within=65,
    steps=1,
    inexact=("aten.mean.dim",),
    noise=28.56,
    between=16.37,
    rounding=11.1,
    first_noise=30.55,
    least_noise=10.64,
    agreed=31,
    agreed_between=23,
    size=0.954,
    date="2026-11-29",
)


def test_every_builder_both_engines_fx_and_exported_programs_are_tried() -> None:
    from torchvision import models

    assert {f"quantized_{name}" for name in BUILDERS} == set(models.list_models(module=models.quantization))
    assert {(case.builder, case.parameters) for case in CASES if case.form == EAGER} == {
        (builder, engine) for builder in BUILDERS for engine in ("qnnpack", "fbgemm")
    }
    assert [sum(case.form == form for case in CASES) for form in (FX, EXPORTED)] == [4, 8]


def small(build: Build) -> nn.Module:
    torch.manual_seed(3)
    layers = [
        nn.Conv2d(3, 8, 3, 2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 70, 3, 4),
        nn.BatchNorm2d(70),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(70 * 8 * 12, 90))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr("benchmarks.quantized_trials.built", small)
    return make(Case("resnet18", FX, "qnnpack"), 3, tmp_path, None)


def test_outputs_tell_images_apart_and_keep_their_signal(made: Made) -> None:
    row = next(tried(made, "pytorch-mobile", [3]))

    assert row.values >= 50
    assert row.classes == 3
    assert row.rounding is not None
    assert row.rounding > 20
    assert (row.verdict, row.parts, row.cpu, row.fault) == ("ready", 1, 0, "")
    # Layers that multiply are rounded twice, and so a step off on a few elements.
    assert row.within == row.layers == 4
    assert row.steps <= 1
    assert row.noise is None or row.noise > 30
    assert row.agreed == 3


def test_levels_with_the_same_nnapi_models_are_run_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def converted(subject: object, images: Sequence[torch.Tensor], level: int) -> torch.Tensor:
        ran.append(level)
        return made.theirs

    monkeypatch.setattr("benchmarks.quantized_trials._converted", converted)
    rows = list(tried(made, "pytorch-mobile", [4, 5, 8]))

    assert ran == [4]
    assert [(row.level, row.noise, row.agreed) for row in rows] == [(4, None, 3), (5, None, 3), (8, None, 3)]


def test_outputs_that_tell_nothing_are_a_fault(made: Made) -> None:
    row = next(tried(replace(made, theirs=torch.zeros_like(made.theirs)), "pytorch-mobile", [3]))

    assert row.fault == "the output has 1 values"


def test_images_of_one_best_class_are_a_fault(made: Made) -> None:
    theirs = made.theirs.clone()
    theirs[:, 5] = 100.0

    row = next(tried(replace(made, theirs=theirs), "pytorch-mobile", [3]))

    assert row.fault == "3 images have 1 best classes"


def test_work_in_floats_that_no_report_names_is_a_fault(made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    layers = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(5 * 62 * 94, 90))
    torch.jit.save(torch.jit.trace(layers.eval(), photo(CASE, 0)), str(other))  # type: ignore[no-untyped-call]  # it has no types

    row = next(tried(replace(made, path=other), "pytorch-mobile", [3]))

    assert row.fault.endswith("multiply-adds in floats, and the report names none")


def test_shifts_keep_what_rounding_would_lose() -> None:
    images = photos(CASE, 4, 0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 62 * 94, 60))

    settle(module, torch.cat(images))

    with torch.no_grad():
        passed = module[:3](torch.cat(images)) > 0
        means = module(torch.cat(images)).mean(0)
    assert float(passed.float().mean()) > 0.7
    assert float(means.abs().max()) < 1e-5


def test_clamps_are_compared_with_what_pytorch_means(tmp_path: Path) -> None:
    from benchmarks.quantized_trials import _computed

    class Clamped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(2)
            self.conv = nn.Conv2d(3, 6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.hardtanh(self.conv(x), 0.0, 0.4)

    images = photos(CASE, 2, 0)
    module = quantize(Clamped(), Build("resnet18", True, "qnnpack"), images)
    path = tmp_path / "model.pt"
    torch.jit.trace(module, images[0], check_trace=False).save(path)  # type: ignore[no-untyped-call]  # no types

    ours, others = (_computed(path, images, engine) for engine in ("qnnpack", "x86"))

    assert float((ours - others).abs().mean()) < 0.02
    torch.backends.quantized.engine = "qnnpack"
    with torch.no_grad():
        scrambled = torch.cat([module(image) for image in images])
    assert float((scrambled - others).abs().mean()) > 0.05


def test_a_stopped_run_goes_on_with_what_has_no_row_of_so_many_images(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    rows = [replace(ROW, fault="late"), ROW, replace(ROW, level=5, fault="late"), replace(ROW, level=8, count=500)]
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")

    found = read_rows(path)

    assert found[TRIAL][3] == ROW
    assert left([TRIAL], found, 32) == [(TRIAL, (4,))]
    assert left([TRIAL], found, 32, again=True) == [(TRIAL, (4, 5))]
    assert left([TRIAL], found, 500) == [(TRIAL, (3, 4, 5))]


def test_the_table_tells_levels_together_faults_and_bad_results(tmp_path: Path) -> None:
    rows = {
        3: ROW,
        4: replace(ROW, level=4, seconds=3.0),
        5: replace(ROW, level=5, floats=2_000_000, noise=None, first_noise=None, least_noise=None),
        8: replace(ROW, level=8, noise=12.0, fault="took longer"),
    }

    lines = table({TRIAL: rows}, [TRIAL])

    start = "| resnet18 eager qnnpack"
    end = "16.4 | 11.1 | 31 of 32 | 23 |"
    work, layers = "1 | 38.0 M / 0 / 0", "64, 65 of 65 | 1"
    assert f"{start} | 3, 4 | {work} | {layers} | 28.6 | {end} 30.6, at least 10.6 | 0.954 |" in lines
    assert f"{start} | 5 | 1 | 38.0 M / 2.0 M / 0 | {layers} | exact | {end} exact | 0.954 |" in lines
    assert f"{start} | 8 | {work} | {layers} | 12.0 | {end} **fails**: took longer | 0.954 |" in lines
    assert "- Layers that are not exact, eager qnnpack for pytorch-mobile: `aten.mean.dim`." in lines
    assert any("Further from PyTorch than its own engines" in line and "4.4 dB" in line for line in lines)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}old\n{END}\nafter\n", encoding="utf-8")
    write_page(lines, page)
    told = page.read_text(encoding="utf-8")
    assert told.startswith(f"before\n{START}Measured 2026-11-29 with torch")
    assert told.endswith(f"\n{END}\nafter\n")
    assert "\nold\n" not in told


def test_the_page_has_the_table_s_form() -> None:
    text = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in text if line.startswith("| ")]
    names = {case.name for case in CASES}

    assert rows[0] == list(TITLES)
    assert all(len(row) == len(TITLES) for row in rows)
    told = [row for row in rows if row[0] in names]
    assert {row[0] for row in rows} - names == {TITLES[0], "---"}
    assert {int(level) for row in told for level in row[1].split(", ")} <= set(LEVELS)
    missing = next((line for line in text if line.startswith("- Not tried yet")), "")
    for trial in trials():
        is_told = any(row[0] == trial.case.name for row in told)
        assert is_told or f"{trial.case.name} {trial.target}" in missing, trial.name


def test_a_trial_that_its_process_dies_of_has_a_line_for_each_level_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(made: object, target: str, levels: Sequence[int]) -> Iterator[Row]:
        yield replace(ROW, level=levels[0])
        os._exit(7)

    monkeypatch.setattr("benchmarks.quantized_models.make", lambda *given: None)
    monkeypatch.setattr("benchmarks.quantized_models.tried", dying)
    try_all([(TRIAL, (3, 4))], 32, tmp_path / "found.jsonl")

    rows = read_rows(tmp_path / "found.jsonl")[TRIAL]
    assert {level: row.fault for level, row in rows.items()} == {3: "", 4: "exit code 7"}
