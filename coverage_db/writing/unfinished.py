"""Hidden folders for what is not finished yet, beside the place that it is for, and their removal after a kill.

A folder is locked for as long as its run lives. A run that is killed leaves its folder, which nobody holds any more,
and the next run that writes to the same place removes it.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = ".nnapi-check-"
_SUFFIX = ".unfinished"
# From Linux's fcntl.h: paths are taken from the current directory, and RENAME_EXCHANGE.
_CURRENT = -100
_EXCHANGE = 2


@contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, on the same file system as what is to be put there. Raises ``OSError``."""
    remove_abandoned(parent)
    folder, hold = _held(parent)
    try:
        yield folder
    finally:
        _remove(folder)
        if hold is not None:
            os.close(hold)


def _held(parent: Path) -> tuple[Path, int | None]:
    """A new folder, and the descriptor that holds it where the system has locks of this kind."""
    while True:
        folder = parent / f"{_PREFIX}{os.urandom(6).hex()}{_SUFFIX}"
        folder.mkdir(mode=0o700)
        # Another run may have taken it for abandoned before it was locked.
        with suppress(FileNotFoundError):
            hold = _lock(folder)
            if hold is None or folder.exists():
                return folder, hold
            os.close(hold)


def _lock(folder: Path) -> int | None:
    if sys.platform == "win32":
        return None
    import fcntl

    hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    with suppress(OSError):  # A file system without locks, or another run that looks whether it is abandoned.
        fcntl.flock(hold, fcntl.LOCK_EX)
    return hold


def remove_abandoned(parent: Path) -> None:
    """Remove the folders in ``parent`` that killed runs of the same user left there."""
    if sys.platform == "win32":
        return
    import fcntl

    with suppress(OSError), os.scandir(parent) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(_PREFIX)]
        for folder in found:
            if not folder.name.endswith(_SUFFIX):
                continue
            with suppress(OSError):
                hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    if os.fstat(hold).st_uid == os.geteuid():
                        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        _remove(folder)
                finally:
                    os.close(hold)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step. False where the system or the file system has no such step."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    answer = rename(_CURRENT, os.fsencode(one), _CURRENT, os.fsencode(other), ctypes.c_uint(_EXCHANGE))
    return bool(answer == 0)


def _remove(folder: Path) -> None:
    """Remove a folder of ours with all in it; a link in it is removed, not followed."""
    with suppress(OSError):
        with os.scandir(folder) as entries:
            for entry in entries:
                if stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode):
                    _remove(Path(entry.path))
                else:
                    os.unlink(entry.path)
        folder.rmdir()
