"""The report as one HTML page that holds all it needs: no network, light and dark, printable."""

from __future__ import annotations

from pathlib import Path

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shares, shown_share
from nnapi_check.reports.naming import place_words
from nnapi_check.reports.partition_map import draw
from nnapi_check.reports.views import ModelReport

_TEMPLATES = Path(__file__).parent / "templates"


def to_html(report: ModelReport) -> str:
    """The page as text. Every name is escaped."""
    # Only a page needs it, and a check without one should not wait for its import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    directory = _TEMPLATES
    environment = Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = shown_score
    environment.filters["share"] = shown_share
    environment.filters["shares"] = shares
    environment.filters["place"] = place_words
    return environment.get_template("report.html.j2").render(report=report, map=draw(report))
