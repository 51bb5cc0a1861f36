"""The command that asks about many models, and its options."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from nnapi_check.coverage_db.levels import level_spans
from nnapi_check.coverage_db.targets import PerChannelChoice, target_names

_spans = level_spans()


@click.command()
@click.argument("subjects", nargs=-1, required=True, metavar="MODEL...")
@click.option("--api-level", type=int, multiple=True, metavar="N", help=f"An API level, {_spans.api}. Repeatable.")
@click.option(
    "--feature-level",
    type=int,
    multiple=True,
    metavar="N",
    help=f"A feature level, {_spans.feature}. Repeatable.",
)
@click.option("--target", type=click.Choice(target_names()), multiple=True, help="As for check. Repeatable.")
@click.option("--input", "inputs", multiple=True, metavar="SPEC", help="As for check, for every model. Repeatable.")
@click.option("--per-channel", type=click.Choice([choice.value for choice in PerChannelChoice]), help="As for check.")
@click.option("--registry", type=click.Path(path_type=Path), metavar="FILE", help="As for check.")
@click.option("--device", type=click.Path(path_type=Path), metavar="FILE", help="As for check.")
@click.option("--trust", is_flag=True, help="As for check.")
@click.option("--min-score", type=click.FloatRange(0, 100), metavar="X", help="Fail where a score is below this.")
@click.option("--require-ready", is_flag=True, help="Fail where a model is not ready.")
@click.option("--strict", is_flag=True, help="Fail on an op of which nothing is known.")
@click.option("--convert", is_flag=True, help="Also convert each, and run what is written; the files are not kept.")
@click.option(
    "--database",
    type=click.Path(path_type=Path),
    default=Path("sweep.db"),
    show_default=True,
    metavar="FILE",
    help="Where answers are kept, as SQLite. A sweep that was stopped goes on from there.",
)
@click.option("--fresh", is_flag=True, help="Ask again what was answered already.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write the matrix as one HTML page.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="What is printed.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="the number of processors",
    metavar="N",
    help="How many models are asked about at a time.",
)
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=600.0, show_default=True, metavar="S",
    help="How long one model may take.",
)  # fmt: skip
@click.option("--memory", type=click.FloatRange(0, min_open=True), metavar="GIB", help="How much memory one may take.")
@click.option(
    "--dask", metavar="ADDRESS", help="Ask on a Dask cluster whose machines see the same files (nnapi-check[dask])."
)
def sweep(subjects: tuple[str, ...], form: str, html: Path | None, database: Path, **options: object) -> None:
    """Check many models, at several levels and for several targets.

    With --convert each is also converted, if it passes the gate, and what is
    written is run beside PyTorch; its numbers, size and times are kept.

    MODEL is a file, a folder, a pattern of files, or module:function, which
    names a function of yours that builds a module, or gives a pair of a
    module and its inputs; it is imported and called. In its name * stands for
    any letters: torchzoo:* is every public function.

    Each model has a process of its own, with limits of time and memory. What
    is answered is kept, and asked again only where the file, the options or
    the versions of nnapi-check or PyTorch changed. What a function builds is
    taken for the same: --fresh asks again.

    \b
    Exit codes
      0  every model was answered, and what was asked for holds of each
      1  one was not answered, does not pass --min-score, --require-ready or
         --strict, or was converted to a file with other numbers
      2  the call is wrong, or nothing can be written
    """
    from nnapi_check.sweep.sweeping import swept

    sys.exit(swept(subjects, form, html, database, options))
