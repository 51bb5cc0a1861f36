"""The database holds what the text says, in tables that refer to one another."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nnapi_check.coverage_db.database.build import TABLES, build_database
from nnapi_check.coverage_db.errors import BuildError
from nnapi_check.coverage_db.knowledge import load_knowledge
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.writing.output import OutputError
from tests.registry_numbers import OPERATION_COUNT


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def database(text: Path, tmp_path: Path) -> Path:
    build_database(tmp_path / "registry.db", text)
    return tmp_path / "registry.db"


def test_text_is_read_back_from_the_database_equal(text: Path, database: Path) -> None:
    known = load_knowledge(text)
    registry = open_registry(database)

    assert registry.operations() == known.operations
    assert registry.levels() == known.levels
    assert registry.types() == known.types
    assert registry.targets() == known.targets
    assert registry.cards() == known.cards
    assert registry.differences() == known.differences
    assert registry.reasons() == known.reasons
    assert known.cards
    assert known.differences
    assert known.reasons


def test_the_installed_text_does_not_contradict_itself(tmp_path: Path) -> None:
    build_database(tmp_path / "registry.db")

    assert ask(tmp_path / "registry.db", "SELECT count(*) FROM operations") == [(OPERATION_COUNT,)]


def test_equal_text_gives_equal_bytes(text: Path, database: Path, tmp_path: Path) -> None:
    build_database(tmp_path / "again.db", text)

    assert (tmp_path / "again.db").read_bytes() == database.read_bytes()


def test_types_of_an_operation_can_be_asked_by_level(database: Path) -> None:
    rows = ask(database, "SELECT type FROM operation_types WHERE operation = 'ADD' AND since <= 2 ORDER BY type")

    assert rows == [("TENSOR_FLOAT32",), ("TENSOR_QUANT8_ASYMM",)]


def test_a_rule_names_its_operand(database: Path) -> None:
    rows = ask(
        database,
        """
        SELECT signatures.operation, signature_inputs."index", quant_rules.dim FROM quant_rules
        JOIN signature_inputs ON signature_inputs.id = quant_rules.input
        JOIN signatures ON signatures.id = signature_inputs.signature
        WHERE quant_rules.kind = 'channel-dim' AND signatures.name = 'explicit padding' ORDER BY 1
        """,
    )

    assert rows == [
        ("CONV_2D", 1, 0),
        ("DEPTHWISE_CONV_2D", 1, 3),
        ("GROUPED_CONV_2D", 1, 0),
        ("TRANSPOSE_CONV_2D", 1, 0),
    ]


def test_a_card_stands_in_its_tables(database: Path) -> None:
    assert ask(database, "SELECT op, status FROM ops ORDER BY op") == [
        ("aten.erfinv.default", "gap"),
        ("aten.gru.input", "unwritten"),
        ("aten.relu.default", "lowered"),
    ]
    assert ask(database, "SELECT way, operation FROM emissions") == [("aten.relu.default/operation", "RELU")]
    assert ask(database, "SELECT condition, reason FROM requirements") == [("self.numel is above 0", "NNC301")]
    assert ask(database, "SELECT tensors FROM examples") == [('{"self": "f32[1,2,7,9]"}',)]


def test_every_table_says_what_a_row_is(database: Path) -> None:
    assert [name for (name,) in ask(database, "SELECT name FROM tables ORDER BY rowid")] == [
        plan.name for plan in TABLES
    ]
    for name, rows in ask(database, "SELECT name, rows FROM tables"):
        assert ask(database, f'SELECT count(*) FROM "{name}"') == [(rows,)]  # noqa: S608 - a table of ours


def test_foreign_keys_are_declared_and_hold(database: Path) -> None:
    declared = {line[2] for line in ask(database, "PRAGMA foreign_key_list(quant_rules)")}

    assert declared == {"operations", "signature_inputs", "outputs", "levels"}
    assert ask(database, "PRAGMA foreign_key_check") == []


@pytest.mark.parametrize(
    ("file", "written", "instead", "message"),
    [
        ("ops/small.toml", '"RELU"', '"RELU7"', "emissions: aten.relu.default/operation: operation 'RELU7'"),
        (
            "ops/small.toml",
            '"MUL"',
            '"MULL"',
            "unwritten: aten.gru.input: operation 'MULL' is not among the operations",
        ),
        ("ops/small.toml", '["layout"]', '["order"]', "difference 'order' is not among the differences"),
        ("ops/small.toml", "NNC301", "NNC999", "reason 'NNC999' is not among the reasons"),
        ("nnapi/levels.toml", "feature_level = 8", "feature_level = 7", "table levels: UNIQUE"),
        ("nnapi/operations/matrix.toml", "since = 6", "since = 99", "BATCH_MATMUL: since 99 is not among the levels"),
    ],
)
def test_text_that_names_what_is_not_there_is_refused(
    text: Path, tmp_path: Path, file: str, written: str, instead: str, message: str
) -> None:
    path = text / file
    path.write_text(path.read_text(encoding="utf-8").replace(written, instead), encoding="utf-8")

    with pytest.raises(BuildError, match=message):
        build_database(tmp_path / "registry.db", text)

    assert not (tmp_path / "registry.db").exists()


def test_all_faults_are_told_at_once(text: Path, tmp_path: Path) -> None:
    (text / "differences.toml").unlink()
    (text / "reasons.toml").unlink()

    with pytest.raises(BuildError, match=r"NNC301.*; .*'layout'"):
        build_database(tmp_path / "registry.db", text)


def test_a_file_that_cannot_be_written_is_an_error(text: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: the folder .*nowhere does not exist"):
        build_database(tmp_path / "nowhere" / "registry.db", text)


def test_nothing_is_left_behind_where_the_file_cannot_be_put(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "registry.db").mkdir(parents=True)

    with pytest.raises(OutputError, match="is a folder"):
        build_database(folder / "registry.db", text)

    assert [path.name for path in folder.iterdir()] == ["registry.db"]
