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
    let_through: tuple[type[Exception], ...] = (UserError, MemoryError, OSError, InternalError, *passed)
    try:
        yield
    except let_through:
        raise
    except Exception as error:
        raise InternalError(
            "This is a fault of nnapi-check, not of the file; please report it with the file: "
            f"{type(error).__name__}{_words(error)}"
        ) from error


def _words(error: Exception) -> str:
    """The first line of what an error says, as PyTorch's own go on for pages."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    shown = line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]} …"
    return f": {shown}" if shown else ""
