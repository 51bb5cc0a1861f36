"""The conformance vectors of the project's own making: they pass, they can fail, and none of our code expected them."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.conformance.coverage_table import measure
from nnapi_check.lowering.nnapi.conformance.runner import main, operation_kinds, run_row
from nnapi_check.lowering.nnapi.conformance.vector_rows import LEVELS, VectorRow, read_rows
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, Computed
from nnapi_check.lowering.nnapi.shapes.shapes import compatible
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.conformance import own_vectors

ROWS = {row.name: row for row in read_rows(own_vectors.PATH)}
RUNS = {name: row for name, row in ROWS.items() if not row.examples[0].expect_failure}


def each(rows: dict[str, VectorRow]) -> list[object]:
    return [pytest.param(row, id=name) for name, row in rows.items()]


def test_the_file_holds_what_the_formulas_give() -> None:
    lines = own_vectors.rows()

    assert own_vectors.PATH.read_text(encoding="utf-8").splitlines() == lines
    assert len(ROWS) == len(lines)


@pytest.mark.parametrize("module", ["own_vectors.py", "row_text.py"])
def test_formulas_use_no_code_of_the_project(module: str) -> None:
    nodes = list(ast.walk(ast.parse((own_vectors.PATH.parent / module).read_text(encoding="utf-8"))))

    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}

    assert "torch" in imported
    assert {name for name in imported if name.startswith("nnapi_check")} == set()


@pytest.mark.parametrize("row", each(ROWS))
def test_a_vector_is_accepted_at_its_level_and_computed_within_its_tolerance(row: VectorRow) -> None:
    assert [outcome.fault for outcome in run_row(row)] == [""] * len(row.examples)


@pytest.mark.parametrize("row", each(RUNS))
def test_a_vector_fails_when_its_expected_values_are_wrong(row: VectorRow) -> None:
    outcomes = run_row(row, perturb=True)

    assert len(outcomes) == sum(not example.expect_failure for example in row.examples)
    assert [outcome for outcome in outcomes if not outcome.fault] == []


@pytest.mark.parametrize("row", each(ROWS))
def test_a_vector_fails_when_failure_is_expected_of_what_passes_and_not_of_what_fails(row: VectorRow) -> None:
    examples = tuple(replace(example, expect_failure=not example.expect_failure) for example in row.examples)

    outcomes = run_row(replace(row, examples=examples))

    assert [outcome for outcome in outcomes if not outcome.fault] == []


@pytest.mark.parametrize("row", each({name: row for name, row in RUNS.items() if row.declared_level is not None}))
def test_a_vector_fails_when_it_declares_another_level(row: VectorRow) -> None:
    """Only relaxed rows may declare a higher one."""
    for declared in (0,) if row.relaxed else (0, 9):
        outcomes = run_row(replace(row, declared_level=declared))

        told = [outcome.fault for outcome in outcomes if not outcome.fault.endswith(f"but declares {declared}")]
        assert told == []


def test_vectors_are_of_all_kinds() -> None:
    kinds = {kind for row in ROWS.values() for kind in operation_kinds(row.model)}
    operands = [operand for row in ROWS.values() for operand in row.model.operands]

    assert len(kinds) >= 65
    assert {row.declared_level for row in ROWS.values()} == {*LEVELS.values(), None}
    assert {"IF", "WHILE", "RANDOM_MULTINOMIAL"} <= kinds
    assert {"TENSOR_FLOAT16", "TENSOR_QUANT8_ASYMM", "TENSOR_QUANT8_ASYMM_SIGNED"} <= {
        item.type.name for item in operands
    }
    assert any(operand.channels is not None for operand in operands)
    assert any(row.relaxed for row in ROWS.values())
    assert sum(example.expect_failure for row in ROWS.values() for example in row.examples) == 5


@pytest.mark.parametrize("row", each(RUNS))
def test_inferred_shapes_of_outputs_are_those_of_the_vectors(row: VectorRow) -> None:
    blank = tuple(
        replace(operand, shape=UNKNOWN_RANK)
        if isinstance(operand.source, Computed) and operand.type.is_tensor
        else operand
        for operand in row.model.operands
    )

    shapes = validate(replace(row.model, operands=blank), load_operations()).shapes

    for operand, shape in zip(row.model.operands, shapes, strict=True):
        assert compatible(operand.shape, shape)


def test_every_operation_of_the_vectors_runs_in_all_types_that_its_vector_can_be_stored_in() -> None:
    table = measure(tuple(ROWS.values()), load_operations())
    own = {kind for row in RUNS.values() for kind in operation_kinds(row.model)}

    tried = [entry for entry in table if entry.operation in own and entry.foreign + entry.retyped]

    assert [entry for entry in tried if not (entry.is_run and entry.is_validated)] == []
    assert len(tried) >= 200


def test_the_command_runs_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    count = sum(len(row.examples) for row in ROWS.values())

    assert main([str(own_vectors.PATH), "--jobs", "1"]) == 0
    assert capsys.readouterr().out == f"{count} passed, 0 failed\n"
    assert main([str(own_vectors.PATH), "--jobs", "1", "--perturb"]) == 1
    assert capsys.readouterr().out == f"0 passed, {count - 5} failed\n"
