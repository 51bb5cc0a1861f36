"""Text folded to the width of a terminal."""

from __future__ import annotations

import textwrap

WIDTH = 80


def wrapped(words: str, prefix: str) -> list[str]:
    """Words in lines of at most 80 columns: the first begins with the prefix, the others are indented as far."""
    indent = " " * len(prefix)
    return textwrap.wrap(words, WIDTH, initial_indent=prefix, subsequent_indent=indent, break_on_hyphens=False)
