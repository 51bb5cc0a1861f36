"""Android's own headers, from its first release with NNAPI on, fill an empty table of operations.

NNAPI_HEADERS names a folder with the NDK header of each release, named by its API level: 27.h, 28.h, 29.h, 30.h and
31.h, and 33.h, that of Android 13 with feature level 8.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.header_import.importer import import_document
from nnapi_check.coverage_db.spec import OperandFacts, OperationFacts, Signature
from tests.coverage_db.as_of_level import operations_as_of

FOLDER = Path(os.environ.get("NNAPI_HEADERS", ""))
RELEASES = (("27.h", 1, 29), ("28.h", 2, 38), ("29.h", 3, 95), ("30.h", 4, 102), ("31.h", 5, 102), ("33.h", 8, 106))

LAST_LEVEL = RELEASES[-1][1]

pytestmark = pytest.mark.skipif(
    not os.environ.get("NNAPI_HEADERS"), reason="NNAPI_HEADERS does not name a folder of the NDK's headers"
)


@pytest.fixture
def empty(nnapi: Path) -> Path:
    """The facts without any operation, and without a record of imports."""
    for path in (nnapi / "operations").glob("*.toml"):
        path.unlink()
    (nnapi / "imports.toml").unlink()
    return nnapi


def as_documented(facts: OperationFacts) -> OperationFacts:
    """The facts without those that headers do not hold: notes, what the runtime trims, and free text on scales."""

    def without_rules(operands: tuple[OperandFacts, ...]) -> tuple[OperandFacts, ...]:
        return tuple(replace(operand, quant=()) for operand in operands)

    def bare(signature: Signature) -> Signature:
        # The header of Android 10 documents one list of inputs that later ones take back.
        counts = () if facts.name == "GROUPED_CONV_2D" else signature.counts
        return replace(signature, inputs=without_rules(signature.inputs), counts=counts)

    return replace(
        facts,
        notes="",
        trims=(),
        outputs=without_rules(facts.outputs),
        signatures=tuple(bare(signature) for signature in facts.signatures),
        configurations=tuple(sorted(facts.configurations, key=repr)),
    )


def test_each_release_adds_its_operations_and_the_last_gives_the_registry(empty: Path) -> None:
    for name, level, total in RELEASES:
        report = import_document(FOLDER / name, empty, write=True)

        assert (report.level, report.total) == (level, total)
        assert not import_document(FOLDER / name, empty, write=True).is_written

    found = load_operations(empty / "operations")
    assert {name: as_documented(facts) for name, facts in found.items()} == {
        name: as_documented(facts) for name, facts in operations_as_of(LAST_LEVEL, load_operations()).items()
    }


def test_the_last_header_alone_gives_the_registry(empty: Path) -> None:
    import_document(FOLDER / "33.h", empty, write=True)

    found = load_operations(empty / "operations")
    assert {name: as_documented(facts) for name, facts in found.items()} == {
        name: as_documented(facts) for name, facts in operations_as_of(LAST_LEVEL, load_operations()).items()
    }


@pytest.mark.parametrize("name", [name for name, _, _ in RELEASES])
def test_no_release_changes_the_registry(nnapi: Path, name: str) -> None:
    report = import_document(FOLDER / name, nnapi)

    assert [change for change in report.changes if change.is_taken] == []
