"""The columns of a table are the fields of the dataclass that its rows hold, without being said again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from nnapi_check.coverage_db.database.build import TABLES
from nnapi_check.coverage_db.database.documents import DocumentFormat
from nnapi_check.coverage_db.database.tables import Column, Row, TablePlan, integer, table, text
from nnapi_check.coverage_db.knowledge import Knowledge
from nnapi_check.coverage_db.spec import BiasScale, OperandType

NOTHING = Knowledge((), (), (), (), (), (), (), ())
DOCUMENTS = DocumentFormat(())


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    type: OperandType | None
    since: int
    share: float | None
    is_last: bool
    bias: BiasScale
    aliases: tuple[str, ...]
    mixed: int | str
    pairs: tuple[tuple[str, int], ...]
    skipped: str = ""


SAMPLE = Sample("a", OperandType.TENSOR_INT32, 4, None, True, BiasScale.ZERO, ("b", "c"), 1, (("d", 2),))


@table(integer("position"), key=("position",), fields_of=Sample, without=("skipped",))
def samples(known: Knowledge) -> Iterator[Row]:
    """A sample."""
    yield from enumerate([SAMPLE])


def test_a_field_is_a_column_by_its_name_and_type() -> None:
    assert (samples.name, samples.title) == ("samples", "A sample.")
    assert samples.columns == (
        Column("position", int),
        Column("name", str),
        Column("type", str, required=False, refers_to="types.name"),
        Column("since", int, refers_to="levels.feature_level"),
        Column("share", float, required=False),
        Column("is_last", int),
        Column("bias", str),
        Column("aliases", str),
    )


def test_a_row_holds_what_its_columns_say() -> None:
    assert list(samples.cells(NOTHING, DOCUMENTS)) == [(0, "a", "TENSOR_INT32", 4, None, True, "zero", "b, c")]


def test_a_column_of_the_tables_own_stands_in_place_of_a_field() -> None:
    @table(text("share"), key=("name",), fields_of=Sample)
    def shares(known: Knowledge) -> Iterator[Row]:
        """A share in words."""
        yield "all of it", SAMPLE

    assert [column for column in shares.columns if column.name == "share"] == [Column("share", str)]
    assert next(iter(shares.cells(NOTHING, DOCUMENTS)))[:2] == ("all of it", "a")


def test_what_fits_no_cell_is_refused() -> None:
    @table(text("name"), key=("name",))
    def sets(known: Knowledge) -> Iterator[Row]:
        """A set."""
        yield (frozenset({"a"}),)

    with pytest.raises(TypeError, match="fits no cell"):
        list(sets.cells(NOTHING, DOCUMENTS))


@pytest.mark.parametrize("plan", TABLES, ids=lambda plan: plan.name)
def test_keys_are_columns_and_no_column_stands_twice(plan: TablePlan) -> None:
    names = [column.name for column in plan.columns]

    assert plan.title
    assert set(plan.primary_key) <= set(names)
    assert len(set(names)) == len(names)


def test_a_new_field_of_a_record_is_a_new_column() -> None:
    grown = dataclasses.make_dataclass("Grown", [("added", int, 0)], bases=(Sample,), frozen=True)

    @table(key=("name",), fields_of=grown)
    def wider(known: Knowledge) -> Iterator[Row]:
        """A wider sample."""
        yield from ()

    assert wider.columns[-1] == Column("added", int)
