"""What a database is built from, as a hash: another text or another form of the rows gives another key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HOME = Path(__file__).parent.parent
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """``facts`` stands for the text, ``layout`` for the code that reads it and lays out the rows."""

    facts: str
    layout: str


def key_of(directory: Path) -> RegistryKey:
    """The key of the text below ``directory``, which is laid out as ``coverage_db`` is."""
    return RegistryKey(facts_key(directory), layout_key())


def facts_key(directory: Path = _HOME) -> str:
    """The key of the text alone: equal where, and only where, every text file is equal."""
    return _digest(directory, directory.rglob("*.toml"))


@cache
def layout_key() -> str:
    """The key of this version's code. It cannot change while the code runs."""
    return _digest(_HOME, _HOME.rglob("*.py"))


def _digest(directory: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(directory).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:_DIGITS]
