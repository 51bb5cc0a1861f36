"""The validator against conformance models that are not ours."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.conformance.vector_rows import VectorRow, read_rows
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, Computed, UnknownRank
from nnapi_check.lowering.nnapi.shapes.shapes import compatible
from nnapi_check.lowering.nnapi.validation.faults import Rule, Validation
from nnapi_check.lowering.nnapi.validation.validate import validate

VECTORS = os.environ.get("NNAPI_VECTORS")

pytestmark = pytest.mark.skipif(VECTORS is None, reason="NNAPI_VECTORS does not name a folder with vectors")

EXPECTED_FAILURES = {
    "cast_mismatching_shapes": Rule.OUTPUT_SHAPE,
    "concat_invalid_rank": Rule.RANK,
    "depthwise_conv2d_invalid_filter_dims": Rule.INPUT_SHAPE,
    "strided_slice_invalid": Rule.VALUE,
}
"""The conformance tests that must fail, and the rule that each breaks before it is executed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with what the validator says of its model."""

    row: VectorRow
    validation: Validation

    @property
    def must_fail(self) -> bool:
        """Whether an example of the row must fail."""
        return any(example.expect_failure for example in self.row.examples)


@lru_cache(maxsize=1)
def judged_rows() -> tuple[Judged, ...]:
    facts = load_operations()
    rows = [row for path in sorted(Path(str(VECTORS)).glob("*.jsonl.gz")) for row in read_rows(path)]
    return tuple(Judged(row, validate(row.model, facts)) for row in rows)


def rules(judged: Judged) -> frozenset[Rule]:
    return frozenset(fault.rule for fault in judged.validation.faults)


def test_every_model_that_runs_has_no_fault() -> None:
    runs = [judged for judged in judged_rows() if not judged.must_fail]

    faults = [(judged.row.name, fault.message) for judged in runs for fault in judged.validation.faults]

    assert sum(len(judged.row.examples) for judged in runs) == 5167
    assert faults == []


def test_the_level_of_every_model_is_the_one_it_declares() -> None:
    """Rows for relaxed computation carry the level of their folder, not of their model."""
    declared = [judged for judged in judged_rows() if judged.row.declared_level and not judged.row.relaxed]

    wrong = [
        (judged.row.name, judged.validation.level, judged.row.declared_level)
        for judged in declared
        if judged.validation.level != judged.row.declared_level and not judged.must_fail
    ]

    assert len(declared) == 3889
    assert wrong == []


def test_relaxed_computation_changes_no_level() -> None:
    levels = {judged.row.name: judged.validation.level for judged in judged_rows() if not judged.row.relaxed}
    relaxed = [judged for judged in judged_rows() if judged.row.relaxed]
    pairs = [
        (judged.validation.level, levels[plain])
        for judged in relaxed
        if (plain := judged.row.name.replace("_relaxed", "")) in levels
    ]

    above = [judged.row.name for judged in relaxed if judged.validation.level > (judged.row.declared_level or 9)]

    assert len(pairs) > 700
    assert all(level == plain for level, plain in pairs)
    assert above == []


def test_what_the_runtime_trims_is_what_separates_the_two_readings_of_a_level() -> None:
    readings = Counter(
        (judged.validation.level, judged.validation.level_as_written)
        for judged in judged_rows()
        if judged.validation.level != judged.validation.level_as_written and not judged.must_fail
    )

    assert readings == {(1, 3): 118, (2, 3): 52, (3, 4): 32}


def test_every_model_that_must_fail_fails_before_execution_by_exactly_one_rule() -> None:
    failing = [judged for judged in judged_rows() if judged.must_fail]

    found = {(judged.row.spec, rules(judged)) for judged in failing}

    assert len(failing) == 46
    assert found == {(spec, frozenset({rule})) for spec, rule in EXPECTED_FAILURES.items()}


def test_inferred_output_shapes_equal_the_declared_ones() -> None:
    facts = load_operations()
    known, counted, wrong = 0, 0, []
    for judged in judged_rows():
        model = judged.row.model
        if judged.must_fail:
            continue
        blank = tuple(
            replace(operand, shape=UNKNOWN_RANK)
            if isinstance(operand.source, Computed) and operand.type.is_tensor
            else operand
            for operand in model.operands
        )
        shapes = validate(replace(model, operands=blank), facts).shapes
        for operand, shape in zip(model.operands, shapes, strict=True):
            if isinstance(operand.source, Computed) and operand.type.is_tensor:
                counted += not isinstance(operand.shape, UnknownRank)
                known += isinstance(shape, tuple) and all(isinstance(dim, int) for dim in shape)
                if not compatible(operand.shape, shape):
                    wrong.append((judged.row.name, operand.shape, shape))

    assert wrong == []
    assert known > 0.84 * counted
