"""Errors of this package: one that is the caller's to mend, and those of ops that are tried."""

from __future__ import annotations

from nnapi_check.coverage_db.errors import UserError


class InputError(UserError):
    """The file, the module or the options given cannot be used; the message says what to do instead."""


class UntraceableError(InputError):
    """A model runs, and a trace would not compute what it computes."""


class OpError(Exception):
    """An op could not be called on what is known of its arguments."""


class TooLargeError(OpError):
    """An op was not called, for it would make too many elements."""
