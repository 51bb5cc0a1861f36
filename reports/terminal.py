"""What a terminal is shown: text folded to its width, colors or none, and no control characters."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

_CODES = {
    "ready": "32",
    "ready with fallback": "33",
    "not worthwhile": "31",
    "unsupported": "31",
    "does not fit the target": "31",
}


@dataclass(frozen=True, slots=True)
class Paint:
    """Wraps words in the terminal's color codes where ``is_colored``. Control characters in names never get through."""

    is_colored: bool

    def bold(self, words: str) -> str:
        """Bold words."""
        return self._wrapped("1", words)

    def readiness(self, readiness: str, words: str) -> str:
        """Words in the color of a verdict."""
        return self._wrapped(_CODES.get(readiness, "0"), words)

    def _wrapped(self, code: str, words: str) -> str:
        return f"\x1b[{code}m{words}\x1b[0m" if self.is_colored else words


def printable(words: str) -> str:
    """Text without the control characters that a hostile name could carry to a terminal, line ends kept."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in words)


WIDTH = 80


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
