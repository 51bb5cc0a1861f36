"""How errors reach a user: one sentence on the error stream and an exit code, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from reports.paint import printable

EXIT_FAILED = 1
EXIT_WRONG = 2
EXIT_INTERRUPTED = 130


def guarded(command: Callable[[], int]) -> int:
    """Run a command about a model, and give its exit code. What is wrong is told in one sentence."""
    try:
        return _answered(command)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more when it closes the stream.
        sys.stdout = None
        return EXIT_FAILED


def _answered(command: Callable[[], int]) -> int:
    # What an except clause names is looked up only when something was raised, so a good run imports none of it.
    try:
        return command()
    except _user_errors() as error:
        say(str(error))
        return EXIT_WRONG
    except _verify_errors() as error:
        say(f"{error}. This is a fault of nnapi-check; please report it with the model.")
        return EXIT_FAILED
    except _faults() as error:
        say(f"this is a fault of nnapi-check, not of the model; please report it: {type(error).__name__}: {error}")
        return EXIT_WRONG
    except MemoryError:
        say("there is not enough memory for this model.")
        return EXIT_WRONG


def _user_errors() -> tuple[type[Exception], ...]:
    from nnapi_check.model_errors import USER_ERRORS

    return USER_ERRORS


def _verify_errors() -> tuple[type[Exception], ...]:
    from nnapi_check.model_errors import VerifyError

    return (VerifyError,)


def _faults() -> tuple[type[Exception], ...]:
    from nnapi_check.model_errors import FAULTS

    return FAULTS


def say(words: str) -> None:
    """Tell the user one sentence, on the error stream, without what a hostile name could carry to a terminal."""
    click.echo(f"nnapi-check: {printable(' '.join(words.split()))}", err=True)
