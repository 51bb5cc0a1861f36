import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from benchmarks.classifiers import Telling, builders, classifier, image, image_size, telling
from benchmarks.measured_page import write_page
from benchmarks.target_rows import CASES, Case, Row, left, read_rows
from benchmarks.targets import tried_file, try_all
from benchmarks.targets_page import table

ROW = Row(
    "resnet18", "ndk", 3, 160, 224, 1000, 0.3, "ready", 100.0, 1, 1.0, error=3.2e-7, bound=1e-4, date="2026-11-29"
)


def test_all_classifiers_are_tried_on_images_of_a_stated_size() -> None:
    assert len(builders()) == 80
    assert image_size("swin_v2_t") == (256, 256)
    assert all(min(image_size(name)) >= 64 for name in builders())


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "efficientnet_b0"])
def test_random_weights_tell(name: str) -> None:
    module = classifier(name)

    found = telling(module, name)

    with torch.no_grad():
        single = module(image(name))
        double = module.double()(image(name).double())
    assert found.is_enough
    assert float((single - double).abs().max() / double.abs().max()) < 1e-5


@pytest.mark.parametrize("found", [Telling(49, 0.5), Telling(1000, 0.01)])
def test_an_output_of_few_values_or_of_every_image_tells_nothing(found: Telling) -> None:
    assert not found.is_enough


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.manual_seed(2)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 60, 3, stride=2), torch.nn.ReLU())
    traced = torch.jit.trace(module.eval(), image("shufflenet_v2_x0_5"), check_trace=False)  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(traced, str(path))
    return path


@pytest.mark.parametrize("case", [Case("ndk", 1), Case("pytorch-mobile", 3)])
def test_what_is_promised_is_converted_and_run(small: Path, case: Case) -> None:
    row = tried_file("shufflenet_v2_x0_5", small, case, Telling(1000, 0.5))

    assert (row.verdict, row.parts, row.executions, row.fault) == ("ready", 1, 1, "")
    assert row.error is not None
    assert row.bound is not None
    assert row.error <= row.bound


def test_a_target_that_does_not_reach_the_level_names_the_one_that_does(small: Path) -> None:
    row = tried_file("shufflenet_v2_x0_5", small, Case("pytorch-mobile", 2), Telling(1000, 0.5))

    assert (row.verdict, row.error, row.fault) == ("does not fit the target", None, "")
    assert "--target ndk" in row.fix


def test_outputs_that_tell_nothing_are_a_fault(small: Path) -> None:
    row = tried_file("shufflenet_v2_x0_5", small, Case("ndk", 3), Telling(2, 0.5))

    assert row.fault == "the output has 2 values, and another image changes 0.5 of its range"


def test_a_stopped_run_goes_on_and_the_last_line_of_a_case_counts(tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    lines = [replace(ROW, fault="late"), ROW, replace(ROW, level=1, fault="late")]
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in lines), encoding="utf-8")

    rows = read_rows(path)

    assert rows["resnet18"][Case("ndk", 3)] == ROW
    waiting = dict(left(["resnet18", "alexnet"], rows, again=False))
    assert waiting["alexnet"] == CASES
    assert set(CASES) - set(waiting["resnet18"]) == {Case("ndk", 1), Case("ndk", 3)}
    assert Case("ndk", 1) in dict(left(["resnet18"], rows, again=True))["resnet18"]


def test_the_table_tells_numbers_reasons_and_faults(tmp_path: Path) -> None:
    refused = replace(
        ROW,
        level=1,
        error=None,
        bound=None,
        obstacles=(
            "3 aten.permute.default: This way needs TRANSPOSE as feature level 2 has it.",
            "1 aten.x.default: No.",
        ),
    )
    rows = [
        ROW,
        refused,
        replace(ROW, level=2, bound=5e-3),
        replace(ROW, level=5, fault="took longer"),
        replace(ROW, target="pytorch-mobile", parts=2, share=0.5),
    ]

    lines = table({"resnet18": {row.case: row for row in rows}}, ["resnet18"])

    cells = ["resnet18", "160x224", "no: a, b", "3e-07 of 5e-03", "3e-07", "**fails**: took longer", "not tried"]
    assert f"| {' | '.join([*cells, '3e-07, 2 parts, 50.0%', 'not tried', 'not tried'])} |" in lines
    assert "- a: Operations as feature level 2 has them: TRANSPOSE. In the way of `aten.permute.default`." in lines
    assert "- b: No. In the way of `aten.x.default`." in lines
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    write_page(lines, page)
    told = page.read_text(encoding="utf-8")
    assert told.startswith("before\n<!-- table -->\nMeasured 2026-11-29 with torch")
    assert told.endswith("\n<!-- end -->\nafter\n")
    assert "\nold\n" not in told


def test_a_case_that_its_process_dies_of_has_a_line_and_the_rest_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(name: str, cases: Sequence[Case], folder: Path) -> Iterator[Row]:
        for case in cases:
            if case.level == 2:
                os._exit(7)
            yield replace(ROW, model=name, target=case.target, level=case.level)

    monkeypatch.setattr("benchmarks.targets.tried", dying)
    cases = (Case("ndk", 1), Case("ndk", 2), Case("ndk", 3))
    try_all([("resnet18", cases)], tmp_path / "found.jsonl")

    rows = read_rows(tmp_path / "found.jsonl")["resnet18"]
    assert [rows[case].fault for case in cases] == ["", "exit code 7", ""]
