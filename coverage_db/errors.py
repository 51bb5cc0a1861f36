"""Errors that are told without loading what raises them."""

from __future__ import annotations

_LONGEST_WORD = 400


class UserError(Exception):
    """What the caller can mend: a file, a text of the registry, the call. The message says what was found.

    It is one line, whatever names out of a file it holds, and no word of it is without end.
    """

    def __str__(self) -> str:
        words = super().__str__().split()
        return " ".join(word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}…" for word in words)


class BuildError(UserError):
    """The text of the registry contradicts itself."""


class LevelError(UserError):
    """An API level or feature level that NNAPI does not have, or that nothing is known of."""
