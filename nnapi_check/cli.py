"""The command line. Commands about models import PyTorch; those about the registry do not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from nnapi_check.coverage_db.levels import level_spans
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.coverage_db.targets import PerChannelChoice, target_names
from nnapi_check.errors import FrontDoor, with_debug
from nnapi_check.imports import IMPORT_OPTION
from nnapi_check.output_option import read_outputs
from nnapi_check.registry_commands import db, explain, ops
from nnapi_check.reports.formats.outputs import Form
from nnapi_check.shown import COLOR_OPTION, SHOWN_OPTIONS
from nnapi_check.site_command import site
from nnapi_check.supervision import kept, supervised
from nnapi_check.sweep.command import sweep


@click.group(
    cls=FrontDoor,
    default="check",
    default_if_no_args=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="nnapi-check")
def main() -> None:
    """Will this PyTorch model run on Android's Neural Networks API, and if not, why not?

    \b
    nnapi-check model.pt --api-level 29              check (the default command)
    nnapi-check convert model.pt --api-level 29 -o out.pt
    nnapi-check verify out.pt --against model.pt --layers
    nnapi-check sweep models/ --api-level 29         many models at once
    nnapi-check compare model.pt --api-level 29      ways of scales per channel
    nnapi-check inspect out.pt                       the NNAPI models inside
    nnapi-check ops search pool                      what is known of ops
    nnapi-check explain NNC402                       a reason, difference or op
    nnapi-check db status                            the registry in numbers

    Every command has its own --help.

    Exit codes: 0 the gate is passed, 1 it is not, 2 the input or the call is
    wrong, or nnapi-check itself is. What is wrong is told in one sentence on
    the error stream; the standard output holds the result and nothing else.
    """


Command = Callable[..., None]

_model = click.argument("model", type=click.Path(path_type=Path))
_spans = level_spans()
_TRUST = (
    "Open a file even if it runs code of its maker when it is opened, such as a pickled module. "
    "Only for files whose maker you trust."
)
_target = [
    click.option(
        "--api-level",
        type=int,
        metavar="N",
        help=f"The lowest Android that the app supports, as API level {_spans.api}. From 35 on NNAPI is deprecated.",
    ),
    click.option(
        "--feature-level",
        type=int,
        metavar="N",
        help=f"Instead of an API level, NNAPI's own feature level, {_spans.feature}. Levels {_spans.updates} came as "
        "updates, not with an API level.",
    ),
    click.option(
        "--target",
        type=click.Choice(target_names()),
        help="What carries the model: PyTorch Mobile, which the app then holds (feature level 3 and up; the default), "
        "C++ for the NDK, which needs one NNAPI model that holds everything, or whichever suits.",
    ),
]
_choice = [
    click.option(
        "--per-channel",
        type=click.Choice([choice.value for choice in PerChannelChoice]),
        help="What becomes of integer layers whose weights have a scale for each channel, where the target carries one "
        "alone: split them into groups of like scales (the default), requantize them to one scale, equalize them with "
        "the next layer's first, multiply them as floats, or leave them to the CPU.",
    ),
]
_inputs = [
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="SPEC",
        help="Type and shape of an input, such as 'f32[1,3,224,224]' or 'pixels=quint8(0.02,128)[1,3,224,224]'. "
        "Repeatable. 'xs.0=f32[3]' and 'image.mask=bool[3]' are parts of lists, tuples and dictionaries; 'n=int:3', "
        "'flag=bool:true', 'scale=float:0.5', 'mode=str:nearest' and 'mask=none' are no tensors. Traced models tell "
        "types and shapes of their inputs and need none.",
    ),
]
_sizes = [
    click.option(
        "--size",
        "sizes",
        multiple=True,
        metavar="NAME.DIM=N,N",
        help="Sizes of a dimension of an input, counted from 0, such as 'x.2=224,320'. Repeatable: other dimensions "
        "multiply the sizes, and 'x.2=480,x.3=640' are those of several together. A converted file runs each size on "
        "NNAPI, and all others on the CPU.",
    ),
]
_gate = [
    click.option("--min-score", type=click.FloatRange(0, 100), metavar="X", help="Fail the gate below this score."),
    click.option("--require-ready", is_flag=True, help="Fail the gate unless one NNAPI model holds everything."),
    click.option(
        "--require-worthwhile",
        is_flag=True,
        help="Fail the gate on a model in pieces that is likely to be slower than on the CPU alone: an estimate.",
    ),
    click.option("--strict", is_flag=True, help="Fail the gate on an op of which nothing is known."),
    click.option(
        "--min-compute-share",
        type=click.FloatRange(0, 100),
        metavar="PERCENT",
        help="Fail the gate where NNAPI computes less of the multiply-adds.",
    ),
    click.option(
        "--min-integer-share",
        type=click.FloatRange(0, 100),
        metavar="PERCENT",
        help="Fail the gate where NNAPI computes less of the multiply-adds in integers.",
    ),
    click.option("--max-parts", type=click.IntRange(0), metavar="N", help="Fail the gate on more NNAPI models."),
    click.option(
        "--ready-from",
        type=click.IntRange(1),
        metavar="N",
        help="Fail the gate unless the model is ready from feature level N on.",
    ),
    click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="An earlier report (--output json=FILE): fail the gate only on what is worse now, and tell what changed.",
    ),
]
_knowledge = [
    click.option(
        "--registry",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Your own cards, laid over the registry: ops to leave to the CPU, and more requirements.",
    ),
    click.option(
        "--device",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A device's profile (JSON): what its driver refuses is left to the CPU.",
    ),
    IMPORT_OPTION,
    click.option("--trust", is_flag=True, help=_TRUST),
    click.option("--allow-pickle", is_flag=True, hidden=True, help="What --trust was called before."),
]
_form = [
    click.option(
        "--format",
        "form",
        type=click.Choice([form.value for form in Form if form is not Form.HTML]),
        default=Form.TEXT.value,
        show_default=True,
        help="What is printed. JSON follows a versioned schema (reports/schema/report-1.json), Markdown suits a "
        "comment on a pull request, SARIF code scanning, JUnit test reports, and github is GitHub's annotations.",
    ),
    click.option(
        "--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write the report as one HTML page."
    ),
]


def _reports(*names: str) -> list[Callable[[Command], Command]]:
    """The options of the formats of a report; ``names`` are those of the one that names a file."""
    output = click.option(
        *names,
        "outputs",
        callback=read_outputs,
        multiple=True,
        metavar="FORMAT=FILE",
        help="Also write the report to a file, such as sarif=report.sarif. Formats are those of --format, and html. "
        "Repeatable.",
    )
    return [*_form, output]


_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs.",
)


def _with(*groups: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    def decorated(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorated


@main.command()
@_model
@_with(_target, _choice, _inputs, _sizes, _gate, _knowledge, _reports("--output", "--report"), SHOWN_OPTIONS)
@click.option(
    "--update-baseline",
    is_flag=True,
    help="Write the report to the baseline's file, of --baseline or the project's, in place of comparing with it.",
)
@click.option(
    "--if-quantized",
    is_flag=True,
    help="Also say what quantizing a model of floats would bring: an estimate of what runs in integers.",
)
def check(model: Path, form: str, **options: object) -> None:
    """Say whether MODEL runs on NNAPI, what is in the way and how to fix it.

    MODEL is a file: TorchScript (.pt, .ptl) or an exported program (.pt2).
    No code of its maker is executed and no weight is read. Name the lowest
    Android that the app supports by --api-level, or NNAPI's --feature-level;
    without, the report is about the level from which on the answer is best.

    \b
    Verdicts
      ready                one NNAPI model holds everything
      ready with fallback  some parts run on NNAPI, the rest on the CPU
      not worthwhile       what runs there is too little to pay for the way, by
                           an estimate (docs/worth.md)
      unsupported          no op runs there
      does not fit the target
                           what carries the model does not reach the level, or
                           computes nothing on the CPU; the report says what does

    The gate fails where no part runs on NNAPI, and on what --min-score,
    --require-ready, --require-worthwhile, --strict and the like ask for.

    \b
    Exit codes
      0  the gate is passed
      1  the gate is not passed; the report says why
      2  the file or the call is wrong
    """

    def run() -> int:
        with kept():
            from nnapi_check import model_commands

        return model_commands.check(model, form, options)

    sys.exit(supervised(run, model))


@main.command()
@_model
@_with(_target, _choice, _inputs, _sizes, _gate, _knowledge, _reports("--report"), SHOWN_OPTIONS)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File to write, or for the NDK the folder.",
)
@click.option("--lite", is_flag=True, help="Write for PyTorch Mobile's lite interpreter (.ptl).")
@click.option("--bundle-input", is_flag=True, help="Store an example input in the file, for benchmarking.")
@click.option(
    "--relaxed",
    is_flag=True,
    help="Let drivers compute float32 with float16's range and precision. The report tells the error that this brings.",
)
@click.option(
    "--preference",
    type=click.Choice([preference.word for preference in Preference]),
    default=Preference.SUSTAINED_SPEED.word,
    show_default=True,
    help="What drivers are to favor.",
)
@click.option(
    "--max-bytes", type=click.IntRange(0), metavar="N", help="Fail the gate where OUT, or model.nnc in it, is larger."
)
@click.option("--layers", is_flag=True, help="Also compare layer by layer.")
@click.option("--no-verify", is_flag=True, help="Do not run the result. It then has no numbers.")
def convert(model: Path, form: str, **options: object) -> None:
    """Convert MODEL to one file that runs on NNAPI, and compare its numbers.

    OUT is a TorchScript file that runs its parts on NNAPI. Where NNAPI is absent its method use_cpu()
    switches to the original computation, which it holds too; weights are
    stored once. An input of another shape goes to the CPU by itself.

    For --target ndk, OUT is a folder that an app for the NDK builds with CMake:
    model.nnc with the one NNAPI model, the C++ runtime that runs it, a program
    that shows how, and a README.

    The result is then run in PyTorch's own NNAPI binding on this machine, or in
    that runtime, and its numbers are compared with MODEL's. This executes MODEL,
    which is looked through before as check does. Of the report, the verdict and
    the numbers are printed; --verbose prints all of it.

    \b
    Exit codes
      0  written, and its numbers are within tolerance
      1  the gate is not passed and nothing is written, or the numbers differ
      2  the file or the call is wrong, or OUT cannot be written
    """

    def run() -> int:
        with kept():
            from nnapi_check import model_commands

        return model_commands.convert(model, form, options)

    sys.exit(supervised(run, model))


@main.command()
@_model
@_with(_target, _inputs, _knowledge)
@_format
def compare(model: Path, form: str, **options: object) -> None:
    """Convert MODEL in every way that scales per channel allow, and compare them.

    Integer layers whose weights have a scale for each channel are split into
    groups of like scales, rounded to one scale, multiplied as floats or left
    to the CPU: see --per-channel of convert. Each result is run as convert
    does, and thrown away. One table tells the error and the signal to noise of
    every output, the multiply-adds in integers, in floats and on the CPU,
    NNAPI's operations, and the size.

    \b
    Exit codes
      0  every result that is worth writing is within its tolerance
      1  one is not
      2  the file or the call is wrong
    """

    def run() -> int:
        with kept():
            from nnapi_check import compare_command

        return compare_command.compare(model, form, options)

    sys.exit(supervised(run, model))


@main.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--against", required=True, type=click.Path(path_type=Path), metavar="MODEL", help="The original.")
@click.option("--layers", is_flag=True, help="Also compare layer by layer, worst first.")
@click.option("--input", "inputs", multiple=True, metavar="SPEC", help="As for check; its numbers are random.")
@IMPORT_OPTION
@click.option("--trust", is_flag=True, help="As for check.")
@click.option("--allow-pickle", is_flag=True, hidden=True, help="What --trust was called before.")
@_format
@COLOR_OPTION
def verify(output: Path, against: Path, form: str, **options: object) -> None:
    """Compare the numbers of a converted file OUT with those of its original.

    Both run on the same inputs: OUT in PyTorch's own NNAPI binding with an
    NNAPI made for desktops, the original in PyTorch. Without a C compiler the
    parts run one by one in an interpreter; the text says which of them ran.
    With --layers every value inside the NNAPI models is compared too.

    \b
    Exit codes
      0  every output is within tolerance
      1  an output is not
      2  a file or the call is wrong, or OUT does not run
    """

    def run() -> int:
        with kept():
            from nnapi_check import model_commands

        return model_commands.verify(output, against, form, options)

    sys.exit(supervised(run, against, output))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--part", type=int, metavar="N", help="Only the part with this number, counted from 0.")
@click.option("--all", "whole", is_flag=True, help="List every operand, operation and buffer; JSON has them always.")
@click.option("--trust", is_flag=True, help="As for check.")
@_format
def inspect(file: Path, part: int | None, form: str, *, trust: bool, whole: bool) -> None:
    """Show the NNAPI models inside a converted FILE.

    The feature level and what demands it, sizes, and how many operands and
    operations there are of each kind; --all lists each of them, and where each
    weight lies. Files of PyTorch's own NNAPI converter are read
    too. Nothing is computed by NNAPI; buffers are made by ops of PyTorch.

    \b
    Exit codes
      0  NNAPI accepts every model that is shown
      1  it does not; each fault is shown
      2  the file holds no NNAPI model, or the call is wrong
    """

    def run() -> int:
        with kept():
            from nnapi_check import inspect_command

        return inspect_command.inspect(file, part, form, trust=trust, whole=whole)

    sys.exit(supervised(run, file))


main.add_command(sweep)
main.add_command(ops)
main.add_command(explain)
main.add_command(db)
db.add_command(site)
with_debug(main)


if __name__ == "__main__":
    main()
