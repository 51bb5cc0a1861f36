"""Errors of this package that are the caller's to mend."""

from __future__ import annotations

from coverage_db.errors import UserError


class InputError(UserError):
    """The file, the module or the options given cannot be used; the message says what to do instead."""
