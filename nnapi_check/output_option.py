"""The option that names a file for a report and its format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from nnapi_check.reports.formats.outputs import Form, Output


def read_outputs(_context: click.Context, _parameter: click.Parameter, texts: Iterable[str]) -> tuple[Output, ...]:
    """The outputs that texts such as ``sarif=report.sarif`` name."""
    return tuple(_output(text) for text in texts)


def _output(text: str) -> Output:
    form, _, path = text.partition("=")
    known = [found.value for found in Form]
    if form not in known or not path:
        raise click.BadParameter(f"{text!r} is not FORMAT=FILE with a format of {', '.join(known)}.")
    return Output(Form(form), Path(path))
