"""Errors that are told without loading what raises them."""

from __future__ import annotations


class UserError(Exception):
    """What the caller can mend: a file, a text of the registry, the call. The message says what was found."""


class BuildError(UserError):
    """The text of the registry contradicts itself."""


class LevelError(UserError):
    """An API level or feature level that NNAPI does not have, or that nothing is known of."""
