"""The one place where whatever goes wrong is caught: what a caller can mend passes, the rest is a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnapi_check.coverage_db.errors import UserError

_SHOWN_CHARACTERS = 300


class InternalError(Exception):
    """A fault of nnapi-check itself. ``__cause__`` is what was raised, with its traceback."""


@contextmanager
def faults_told(*passed: type[Exception]) -> Iterator[None]:
    """Raise ``InternalError`` for whatever is neither the caller's to mend, nor the machine's, nor ``passed``."""
    words = "This is a fault of nnapi-check, not of the file; please report it with the file:"
    with _told((UserError, MemoryError, OSError, InternalError, *passed), InternalError, words):
        yield


@contextmanager
def code_of_users(name: str) -> Iterator[None]:
    """Raise ``UserError`` for whatever code of a user raises, which is called ``name``."""
    with _told((UserError, MemoryError), UserError, f"{name} raised"):
        yield


@contextmanager
def _told(passed: tuple[type[Exception], ...], told: type[Exception], words: str) -> Iterator[None]:
    try:
        yield
    except passed:
        raise
    except Exception as error:
        if _is_interrupt(error):
            raise KeyboardInterrupt from error
        raise told(f"{words} {type(error).__name__}{_words(error)}") from error


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether this is what was made of an interrupt, as Python does where it comes while an enumeration is defined."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _words(error: Exception) -> str:
    """The first line of what an error says, as PyTorch's own go on for pages."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    shown = line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]} …"
    return f": {shown}" if shown else ""
