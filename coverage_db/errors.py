"""Errors that are told without loading what raises them."""

from __future__ import annotations


class UserError(Exception):
    """What the caller can mend: a file, a text of the registry, the call. The message says what was found."""


class BuildError(UserError):
    """The text of the registry contradicts itself."""
