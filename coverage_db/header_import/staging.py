"""Several files of a directory replaced together: all of them or none, whatever happens in between.

New contents are first written beside the directory's files, under names that nobody reads. Then a plan is put down in
one step, and from there on the import is decided: the files are renamed into place one by one, and a run that is
killed before the last is carried out by the next. Before the plan is put down nothing has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.writing.output import OutputError, write_whole

STAGE = ".import"
_PLAN = "plan.json"


class StagingError(UserError):
    """Files cannot be replaced: another import runs, a disk is full, or a file was changed in between."""


@contextmanager
def only_import(directory: Path) -> Iterator[None]:
    """Hold the directory for one import at a time, and finish what a killed one left, whose hold the system frees.

    Raises ``StagingError`` where another import holds it.
    """
    if sys.platform == "win32":
        raise StagingError("importing with --write needs a system with flock, such as Linux or macOS")
    import fcntl

    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise StagingError(f"{directory} cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StagingError(f"another import is writing to {directory}; try again when it is done") from error
        finish_import(directory)
        yield
    finally:
        os.close(handle)


def finish_import(directory: Path) -> bool:
    """Carry out the plan that a killed import left, or clear away what it wrote before it had one.

    Returns whether there was a plan. Raises ``StagingError`` where a file was changed by hand since.
    """
    stage = directory / STAGE
    plan = stage / _PLAN
    try:
        has_plan = plan.exists()
        if has_plan:
            _carry_out(directory, json.loads(plan.read_text(encoding="utf-8")))
        shutil.rmtree(stage, ignore_errors=True)
    except (OSError, OutputError, ValueError) as error:
        raise StagingError(f"the import that was interrupted in {directory} cannot be finished: {error}") from error
    return has_plan


def replace_files(directory: Path, contents: Mapping[str, str]) -> None:
    """Put each text at its path below ``directory``, in the order given: all or none.

    The caller holds the directory (``only_import``). Raises ``StagingError`` where they cannot be written.
    """
    stage = directory / STAGE
    plan: list[dict[str, str]] = []
    try:
        stage.mkdir(exist_ok=True)
        for number, (name, text) in enumerate(contents.items()):
            target = directory / name
            staged = f"{number}.staged"
            write_whole(stage / staged, text.encode("utf-8"))
            before = _digest(target.read_bytes()) if target.exists() else ""
            plan.append({"staged": staged, "target": name, "before": before, "after": _digest(text.encode("utf-8"))})
        write_whole(stage / _PLAN, json.dumps(plan).encode("utf-8"))
    except (OSError, OutputError) as error:
        shutil.rmtree(stage, ignore_errors=True)
        raise StagingError(f"nothing was changed: {_words(error, stage)}") from error
    finish_import(directory)


def _words(error: Exception, stage: Path) -> str:
    return f"{stage} cannot be written: {error.strerror}" if isinstance(error, OSError) else str(error)


def _carry_out(directory: Path, plan: list[dict[str, str]]) -> None:
    for step in plan:
        target, staged = directory / step["target"], directory / STAGE / step["staged"]
        found = _digest(target.read_bytes()) if target.exists() else ""
        if found == step["after"]:
            continue
        if found != step["before"]:
            raise StagingError(
                f"an import was interrupted, and {target} was changed since. "
                f"Delete {directory / STAGE} to give that import up, then import again."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, staged.read_bytes())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
