"""Files are replaced all or not at all: by imports that are killed, run out of space, or run at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.header_import import staging
from nnapi_check.coverage_db.header_import.importer import import_document
from nnapi_check.coverage_db.header_import.staging import STAGE, StagingError, only_import, replace_files
from tests.coverage_db.header_import.made_up import NEXT_HEADER, written
from tests.registry_numbers import OPERATION_COUNT


def state(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.toml"))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "facts"
    made.mkdir()
    (made / "one.toml").write_text("old 1", encoding="utf-8")
    (made / "two.toml").write_text("old 2", encoding="utf-8")
    return made


NEW = {"one.toml": "new 1", "two.toml": "new 2", "deep/three.toml": "new 3"}
OLD_STATE = {"one.toml": "old 1", "two.toml": "old 2"}
NEW_STATE = {"one.toml": "new 1", "two.toml": "new 2", "three.toml": "new 3"}


def test_replaces_all_and_leaves_nothing_behind(folder: Path) -> None:
    replace_files(folder, NEW)

    assert state(folder) == NEW_STATE
    assert not (folder / STAGE).exists()


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def killed_after(steps: int, call: Callable[..., object]) -> Callable[..., object]:
    """The call, which ends the process instead of being made once more after ``steps`` times."""
    made = 0

    def counted(*arguments: object, **named: object) -> object:
        nonlocal made
        if made == steps:
            raise Killed
        made += 1
        return call(*arguments, **named)

    return counted


@pytest.mark.parametrize("steps", range(8))
def test_a_kill_at_any_rename_leaves_all_or_nothing_to_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed_after(steps, Path.replace))
        with suppress(Killed):
            replace_files(folder, NEW)

    with only_import(folder):
        pass

    # The fourth rename, after those of the new contents, puts down the plan: from there on the import is decided.
    assert state(folder) == (OLD_STATE if steps <= 3 else NEW_STATE)
    assert not (folder / STAGE).exists()


@pytest.mark.parametrize("steps", range(3))
def test_a_kill_while_writing_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed_after(steps, os.fsync))
        with pytest.raises(Killed):
            replace_files(folder, NEW)

    assert state(folder) == OLD_STATE
    with only_import(folder):
        pass
    assert state(folder) == OLD_STATE
    assert not (folder / STAGE).exists()


def test_a_full_disk_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StagingError, match=r"nothing was changed: .*No space left"):
            replace_files(folder, NEW)

    assert state(folder) == OLD_STATE
    assert not (folder / STAGE).exists()


def test_a_file_changed_by_hand_after_a_kill_is_not_overwritten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed_after(5, Path.replace))
        with pytest.raises(Killed):
            replace_files(folder, NEW)
    (folder / "two.toml").write_text("by hand", encoding="utf-8")

    with pytest.raises(StagingError, match=r"two\.toml was changed since"), only_import(folder):
        pass

    assert (folder / "two.toml").read_text(encoding="utf-8") == "by hand"


def test_a_second_import_at_the_same_time_is_refused(folder: Path) -> None:
    with only_import(folder):
        program = "from pathlib import Path\nfrom nnapi_check.coverage_db.header_import.staging import only_import\n"
        program += f"with only_import(Path({str(folder)!r})): pass\n"
        second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "another import is writing to" in second.stderr


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="No such file"), only_import(tmp_path / "none"):
        pass


def test_a_process_killed_in_the_middle_leaves_an_import_that_the_next_finishes(nnapi: Path, tmp_path: Path) -> None:
    document = written(tmp_path, NEXT_HEADER)
    program = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from nnapi_check.coverage_db.header_import.importer import import_document
        renamed, done = Path.replace, []
        def replace(path, target):
            if Path(target).parent.name != {STAGE!r}:
                done.append(path)
            if len(done) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return renamed(path, target)
        Path.replace = replace
        import_document(Path({str(document)!r}), Path({str(nnapi)!r}), write=True)
    """)
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(load_operations(nnapi / "operations")) == OPERATION_COUNT

    again = import_document(document, nnapi, write=True)

    assert not [change for change in again.changes if change.is_taken]
    assert len(load_operations(nnapi / "operations")) == OPERATION_COUNT + 2


def test_what_is_staged_is_not_read_as_text(nnapi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    carry_out = staging.finish_import

    def look(directory: Path) -> bool:
        seen.append([path.name for path in (directory / STAGE).glob("**/*.toml")])
        return carry_out(directory)

    monkeypatch.setattr(staging, "finish_import", look)

    import_document(written(tmp_path, NEXT_HEADER), nnapi, write=True)

    assert seen == [[], []]
