"""Folders that are written whole or not at all, and never in place of what this project did not write."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.user_documents import parse_json
from nnapi_check.coverage_db.writing.output import check_parent, place_of, writing
from nnapi_check.coverage_db.writing.unfinished import exchange, unfinished


class FolderError(UserError):
    """A folder cannot be written, or would replace what is none of ours."""


@dataclass(frozen=True, slots=True)
class FolderKind:
    """What sentences call folders of a kind, and the file in each that tells it, with the list of its files."""

    name: str
    marker: str


def check_folder(folder: Path, kind: FolderKind) -> Path:
    """Where a folder is to be put, which a link may lead to: nothing, nothing in it, or one of this kind.

    Raises ``FolderError`` for anything else, and ``OutputError`` where nothing can be put there.
    """
    place = place_of(folder)
    check_parent(folder, place)
    if not place.exists():
        return place
    if not place.is_dir():
        raise FolderError(f"{folder} is no folder; name a folder for the {kind.name}")
    present = {path.relative_to(place).as_posix() for path in place.rglob("*") if not _has_entries(path)}
    strangers = sorted(present - _own_files(place, kind)) if present else []
    if strangers:
        raise FolderError(
            f"{folder} holds {strangers[0]}, which is no file of a {kind.name} that nnapi-check wrote;"
            " name a new or an empty folder"
        )
    return place


@contextmanager
def replaced_folder(folder: Path, kind: FolderKind) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``folder`` at the end. Raises ``FolderError`` or ``OutputError``.

    Where anything is raised before, what was at ``folder`` is as it was.
    """
    place = check_folder(folder, kind)
    with ExitStack() as open_folders:
        with writing(folder):
            parent = open_folders.enter_context(unfinished(place.parent))
            new = parent / "new"
            new.mkdir()
        yield new
        with writing(folder):
            files = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
            marker = json.dumps({"made_by": "nnapi-check", "files": files}, indent=1) + "\n"
            (new / kind.marker).write_text(marker, encoding="utf-8")
            # What came meanwhile must not be lost either.
            check_folder(folder, kind)
            _put(new, place, old=parent / "old")


def _has_entries(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and any(path.iterdir())


def _own_files(folder: Path, kind: FolderKind) -> set[str]:
    """The files that a folder was written with; none where it is no folder of this kind."""
    try:
        document = parse_json((folder / kind.marker).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    listed = document.get("files") if isinstance(document, dict) else None
    return {kind.marker, *(str(name) for name in listed)} if isinstance(listed, list) else set()


def _put(new: Path, place: Path, *, old: Path) -> None:
    """Give the finished folder its name, and move what has the name out of the way."""
    if not place.exists():
        new.replace(place)
        return
    new.chmod(stat.S_IMODE(place.stat().st_mode))
    if exchange(new, place):
        return
    place.replace(old)
    try:
        new.replace(place)
    except OSError:
        old.replace(place)
        raise
