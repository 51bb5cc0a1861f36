"""The matrix says what becomes of every op at every level."""

import pytest

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.reports.site.matrix import Cell, MatrixRow, matrix, totals, type_keys

LEVELS = tuple(range(1, 9))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.fixture(scope="module")
def rows(registry: Registry) -> dict[str, MatrixRow]:
    return {row.op: row for family in matrix(registry.cards(), registry, LEVELS) for row in family.rows}


def test_every_op_stands_in_it_once(registry: Registry, rows: dict[str, MatrixRow]) -> None:
    listed = [row for family in matrix(registry.cards(), registry, LEVELS) for row in family.rows]

    assert len(listed) == len(rows) == len(registry.cards())


def test_an_operation_that_comes_later_makes_its_op_native_from_then_on(rows: dict[str, MatrixRow]) -> None:
    assert rows["aten.hardswish.default"].cells == (Cell.LOWERED,) * 3 + (Cell.NATIVE,) * 5


def test_a_level_that_takes_fewer_calls_than_a_higher_one_says_so(rows: dict[str, MatrixRow]) -> None:
    # Dilation is an input of CONV_2D from level 3 on.
    assert rows["aten.conv2d.default"].narrower == (True, True, False, False, False, False, False, False)
    # No way takes a dilation at any level.
    assert not any(rows["aten.max_pool2d.default"].narrower)


def test_no_op_takes_fewer_calls_at_the_highest_level_or_where_it_has_no_way(rows: dict[str, MatrixRow]) -> None:
    for row in rows.values():
        assert not row.narrower[-1]
        assert not any(
            narrower and cell in {Cell.LATER, Cell.GAP, Cell.UNWRITTEN, Cell.REWRITTEN}
            for narrower, cell in zip(row.narrower, row.cells, strict=True)
        )


def test_gaps_and_rules_that_are_not_written_are_so_at_every_level(
    registry: Registry, rows: dict[str, MatrixRow]
) -> None:
    for card in registry.cards():
        if card.gap is not None:
            assert set(rows[card.op].cells) == {Cell.GAP}
        elif card.unwritten:
            assert set(rows[card.op].cells) == {Cell.UNWRITTEN}
        elif card.becomes:
            assert set(rows[card.op].cells) == {Cell.REWRITTEN}
            assert rows[card.op].becomes == " ".join(card.becomes)
        else:
            assert not {Cell.GAP, Cell.UNWRITTEN, Cell.REWRITTEN} & set(rows[card.op].cells)


def test_an_element_type_opens_ways_only_as_its_level_comes(rows: dict[str, MatrixRow]) -> None:
    by_type = dict(rows["aten.relu.default"].by_type)

    assert by_type == {"f32": "N" * 8, "f16": "--NNNNNN", "quint8": "N" * 8, "i32": "-" * 8, "bool": "-" * 8}


def test_no_element_type_is_served_before_any_is(rows: dict[str, MatrixRow]) -> None:
    for row in rows.values():
        for _, letters in row.by_type:
            for cell, letter in zip(row.cells, letters, strict=True):
                assert cell is not Cell.LATER or letter == Cell.LATER.value


def test_a_way_that_is_open_stays_open_at_higher_levels(rows: dict[str, MatrixRow]) -> None:
    order = [Cell.LATER, Cell.APPROXIMATE, Cell.LOWERED, Cell.NATIVE]
    for row in rows.values():
        if row.cells[0] in order:
            ranks = [order.index(cell) for cell in row.cells]
            assert ranks == sorted(ranks), row.op


def test_totals_count_every_op_at_each_level(registry: Registry) -> None:
    found = totals(matrix(registry.cards(), registry, LEVELS), LEVELS)

    assert [sum(counts[index] for _, counts in found) for index in range(8)] == [len(registry.cards())] * 8


def test_types_to_choose_from_are_those_of_the_rows(rows: dict[str, MatrixRow]) -> None:
    assert [key for key, _ in type_keys()] == [key for key, _ in rows["aten.relu.default"].by_type]


def test_every_cell_has_a_meaning() -> None:
    assert len({cell.meaning for cell in Cell}) == len(Cell)
