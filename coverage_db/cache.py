"""Where the built database is kept between runs: in the user's cache directory, one file for each key."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from coverage_db.registry_key import RegistryKey

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


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a database that nobody writes to: files are replaced, never changed."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)


def is_sound(path: Path, key: RegistryKey) -> bool:
    """Whether ``path`` is an intact database that was built for ``key``."""
    if not path.is_file():
        return False
    try:
        with closing(connect_read_only(path)) as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            intact = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        return False
    return intact and meta == {"facts": key.facts, "layout": key.layout}


def mark_used(path: Path) -> None:
    """Note that the database was read, at most once a day, so that it is not taken for a stale one."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY_IN_SECONDS:
            os.utime(path)


def remove_stale(directory: Path, keep: Path) -> None:
    """Delete databases that no run has read for a month, and parts of files left by runs that were killed.

    Only files with the names that this module gives are touched, and never ``keep``. A run that still reads a
    deleted file goes on reading it.
    """
    now = time.time()
    limits = {"registry-*.db": _KEPT_FOR_DAYS * _DAY_IN_SECONDS, "registry-*.db.*.partial": _DAY_IN_SECONDS}
    for pattern, limit in limits.items():
        for path in directory.glob(pattern):
            # Another run may have deleted the file first.
            with suppress(OSError):
                if path != keep and now - path.stat().st_mtime > limit:
                    path.unlink()
