"""Text folded to the width of a terminal."""

from __future__ import annotations

import textwrap

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
