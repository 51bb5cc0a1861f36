"""Where files of a report lie for a reader on another machine: in the repository, or in a package."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PACKAGES = ("site-packages", "dist-packages")
_WINDOWS = re.compile(r"[A-Za-z]:\\")
_MATCHED_PARTS = 2
"""How many parts of a path on another machine must be those of a file here, for a name alone is that of many."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it is shown: relative to the repository if it ``is_inside``, else to its package if it has one."""

    path: str
    is_inside: bool


def repository(start: Path) -> Path:
    """The repository that holds a folder, or the folder itself where none does."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


def source_file(name: str, root: Path, working: Path) -> SourceFile:
    """A file that a model names: by its own path, or by that which it had where the model was made."""
    text = name.replace("\\", "/") if _WINDOWS.match(name) else name
    parts = PurePosixPath(text).parts
    for home in _PACKAGES:
        if home in parts:
            after = parts[len(parts) - parts[::-1].index(home) :]
            return SourceFile("/".join(after) or text, is_inside=False)
    for place in (working / text, root / text):
        inside = _inside(place, root)
        if inside is not None:
            return SourceFile(inside, is_inside=True)
    for first in range(1, len(parts) - _MATCHED_PARTS + 1):
        inside = _inside(root.joinpath(*parts[first:]), root)
        if inside is not None:
            return SourceFile(inside, is_inside=True)
    return SourceFile(text, is_inside=False)


def _inside(place: Path, root: Path) -> str | None:
    """The path below ``root`` of a file that is there."""
    try:
        if not place.is_file():
            return None
    except (OSError, ValueError):  # A name that no file can have.
        return None
    relative = PurePosixPath(os.path.relpath(place, root).replace(os.sep, "/"))
    return None if relative.parts[0] == ".." else str(relative)
