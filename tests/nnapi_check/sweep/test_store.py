"""Answers are kept, and asked again only where something changed."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.sweep.jobs import Answer, answer_lines, read_answer
from nnapi_check.sweep.store import opened, wanted
from tests.reports.many.sample_rows import sample_rows, sample_stays


def test_answers_written_and_read_are_equal(tmp_path: Path) -> None:
    with opened(tmp_path / "sweep.db") as store:
        store.add(Answer(sample_rows(), sample_stays()))
    with opened(tmp_path / "sweep.db") as store:
        assert set(store.rows()) == set(sample_rows())
        assert set(store.stays()) == set(sample_stays())


def test_a_new_answer_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    old, new = sample_rows()[0], replace(sample_rows()[0], score=80.0)
    with opened(tmp_path / "sweep.db") as store:
        store.add(Answer((old, sample_rows()[1]), sample_stays()[:1]))
        store.add(Answer((new,), ()))

        assert set(store.rows()) == {new, sample_rows()[1]}
        assert store.stays() == ()


def test_only_what_changed_or_went_wrong_is_asked_again() -> None:
    right = [row for row in sample_rows() if not row.error]
    wrong = [row for row in sample_rows() if row.error]

    assert wanted(sample_rows(), sample_rows()) == tuple(wrong)
    for changed in ({"identity": "other"}, {"tool_version": "9"}, {"torch_version": "9"}, {"feature_level": 5}):
        assert wanted([replace(right[0], **changed)], sample_rows()) != ()


@pytest.mark.parametrize("kind", ["text", "another database", "a folder", "older columns"])
def test_files_of_others_are_left_as_they_are(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    match kind:
        case "text":
            path.write_text("a text of mine that is no database at all\n" * 20)
        case "a folder":
            path.mkdir()
        case "another database":
            with sqlite3.connect(path) as connection:
                connection.execute("create table results (a)")
            connection.close()
        case _:
            with opened(path) as store:
                store.add(Answer(sample_rows(), ()))
            with sqlite3.connect(path) as connection:
                connection.execute("alter table results drop column score")
            connection.close()
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(OutputError), opened(path):
        pass

    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_answer_that_was_cut_keeps_its_whole_lines() -> None:
    lines = list(answer_lines(sample_rows()[0], sample_stays()[:1]))

    cut = "\n".join([*lines, lines[0][:40]])
    assert read_answer(cut) == Answer(sample_rows()[:1], sample_stays()[:1])
