"""The views answer what they are named for, and as the Python side answers it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nnapi_check.coverage_db.database.build import build_database
from nnapi_check.coverage_db.database.views import VIEWS, ViewPlan
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.way_levels import way_types
from tests.registry_numbers import LEVELS, OPERATION_COUNT


@pytest.fixture
def small(text: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The database of two small cards."""
    build_database(tmp_path / "small.db", text)
    with closing(sqlite3.connect(tmp_path / "small.db")) as connection:
        yield connection


@pytest.fixture(scope="module")
def whole_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed registry's database."""
    path = tmp_path_factory.mktemp("whole") / "registry.db"
    build_database(path)
    return path


@pytest.fixture
def whole(whole_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(whole_path)) as connection:
        yield connection


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_view_has_the_columns_that_its_plan_tells(view: ViewPlan, small: sqlite3.Connection) -> None:
    cursor = small.execute(f'SELECT * FROM "{view.name}"')  # noqa: S608 - the name is the plan's own

    assert [column[0] for column in cursor.description] == [name for name, _ in view.columns]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_example_of_a_view_finds_rows(view: ViewPlan, whole: sqlite3.Connection) -> None:
    assert view.name in view.example
    assert whole.execute(view.example).fetchall()


def test_every_op_has_a_status_at_every_level(small: sqlite3.Connection) -> None:
    rows = small.execute("SELECT op, feature_level, status, ways FROM op_levels ORDER BY op, feature_level").fetchall()

    assert rows == [
        *(("aten.erfinv.default", level, "gap", 0) for level in LEVELS),
        *(("aten.gru.input", level, "unwritten", 0) for level in LEVELS),
        *(("aten.relu.default", level, "lowered", 1) for level in LEVELS),
    ]


def test_an_op_is_later_below_the_level_of_its_first_way(whole: sqlite3.Connection) -> None:
    query = "SELECT feature_level, status FROM op_levels WHERE op = 'aten.floor_divide.default'"

    assert dict(whole.execute(query).fetchall()) == {
        level: "later"
        if level < 4
        else whole.execute("SELECT status FROM ops WHERE op = 'aten.floor_divide.default'").fetchone()[0]
        for level in LEVELS
    }


def test_an_op_becomes_native_where_a_level_brings_the_operation(whole: sqlite3.Connection) -> None:
    query = "SELECT status FROM op_levels WHERE op = 'aten.hardswish.default' ORDER BY feature_level"

    assert [status for (status,) in whole.execute(query)] == ["lowered"] * 3 + ["native"] * (len(LEVELS) - 3)


def test_types_of_an_op_are_the_lowest_of_its_ways(whole: sqlite3.Connection, whole_path: Path) -> None:
    registry = open_registry(whole_path)
    wanted: dict[tuple[str, str], int] = {}
    for card in registry.cards():
        for way in card.ways:
            for kind, since in way_types(way, registry):
                wanted[card.op, kind.name] = min(since, wanted.get((card.op, kind.name), since))

    rows = whole.execute("SELECT op, type, since FROM op_types").fetchall()

    assert {(op, kind): since for op, kind, since in rows} == wanted


def test_operations_without_ops_are_the_rest_of_those_with(whole: sqlite3.Connection) -> None:
    used = {name for (name,) in whole.execute("SELECT operation FROM operation_ops")}
    unused = {name for (name,) in whole.execute("SELECT operation FROM operations_without_ops")}

    assert not used & unused
    assert len(used | unused) == OPERATION_COUNT


def test_ops_that_an_operation_could_serve_are_counted(small: sqlite3.Connection) -> None:
    query = "SELECT could_serve FROM operations_without_ops WHERE operation = ?"

    assert small.execute(query, ["LSTM"]).fetchone() == (1,)
    assert small.execute(query, ["ADD"]).fetchone() == (0,)


def test_requirements_are_told_in_words(small: sqlite3.Connection) -> None:
    rows = small.execute("SELECT op, way, requirement, condition, fix FROM requirement_texts").fetchall()

    assert rows == [
        ("aten.relu.default", "operation", "not-empty", "self.numel is above 0", "Leave empty tensors out.")
    ]


def test_examples_say_what_is_expected(small: sqlite3.Connection, whole: sqlite3.Connection) -> None:
    rows = small.execute("SELECT op, example, tensors, expected FROM card_examples").fetchall()
    query = "SELECT expected FROM card_examples WHERE op = 'aten.max_pool2d.default' AND example = 'dilated'"

    assert rows == [("aten.relu.default", "plain", '{"self": "f32[1,2,7,9]"}', "passes")]
    assert whole.execute(query).fetchall() == [("no-dilation",)]


def test_an_op_that_is_read_as_another_is_rewritten_at_every_level(whole: sqlite3.Connection) -> None:
    query = "SELECT status, ways FROM op_levels WHERE op = 'aten.native_layer_norm.default'"

    assert whole.execute(query).fetchall() == [("rewritten", 0)] * len(LEVELS)
    assert whole.execute(
        'SELECT becomes, "when" FROM rewritten WHERE op = ?', ("aten.native_layer_norm.default",)
    ).fetchall() == [("aten.layer_norm.default", "only the first output is read")]
