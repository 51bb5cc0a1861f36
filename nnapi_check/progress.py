"""What is being done right now, on a terminal's error stream; nothing in a pipe."""

from __future__ import annotations

import sys
from typing import TextIO


class Progress:
    """Shows one line that the next stage overwrites."""

    def __init__(self, stream: TextIO | None = None, *, is_quiet: bool = False) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._is_shown = not is_quiet and self._stream.isatty()
        self._width = 0

    def stage(self, words: str) -> None:
        """Say what begins now."""
        if self._is_shown:
            self._stream.write("\r" + f"{words} …".ljust(self._width))
            self._stream.flush()
            self._width = len(words) + 2

    def done(self) -> None:
        """Clear the line."""
        if self._is_shown and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0
