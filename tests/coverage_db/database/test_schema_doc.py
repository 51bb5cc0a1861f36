"""The documentation of the database says what the database is, and is not stale."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nnapi_check.coverage_db.database import schema_doc
from nnapi_check.coverage_db.queries import open_registry


def test_the_page_in_docs_is_not_stale() -> None:
    assert schema_doc.PAGE.read_text(encoding="utf-8") == schema_doc.schema_text()


def test_every_table_view_and_column_of_the_database_is_told() -> None:
    text = schema_doc.schema_text()
    with closing(open_registry().connect()) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        ).fetchall()

        assert len(names) > 25
        for (name,) in names:
            assert f"`{name}`" in text
            for column in _columns(connection, name):
                assert f"| `{column}`" in text or name in ("meta", "tables")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def test_check_fails_for_a_stale_page_and_passes_for_a_written_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema_doc, "PAGE", tmp_path / "docs" / "schema.md")

    before = schema_doc.main(["--check"])
    wrote = schema_doc.main(["--write"])
    after = schema_doc.main(["--check"])

    assert (before, wrote, after) == (1, 0, 0)
    assert "stale" in capsys.readouterr().err


def test_a_wrong_call_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema_doc.main([]) == 2
    assert "usage" in capsys.readouterr().err
