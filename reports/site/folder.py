"""A site's files on disk, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.writing.output import writing
from nnapi_check.coverage_db.writing.output_folder import FolderKind, replaced_folder

SITE = FolderKind("site", "nnapi-check-site.json")


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


def write_site(files: Iterable[SiteFile], folder: Path) -> WrittenSite:
    """Write every file, and put all in the place of ``folder``. Raises ``FolderError`` or ``OutputError``."""
    with replaced_folder(folder, SITE) as draft, writing(folder):
        for file in files:
            path = draft / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.text.encode())
    written = [path for path in folder.rglob("*") if path.is_file()]
    return WrittenSite(len(written), sum(path.stat().st_size for path in written))
