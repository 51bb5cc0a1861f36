"""Where the built database is kept between runs: in the user's cache directory, one file for each key."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from nnapi_check.coverage_db.database.registry_key import RegistryKey

_DAY_IN_SECONDS = 24 * 60 * 60
_KEPT_FOR_DAYS = 30


def cache_directory() -> Path:
    """``NNAPI_CHECK_CACHE``, else ``nnapi-check`` in ``XDG_CACHE_HOME``, else in ``~/.cache``."""
    if own := os.environ.get("NNAPI_CHECK_CACHE"):
        return Path(own)
    # A relative XDG_CACHE_HOME is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
    shared = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return (shared if shared.is_absolute() else Path("~/.cache").expanduser()) / "nnapi-check"


def cached_path(directory: Path, key: RegistryKey) -> Path:
    """Where the database for ``key`` lies, if it was built."""
    return directory / f"registry-{key.facts}-{key.layout}.db"


def connect(data: bytes) -> sqlite3.Connection:
    """Open the bytes of a database. The caller closes the connection."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(data)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def key_in(data: bytes) -> RegistryKey | None:
    """The key that the database in ``data`` was built for, or None where it is damaged or another database."""
    if not data:  # SQLite's own answer to nothing is that memory ran out.
        return None
    try:
        with closing(connect(data)) as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            is_intact = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        return None
    return RegistryKey(meta["facts"], meta["layout"]) if is_intact and set(meta) == {"facts", "layout"} else None


def read_cached(path: Path, key: RegistryKey) -> bytes | None:
    """The database at ``path``, or None where there is none that is intact and was built for ``key``."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if key_in(data) == key else None


def mark_used(path: Path) -> None:
    """Note that the database was read, at most once a day, so that it is not taken for a stale one."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY_IN_SECONDS:
            os.utime(path)


def remove_stale(directory: Path, keep: Path) -> None:
    """Delete databases that no run has read for a month.

    Only files with the names that this module gives are touched, and never ``keep``. A run that still reads a
    deleted file goes on reading it.
    """
    now = time.time()
    for path in directory.glob("registry-*.db"):
        # Another run may have deleted the file first.
        with suppress(OSError):
            if path != keep and now - path.stat().st_mtime > _KEPT_FOR_DAYS * _DAY_IN_SECONDS:
                path.unlink()
