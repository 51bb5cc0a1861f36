"""A few lines of the user's source around a node, where the file is Python's and lies where code of the user's lies."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

AROUND = 3
"""How many lines are shown before and after the line itself."""

_MOST_BYTES = 2_000_000
_MOST_COLUMNS = 160


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a file. ``first`` is the number of the first of them, counted from 1."""

    first: int
    lines: tuple[str, ...]


class Sources:
    """Reads sources, each file once.

    A model's file names its sources itself, so it could name any file of this machine: only Python files below the
    folders given are read, by default the working folder and those of installed packages.
    """

    def __init__(self, folders: tuple[Path, ...] | None = None) -> None:
        paths = sysconfig.get_paths()
        usual = (Path.cwd(), *(Path(paths[name]) for name in ("purelib", "platlib", "stdlib")))
        self._folders = tuple(folder.resolve() for folder in (usual if folders is None else folders))
        self._read: dict[str, tuple[str, ...]] = {}

    def around(self, file: str, line: int) -> Excerpt | None:
        """The lines around one, None where they cannot or must not be read."""
        if file not in self._read:
            self._read[file] = self._lines(file)
        lines = self._read[file]
        if not 1 <= line <= len(lines):
            return None
        first = max(1, line - AROUND)
        return Excerpt(first, lines[first - 1 : line + AROUND])

    def _lines(self, file: str) -> tuple[str, ...]:
        try:
            path = Path(file).resolve()
            if path.suffix != ".py" or not any(path.is_relative_to(folder) for folder in self._folders):
                return ()
            if not path.is_file() or path.stat().st_size > _MOST_BYTES:
                return ()
            text = path.read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError, RuntimeError):  # A name that no file can have, or links that go in a circle.
            return ()
        return tuple(line[:_MOST_COLUMNS] for line in text.splitlines())
