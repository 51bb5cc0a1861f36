"""How errors reach a user: one sentence on the error stream and an exit code, and a traceback only on demand."""

from __future__ import annotations

import sys
import traceback
import warnings

import click
from click_default_group import DefaultGroup

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.faults import InternalError, faults_told
from nnapi_check.reports.terminal import printable

EXIT_FAILED = 1
EXIT_WRONG = 2
EXIT_INTERRUPTED = 130

_DEBUG = "nnapi_check.debug"


class FrontDoor(DefaultGroup):
    """A group of commands that tells what is wrong in one sentence, whatever it is and in whichever command."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            # What a library warns of is nothing for a user to mend.
            with warnings.catch_warnings(), faults_told(click.ClickException, click.Abort, click.exceptions.Exit):
                if not sys.warnoptions:
                    warnings.simplefilter("ignore")
                return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            # Whoever read the output has seen enough. Python would complain once more when it closes the stream.
            sys.stdout = None
            sys.exit(EXIT_FAILED)
        except (UserError, InternalError, MemoryError, OSError) as error:
            if ctx.meta.get(_DEBUG):
                click.echo(printable("".join(traceback.format_exception(error))), err=True, nl=False)
            say(_sentence(error))
            sys.exit(EXIT_WRONG)


def _sentence(error: Exception) -> str:
    match error:
        case InternalError():
            return f"{error} (--debug prints the traceback)"
        case MemoryError():
            return "there is not enough memory for this."
        case OSError():
            words = error.strerror or type(error).__name__
            return words if error.filename is None else f"{error.filename}: {words}"
        case _:
            return str(error)


def with_debug(command: click.Command) -> click.Command:
    """The command, with an option on it and on every command below that prints tracebacks."""
    command.params.append(
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            envvar="NNAPI_CHECK_DEBUG",
            callback=_remember,
            help="Also print the traceback of what goes wrong; the variable NNAPI_CHECK_DEBUG=1 asks for the same.",
        )
    )
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_debug(below)
    return command


def _remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_DEBUG] = True


def say(words: str) -> None:
    """Tell the user one sentence, on the error stream, without what a hostile name could carry to a terminal."""
    click.echo(f"nnapi-check: {printable(' '.join(words.split()))}", err=True)
