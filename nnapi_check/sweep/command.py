"""The command that asks about many models. It does not import PyTorch; the processes that it starts do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import click

from nnapi_check.coverage_db.errors import LevelError
from nnapi_check.coverage_db.levels import level_spans
from nnapi_check.coverage_db.output import Format, check_output, write_text
from nnapi_check.coverage_db.targets import PerChannelChoice, target_names
from nnapi_check.errors import say
from nnapi_check.progress import Progress
from nnapi_check.project_file import Project, find_project
from nnapi_check.reports.json_format import json_text
from nnapi_check.reports.many.matrix_text import matrix_lines, matrix_markdown
from nnapi_check.reports.many.rows import StaysRow, SweepRow
from nnapi_check.reports.terminal import printable
from nnapi_check.sweep import runner
from nnapi_check.sweep.asking import Wish, asked_of, levels_of, question
from nnapi_check.sweep.store import Store, opened, wanted
from nnapi_check.sweep.subjects import Subject, subjects_of

_BAR = 24
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
      1  one was not answered, or does not pass --min-score, --require-ready
         or --strict
      2  the call is wrong, or nothing can be written
    """
    wish = _wish(options, find_project(Path.cwd()))
    if html is not None:
        check_output(html, Format.STREAM, others=[database])
    found = subjects_of(subjects, runner.functions)
    with opened(database) as store:
        asked = [row for subject in found for row in asked_of(subject, wish)]
        known = () if options["fresh"] else store.rows()
        address = options["dask"]
        place = runner.cluster(address) if isinstance(address, str) else runner.here(wish.jobs)
        _ask(found, asked, known, wish, store, place)
        rows, stays = _of(asked, store)
    if html is not None:
        from nnapi_check.reports.many.matrix_page import matrix_html

        write_text(html, matrix_html(rows, stays))
    match form:
        case "json":
            click.echo(json_text({"results": rows, "stays": stays}))
        case "markdown":
            click.echo("\n".join(matrix_markdown(rows)))
        case _:
            click.echo("\n".join(matrix_lines(rows)))
    # Without a gate that was asked for, a verdict of any kind is an answer.
    asks = wish.min_score is not None or wish.requires_ready or wish.is_strict
    sys.exit(1 if any(row.error or (asks and row.gate) for row in rows) else 0)


def _ask(
    subjects: Sequence[Subject],
    asked: Sequence[SweepRow],
    known: Sequence[SweepRow],
    wish: Wish,
    store: Store,
    place: runner.Place,
) -> None:
    """Ask what is not known, and keep each answer as it comes."""
    new: dict[str, list[SweepRow]] = {}
    for row in wanted(asked, known):
        new.setdefault(row.subject, []).append(row)
    questions = [question(subject, tuple(new[subject.name]), wish) for subject in subjects if subject.name in new]
    if kept := len(subjects) - len(questions):
        say(f"{kept} of {len(subjects)} models were answered before (--fresh asks again).")
    progress, total = Progress(), len(questions)
    if total:
        progress.stage(_bar(0, total, ""))
    # An interrupt may come between two answers too, where nothing but this ends what runs.
    with closing(runner.answers(questions, place)) as answers:
        for done, (given, answer) in enumerate(answers, 1):
            store.add(answer)
            progress.stage(_bar(done, total, given.subject))
    progress.done()


def _bar(done: int, total: int, name: str) -> str:
    filled = _BAR * done // total
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {done} of {total} models {printable(name)[-40:]}"


def _of(asked: Sequence[SweepRow], store: Store) -> tuple[list[SweepRow], list[StaysRow]]:
    """What the file says of all that is asked, in the order of the question."""
    kept = {(row.subject, row.target, row.feature_level): row for row in store.rows()}
    keys = [(row.subject, row.target, row.feature_level) for row in asked]
    wanted_keys = set(keys)
    stays = [row for row in store.stays() if (row.subject, row.target, row.feature_level) in wanted_keys]
    return [kept[key] for key in keys], stays


def _wish(options: Mapping[str, object], project: Project) -> Wish:
    """What is asked for: the options, and where they say nothing, the project's file."""
    levels = levels_of(_numbers(options["api_level"]), _numbers(options["feature_level"]))
    if not levels:
        api = [] if project.api_level is None else [project.api_level]
        levels = levels_of(api, [] if project.feature_level is None else [project.feature_level])
    if not levels:
        raise LevelError(f"Which Android? Pass API levels ({_spans.api}) or feature levels ({_spans.feature}).")
    targets, inputs, jobs, seconds = (options[name] for name in ("target", "inputs", "jobs", "seconds"))
    overlay, device, choice = (options[name] for name in ("registry", "device", "per_channel"))
    score, memory = options["min_score"], options["memory"]
    return Wish(
        feature_levels=levels,
        targets=_texts(targets) or (project.target,),
        inputs=_texts(inputs),
        trust=bool(options["trust"]),
        overlay=overlay if isinstance(overlay, Path) else project.registry,
        device=device if isinstance(device, Path) else project.device,
        per_channel=choice if isinstance(choice, str) else project.per_channel.value,
        min_score=score if isinstance(score, float) else project.gate.min_score,
        requires_ready=bool(options["require_ready"]) or project.gate.requires_ready,
        is_strict=bool(options["strict"]) or project.gate.is_strict,
        seconds=seconds if isinstance(seconds, float) else 0.0,
        memory_bytes=int(memory * (1 << 30)) if isinstance(memory, float) else None,
        jobs=jobs if isinstance(jobs, int) else 1,
    )


def _numbers(given: object) -> tuple[int, ...]:
    return tuple(item for item in given if isinstance(item, int)) if isinstance(given, tuple) else ()


def _texts(given: object) -> tuple[str, ...]:
    return tuple(item for item in given if isinstance(item, str)) if isinstance(given, tuple) else ()
