"""Where each page of the site lies, relative to its root."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

OPS = "ops"
OPERATIONS = "operations"
DIFFERENCES = "differences"
REASONS = "reasons"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The page of every name in every folder."""

    by_folder: dict[str, dict[str, str]]

    def of(self, folder: str, name: str) -> str:
        """The path of a page from the root. Raises ``KeyError`` for a name without a page."""
        return self.by_folder[folder][name]

    def has(self, folder: str, name: str) -> bool:
        """Whether there is a page for ``name``."""
        return name in self.by_folder[folder]


def addresses(names_by_folder: dict[str, Iterable[str]]) -> Addresses:
    """A page for every name. Names that differ only in what file systems do not tell apart get a number."""
    found: dict[str, dict[str, str]] = {}
    for folder, names in names_by_folder.items():
        taken = {"index"}
        pages = found.setdefault(folder, {})
        for name in names:
            # Letters that an address would have to spell otherwise than a file system are left out.
            stem = safe = re.sub(r"[^A-Za-z0-9._-]", "-", name) or "-"
            number = 1
            while stem.lower() in taken:
                number += 1
                stem = f"{safe}-{number}"
            taken.add(stem.lower())
            pages[name] = f"{folder}/{stem}.html"
    return Addresses(found)
