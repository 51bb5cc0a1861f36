"""A site's folder on disk: whole or not at all, and never in place of what is not a site of ours."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coverage_db.errors import UserError

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


def check_folder(folder: Path) -> None:
    """Raise ``SiteError`` unless a site may be put at ``folder``: nothing, nothing in it, or a site of ours alone."""
    if not folder.parent.is_dir():
        raise SiteError(f"{folder} cannot be written: the folder {folder.parent} does not exist")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SiteError(f"{folder} is a file; name a folder for the site")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not _has_entries(path)}
    strangers = sorted(present - _own_files(folder)) if present else []
    if strangers:
        raise SiteError(
            f"{folder} holds {strangers[0]}, which is no file of a site that nnapi-check wrote;"
            " name a new or an empty folder"
        )


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
    """Write every file beside ``folder``, then put all of them in its place. Raises ``SiteError``."""
    folder = folder.resolve()
    check_folder(folder)
    try:
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise SiteError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        return _fill_and_place(files, building, folder)
    except OSError as error:
        raise SiteError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _fill_and_place(files: Iterable[SiteFile], building: Path, folder: Path) -> WrittenSite:
    new, old = building / "new", building / "old"
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
    # What came meanwhile must not be lost either.
    check_folder(folder)
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(new, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        raise
    return WrittenSite(len(names) + 1, total + len(marker.encode()))
