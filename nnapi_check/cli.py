"""The command line. Commands about models import PyTorch; those about the registry do not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click
from click_default_group import DefaultGroup

from nnapi_check.registry_commands import db, explain, ops

EXIT_FAILED = 1
EXIT_WRONG = 2


@click.group(cls=DefaultGroup, default="check", default_if_no_args=False)
@click.version_option(package_name="nnapi-check")
def main() -> None:
    """Will this PyTorch model run on Android's Neural Networks API, and if not, why not?

    \b
    nnapi-check model.pt --api-level 29              check (the default command)
    nnapi-check convert model.pt --api-level 29 -o out.pt
    nnapi-check verify out.pt --against model.pt --layers
    nnapi-check ops search pool                      what is known of ops
    nnapi-check explain NNC402                       a reason, difference or op

    Exit codes: 0 the gate is passed, 1 it is not, 2 the input or the call is wrong.
    """


_model = click.argument("model", type=click.Path(path_type=Path))
_levels = [
    click.option("--api-level", type=int, metavar="N", help="Android's API level, 27 to 36."),
    click.option("--feature-level", type=int, metavar="N", help="NNAPI's feature level, 1 to 8, instead."),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="SPEC",
        help="Type and shape of an input, such as 'f32[1,3,224,224]' or 'pixels=f32[1,3,224,224]'. Repeatable. "
        "Traced models hold their inputs and need none.",
    ),
    click.option("--min-score", type=click.FloatRange(0, 100), metavar="X", help="Fail the gate below this score."),
    click.option("--require-ready", is_flag=True, help="Fail the gate unless one NNAPI model holds everything."),
    click.option(
        "--allow-pickle", is_flag=True, help="Open files that run code of their maker when opened. Trust them first."
    ),
    click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True),
    click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write a page."),
]


def _with_levels(command: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(_levels):
        command = option(command)
    return command


@main.command()
@_model
@_with_levels
def check(model: Path, html: Path | None, form: str, **options: object) -> None:
    """Say whether MODEL runs on NNAPI, what is in the way and how to fix it.

    MODEL is TorchScript (.pt, .ptl) or an exported program (.pt2). Weights are not read and nothing is executed.
    """
    from nnapi_check import model_commands

    sys.exit(_guarded(lambda: model_commands.check(model, html, form, options)))


@main.command()
@_model
@_with_levels
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT", help="File to write.")
@click.option("--lite", is_flag=True, help="Write for PyTorch Mobile's lite interpreter.")
@click.option("--bundle-input", is_flag=True, help="Store an example input in the file, for benchmarking.")
@click.option("--layers", is_flag=True, help="Also compare layer by layer.")
@click.option("--no-verify", is_flag=True, help="Do not run the result. It then has no numbers.")
def convert(model: Path, html: Path | None, form: str, **options: object) -> None:
    """Convert MODEL to one TorchScript file with NNAPI parts and a CPU fallback, and compare its numbers.

    Nothing is written where the gate refuses: nothing may be unknown, and at least one part must be worthwhile.
    """
    from nnapi_check import model_commands

    sys.exit(_guarded(lambda: model_commands.convert(model, html, form, options)))


@main.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--against", required=True, type=click.Path(path_type=Path), metavar="MODEL", help="The original.")
@click.option("--layers", is_flag=True, help="Also compare layer by layer, worst first.")
@click.option("--input", "inputs", multiple=True, metavar="SPEC", help="As for check.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def verify(output: Path, against: Path, form: str, **options: object) -> None:
    """Run the converted file OUT and the MODEL it was made from, and print how far apart they are."""
    from nnapi_check import model_commands

    sys.exit(_guarded(lambda: model_commands.verify(output, against, form, options)))


main.add_command(ops)
main.add_command(explain)
main.add_command(db)


def _guarded(command: object) -> int:
    """Run a command; bad input becomes one sentence and exit code 2."""
    from nnapi_check.model_commands import USER_ERRORS

    if not callable(command):
        raise TypeError("a command was wanted")
    try:
        return int(command())
    except USER_ERRORS as error:
        _fail(str(error))


def _fail(words: str) -> NoReturn:
    from reports.paint import printable

    click.echo(f"nnapi-check: {printable(' '.join(words.split()))}", err=True)
    sys.exit(EXIT_WRONG)


if __name__ == "__main__":
    main()
