"""A site's folder on disk: whole or not at all, and never in place of what is not a site of ours."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.output import check_parent, place_of, writing
from nnapi_check.coverage_db.unfinished import exchange, unfinished

MARKER = "nnapi-check-site.json"
"""The file that tells a site of ours, with the list of its files."""


class SiteError(UserError):
    """A site cannot be written, or would replace what is not a site of ours."""


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file of the site: its path from the root, with slashes, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class WrittenSite:
    """What was written."""

    files: int
    total_bytes: int


def check_folder(folder: Path) -> Path:
    """Where a site for ``folder`` is to be put, which a link may lead to: nothing, nothing in it, or a site of ours.

    Raises ``SiteError`` for anything else, and ``OutputError`` where nothing can be put there.
    """
    place = place_of(folder)
    check_parent(folder, place)
    if not place.exists():
        return place
    if not place.is_dir():
        raise SiteError(f"{folder} is no folder; name a folder for the site")
    present = {path.relative_to(place).as_posix() for path in place.rglob("*") if not _has_entries(path)}
    strangers = sorted(present - _own_files(place)) if present else []
    if strangers:
        raise SiteError(
            f"{folder} holds {strangers[0]}, which is no file of a site that nnapi-check wrote;"
            " name a new or an empty folder"
        )
    return place


def _has_entries(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and any(path.iterdir())


def _own_files(folder: Path) -> set[str]:
    """The files that the site in a folder was written with; none where it is no site of ours."""
    try:
        document = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    listed = document.get("files") if isinstance(document, dict) else None
    return {MARKER, *(str(name) for name in listed)} if isinstance(listed, list) else set()


def write_site(files: Iterable[SiteFile], folder: Path) -> WrittenSite:
    """Write every file beside ``folder``, then put all in its place. Raises ``SiteError`` or ``OutputError``."""
    place = check_folder(folder)
    with writing(folder), unfinished(place.parent) as building:
        new = building / "new"
        written = _fill(files, new)
        # What came meanwhile must not be lost either.
        check_folder(folder)
        _put(new, place, old=building / "old")
    return written


def _fill(files: Iterable[SiteFile], new: Path) -> WrittenSite:
    new.mkdir()
    names, total = [], 0
    for file in files:
        data = file.text.encode()
        path = new / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        names.append(file.path)
        total += len(data)
    marker = json.dumps({"made_by": "nnapi-check", "files": sorted(names)}, indent=1) + "\n"
    (new / MARKER).write_text(marker, encoding="utf-8")
    return WrittenSite(len(names) + 1, total + len(marker.encode()))


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
