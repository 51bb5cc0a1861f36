"""The conformance run: what it counts, what it prints, and that it can fail."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from nnapi_check.lowering.nnapi.conformance.runner import main, run_files


def vectors() -> list[Path]:
    folder = os.environ.get("NNAPI_VECTORS")
    if folder is None:
        pytest.skip("NNAPI_VECTORS does not name a folder with conformance vectors")
    return sorted(Path(folder).glob("*.jsonl.gz"))


def write_row(
    folder: Path,
    *,
    kind: str = "ADD",
    wanted: list[float] | None = None,
    element: str = "TENSOR_FLOAT32",
    expect_failure: bool = False,
    relaxed: bool = False,
    version: str | None = "V1_0",
    fuse_code: int = 0,
    without_inputs: bool = False,
) -> Path:
    """A file with one row that adds 1 to two numbers, 1 and 10."""

    def operand(name: str, dims: list[int], lifetime: str) -> dict[str, object]:
        return {"type": name, "dims": dims, "scale": 0.0, "zero_point": 0, "per_channel": None, "lifetime": lifetime}

    row = {
        "spec": "add",
        "name": "add_one",
        "declared_version": version,
        "relaxed": relaxed,
        "tolerance": {
            "fp32": [1e-5, 1e-6],
            "fp16": [0.005, 0.005],
            "int32": 1,
            "quant": 1,
            "bool": 0,
            "multinomial": None,
        },
        "model": {
            "operands": [
                operand(element, [2], "MODEL_INPUT"),
                {**operand(element, [1], "CONSTANT"), "value": [1]},
                {**operand("INT32", [], "CONSTANT"), "value": [fuse_code]},
                operand(element, [2], "MODEL_OUTPUT"),
            ],
            "operations": [{"type": kind, "inputs": [0, 1, 2], "outputs": [3]}],
            "inputs": [0],
            "outputs": [3],
        },
        "examples": [
            {
                "name": "",
                "inputs": {"0": [] if without_inputs else [1, 10]},
                "outputs": {"3": [2, 11] if wanted is None else wanted},
                "expect_failure": expect_failure,
            }
        ],
    }
    path = folder / "rows.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(row) + "\n")
    return path


def test_a_passing_example_is_counted_and_nothing_else_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([str(write_row(tmp_path)), "--jobs", "1"])

    assert (code, capsys.readouterr().out) == (0, "1 passed, 0 failed\n")


def test_a_failure_names_example_operation_and_worst_element(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([str(write_row(tmp_path, wanted=[2.1, 12])), "--jobs", "1"])

    assert code == 1
    assert capsys.readouterr().out == (
        "add: add_one: ADD: output 0: 2 of 2 elements differ, worst at (1,): got 11.0, wanted 12.0\n"
        "0 passed, 1 failed\n"
    )


@pytest.mark.parametrize(("relaxed", "expected"), [(False, 1), (True, 0)])
def test_a_relaxed_row_has_the_tolerance_of_float16(tmp_path: Path, relaxed: bool, expected: int) -> None:
    assert main([str(write_row(tmp_path, wanted=[2.01, 11], relaxed=relaxed)), "--jobs", "1"]) == expected


@pytest.mark.parametrize(("wanted", "expected"), [([3, 11], 0), ([4, 11], 1)])
def test_integers_have_a_tolerance_of_their_own(tmp_path: Path, wanted: list[float], expected: int) -> None:
    path = write_row(tmp_path, wanted=wanted, element="TENSOR_INT32", version="V1_3")

    assert main([str(path), "--jobs", "1"]) == expected


@pytest.mark.parametrize("wanted", [[2, float("nan")], [2, float("inf")], [2], [2, 11, 11]])
def test_no_tolerance_covers_infinities_or_another_size(tmp_path: Path, wanted: list[float]) -> None:
    assert main([str(write_row(tmp_path, wanted=wanted)), "--jobs", "1"]) == 1


def test_a_model_that_the_validator_refuses_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_row(tmp_path, fuse_code=4)

    assert main([str(path), "--jobs", "1"]) == 1
    assert "add: add_one: ADD: is refused: Operation 0 (ADD), input 2" in capsys.readouterr().out


@pytest.mark.parametrize(("fuse_code", "without_inputs"), [(4, False), (0, True)])
def test_what_must_fail_may_fail_by_validation_or_when_it_runs(
    tmp_path: Path, fuse_code: int, without_inputs: bool
) -> None:
    path = write_row(tmp_path, expect_failure=True, fuse_code=fuse_code, without_inputs=without_inputs)

    assert main([str(path), "--jobs", "1"]) == 0


@pytest.mark.parametrize(
    ("version", "relaxed", "expected"),
    [("V1_2", False, 1), ("V1_2", True, 0), (None, False, 0), ("V1_0", False, 0), ("V1_0", True, 0)],
)
def test_a_model_needs_the_level_that_it_declares(
    tmp_path: Path, version: str | None, relaxed: bool, expected: int
) -> None:
    assert main([str(write_row(tmp_path, version=version, relaxed=relaxed)), "--jobs", "1"]) == expected


def test_the_level_that_is_needed_and_the_one_declared_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_row(tmp_path, element="TENSOR_INT32", relaxed=True)

    main([str(path), "--jobs", "1"])

    assert capsys.readouterr().out == ("add: add_one: ADD: needs feature level 4, but declares 1\n0 passed, 1 failed\n")


@pytest.mark.parametrize("content", [None, b"weights", gzip.compress(b"weights", mtime=0)])
def test_a_file_that_holds_no_vectors_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "rows.jsonl.gz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SystemExit) as ended:
        main([str(path), "--jobs", "1"])

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("error:") == 1


def test_what_must_fail_and_does_not_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_row(tmp_path, expect_failure=True)), "--jobs", "1"]) == 1
    assert "succeeded, but is expected to fail" in capsys.readouterr().out


def test_a_row_without_a_kernel_fails_unless_only_implemented_ones_are_asked_for(tmp_path: Path) -> None:
    path = write_row(tmp_path, kind="TELEPORT")

    assert main([str(path), "--jobs", "1"]) == 1
    assert main([str(path), "--jobs", "1", "--only-implemented"]) == 0


def test_the_control_run_reports_what_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The result is 11; moved by one from 10 the wrong value is just right.
    path = write_row(tmp_path, wanted=[2, 10])

    main([str(path), "--jobs", "1", "--perturb"])

    assert capsys.readouterr().out == "add: add_one: ADD: passed with wrong values\n1 passed, 0 failed\n"


def test_every_vector_is_accepted_at_its_level_and_computed_within_its_tolerance() -> None:
    outcomes = list(run_files(vectors(), jobs=1))

    assert [outcome for outcome in outcomes if outcome.fault] == []
    assert len(outcomes) == 5_213


def test_every_vector_fails_when_its_expected_values_are_wrong() -> None:
    outcomes = list(run_files(vectors(), jobs=1, only_implemented=True, perturb=True))

    assert [outcome for outcome in outcomes if not outcome.fault] == []
    assert len(outcomes) >= 4_000
