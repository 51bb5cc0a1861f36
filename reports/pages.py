"""The report as one HTML page that holds all it needs: no network, light and dark, printable."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from analyzer.errors import InputError
from reports.compose import shown_score
from reports.console import place_words
from reports.partition_map import draw
from reports.views import ModelReport

_INSTALLED = Path(__file__).parent / "templates"
_IN_SOURCE = Path(__file__).parent.parent / "templates"


def to_html(report: ModelReport) -> str:
    """The page as text. Every name is escaped."""
    # Only a page needs it, and a check without one should not wait for its import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    directory = _INSTALLED if _INSTALLED.is_dir() else _IN_SOURCE
    environment = Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = shown_score
    environment.filters["place"] = place_words
    return environment.get_template("report.html.j2").render(report=report, map=draw(report))


def check_page(path: Path | None) -> None:
    """Raise ``InputError`` where a page cannot be written to ``path``, before any work is done."""
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file to write the page to.")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: the folder {path.parent} is not writable.")


def write_page(report: ModelReport, path: Path) -> None:
    """Write the page. A file that is there is replaced only when the new one is complete."""
    text = to_html(report)
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as unfinished:
            unfinished.write(text)
        Path(unfinished.name).chmod(0o666 & ~_umask())
        os.replace(unfinished.name, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
