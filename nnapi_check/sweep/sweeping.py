"""Ask about many models, and print what is known of all. This imports no PyTorch; the processes that it starts do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import click

from nnapi_check.coverage_db.errors import LevelError
from nnapi_check.coverage_db.levels import level_spans
from nnapi_check.coverage_db.writing.output import Format, check_output, write_text
from nnapi_check.errors import say
from nnapi_check.progress import Progress
from nnapi_check.project_file import Project, find_project
from nnapi_check.reports.json_format import json_text
from nnapi_check.reports.many.matrix_text import matrix_lines, matrix_markdown
from nnapi_check.reports.many.rows import StaysRow, SweepRow, failure_words
from nnapi_check.reports.terminal import printable
from nnapi_check.sweep import runner
from nnapi_check.sweep.asking import Wish, asked_of, levels_of, question
from nnapi_check.sweep.store import Store, opened, wanted
from nnapi_check.sweep.subjects import Subject, subjects_of

_BAR = 24
_spans = level_spans()


def swept(subjects: Sequence[str], form: str, html: Path | None, database: Path, options: Mapping[str, object]) -> int:
    """Ask what is not known yet, write and print the matrix, and give the exit code. Raises ``UserError``."""
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
    return 1 if any(failure_words(row) or (asks and row.gate) for row in rows) else 0


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
        converts=bool(options["convert"]),
        seconds=seconds if isinstance(seconds, float) else 0.0,
        memory_bytes=int(memory * (1 << 30)) if isinstance(memory, float) else None,
        jobs=jobs if isinstance(jobs, int) else 1,
    )


def _numbers(given: object) -> tuple[int, ...]:
    return tuple(item for item in given if isinstance(item, int)) if isinstance(given, tuple) else ()


def _texts(given: object) -> tuple[str, ...]:
    return tuple(item for item in given if isinstance(item, str)) if isinstance(given, tuple) else ()
