"""Memory of large tensors apart from that of small objects, so that what a run frees is there for what follows.

A tracer keeps a small object for each tensor that there ever was. GNU's C library puts those into the room that large
tensors leave, where then no tensor of that size fits any more: a traced run took as much as all its tensors together.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MAP_THRESHOLD = -1, -3
_APART = 4 << 20
_MOST = 32 << 20
"""Where the library itself draws the line once a process has freed blocks so large."""


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Give blocks of 4 MiB and more back to the system when they are freed, where the C library is GNU's."""
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    set_option = getattr(library, "mallopt", None)
    if set_option is None:
        yield
        return
    set_option(_MAP_THRESHOLD, _APART)
    try:
        yield
    finally:
        set_option(_MAP_THRESHOLD, _MOST)
        set_option(_TRIM_THRESHOLD, 2 * _MOST)
