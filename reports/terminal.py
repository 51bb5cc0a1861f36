"""What a terminal is shown: text folded to its width, colors or none, and no control characters."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from enum import Enum

_CODES = {
    "ready": "32",
    "ready with fallback": "33",
    "not worthwhile": "31",
    "unsupported": "31",
    "does not fit the target": "31",
}


WIDTH = 80
"""The width of sentences, and of tables where no terminal says otherwise."""


class Detail(Enum):
    """How much of a report is shown: the first screen alone, what asks for an action, or that and what does not."""

    QUIET = "quiet"
    USUAL = "usual"
    DIFFERENCES = "differences"
    VERBOSE = "verbose"

    @property
    def shows_differences(self) -> bool:
        """Whether differences that were bridged are listed."""
        return self in (Detail.DIFFERENCES, Detail.VERBOSE)


_COLORS = re.compile(f"(\x1b\\[(?:{'|'.join(['0', '1', *sorted(set(_CODES.values()))])})m)")
_DOUBTFUL = _CODES["ready with fallback"]


@dataclass(frozen=True, slots=True)
class Paint:
    """Wraps words in the terminal's color codes where ``is_colored``. Control characters in names never get through.

    ``width`` is that of a terminal's tables, None where every name is written whole, as into a pipe.
    """

    is_colored: bool
    width: int | None = WIDTH

    def bold(self, words: str) -> str:
        """Bold words."""
        return self._wrapped("1", words)

    def readiness(self, readiness: str, words: str, *, is_doubtful: bool = False) -> str:
        """Words in the color of a verdict; nothing that is doubtful looks as good as ready."""
        code = _CODES.get(readiness, "0")
        return self._wrapped(_DOUBTFUL if is_doubtful and readiness == "ready" else code, words)

    def removed(self, words: str) -> str:
        """Words that an edit takes away."""
        return self._wrapped(_CODES["unsupported"], words)

    def added(self, words: str) -> str:
        """Words that an edit puts in."""
        return self._wrapped(_CODES["ready"], words)

    def _wrapped(self, code: str, words: str) -> str:
        return f"\x1b[{code}m{words}\x1b[0m" if self.is_colored else words


def printable(words: str, *, keeps_colors: bool = False) -> str:
    """Text without the control characters that a hostile name could carry to a terminal, line ends kept.

    With ``keeps_colors`` the codes that ``Paint`` writes stay as well.
    """
    pieces = _COLORS.split(words) if keeps_colors else [words]
    return "".join(piece if _COLORS.fullmatch(piece) and keeps_colors else _plain(piece) for piece in pieces)


def _plain(words: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in words)


def wrapped(words: str, prefix: str) -> list[str]:
    """Words in lines of at most 80 columns: the first begins with the prefix, the others are indented as far.

    A word that is longer, such as a path, is left whole.
    """
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=prefix,
        subsequent_indent=" " * len(prefix),
        break_on_hyphens=False,
        break_long_words=False,
    )


def heading(words: str, paint: Paint) -> list[str]:
    """The heading of a section, with a line between it and what stands before."""
    return ["", paint.bold(words)]


def count_words(number: int, what: str) -> str:
    """A number of things, such as ``1 op`` and ``2 ops``."""
    return f"{number} {what}" + ("" if number == 1 else "s")
