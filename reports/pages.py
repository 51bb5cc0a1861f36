"""The report as one HTML page that holds all it needs: no network, light and dark, printable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum

from nnapi_check.reports.changing.edit_text import kept_words
from nnapi_check.reports.changing.first_changes_text import gain_words, ops_words, together_words, where_words
from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shares, shown_share
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.losses import loss_groups, tenths_words
from nnapi_check.reports.naming import modules_words, place_words, types_words
from nnapi_check.reports.page.assets import TEMPLATES, assets
from nnapi_check.reports.page.excerpts import Sources
from nnapi_check.reports.page.graph_data import graph_data
from nnapi_check.reports.partition_map import draw_levels
from nnapi_check.reports.views import ModelReport, NodeView, PlaceView

MOST_BYTES = 1_500_000
"""What a page may weigh before it is thinned."""


class Thinning(Enum):
    """What a page leaves out that would be too large, and how it says so: the first is tried first."""

    NOTHING = ""
    EXCERPTS = "Lines of source are left out, for with them this page would be larger than {}."
    GRAPH = "The graph is left out, for with it this page would be larger than {}. A report as JSON has it."


def to_html(report: ModelReport, sources: Sources | None = None, most_bytes: int = MOST_BYTES) -> str:
    """The page as text, with today's date. Every name is escaped.

    ``sources`` reads the excerpts that are shown of the user's source. A page of more than ``most_bytes`` is made again
    without excerpts, and one that is still larger without its graph.
    """
    page = ""
    for thinning in Thinning if report.graph is not None else (Thinning.NOTHING,):
        page = _page(report, sources or Sources(), thinning, most_bytes)
        if len(page.encode()) <= most_bytes:
            break
    return page


def _page(report: ModelReport, sources: Sources, thinning: Thinning, most_bytes: int) -> str:
    if thinning is Thinning.EXCERPTS:
        sources = Sources(())
    if thinning is Thinning.GRAPH:
        report = replace(report, graph=None)
    # Only a page needs it, and a check without one should not wait for its import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = shown_score
    environment.filters["share"] = shown_share
    environment.filters["shares"] = shares
    environment.filters["types"] = types_words
    environment.filters["place"] = place_words
    environment.filters["link"] = _links(report)
    environment.filters["ops"] = ops_words
    environment.filters["lines"] = where_words
    environment.filters["gain"] = gain_words
    environment.filters["kept"] = kept_words
    environment.filters["together"] = together_words
    environment.filters["level_rows"] = level_rows
    environment.filters["tenths"] = tenths_words
    environment.filters["modules"] = modules_words
    graph = None if report.graph is None else graph_data(report, report.graph, sources)
    made = assets(with_graph=graph is not None)
    return environment.get_template("report.html.j2").render(
        report=report,
        maps=draw_levels(report),
        losses=loss_groups(report.losses, shown_score(report.score)),
        graph_data=graph or "",
        thinned=thinning.value.format(f"{most_bytes / 1e6:g} MB"),
        assets=made,
        today=datetime.now(UTC).date().isoformat(),
    )


def _links(report: ModelReport) -> Callable[[PlaceView | NodeView], str | None]:
    """What leads from a place to the row and the box of its node: the first of those that stand there."""
    ids = {(node.op, node.module, node.file, node.line): f"op-{node.id}" for node in reversed(report.nodes)}
    return lambda place: ids.get((place.op, place.module, place.file, place.line))
