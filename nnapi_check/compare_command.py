"""The command that converts a model by each choice for scales per channel, and prints one table of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from nnapi_check.analyzer.capture.capture import Inputs
from nnapi_check.conversion import convert_model
from nnapi_check.coverage_db.targets import PerChannelChoice
from nnapi_check.imports import import_modules
from nnapi_check.lowering.ndk.project import MODEL_NAME
from nnapi_check.model_commands import inputs_of, request_of
from nnapi_check.pipeline import Request
from nnapi_check.progress import Progress
from nnapi_check.reports.gating.gate import NO_GATE
from nnapi_check.reports.json_format import json_text
from nnapi_check.reports.ways_table import ChosenView, chosen_view, ways_lines


def compare(model: Path, form: str, options: Mapping[str, object]) -> int:
    """Convert a model in every way, print the table, and say whether each is within its tolerance."""
    import_modules(options)
    request = replace(request_of({**options, "per_channel": None}), gate=NO_GATE, baseline=None, extras=frozenset())
    found = tuple(_converted(model, inputs_of(options), request))
    click.echo(json_text({"ways": found}) if form == "json" else "\n".join(ways_lines(found)))
    return 0 if all(view.is_within_tolerance for view in found) else 1


def _converted(model: Path, inputs: Inputs | None, request: Request) -> Iterator[ChosenView]:
    with tempfile.TemporaryDirectory(prefix="nnapi-check-") as folder:
        for choice in PerChannelChoice:
            progress = Progress()
            output = Path(folder) / choice.value
            made = convert_model(model, inputs, output, replace(request, per_channel=choice), progress)
            progress.done()
            yield chosen_view(made.report, None if made.path is None else _size(made.path))


def _size(output: Path) -> int:
    return (output / MODEL_NAME if output.is_dir() else output).stat().st_size
