"""The report as one HTML page that holds all it needs: no network, light and dark, printable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.computing import shares, shown_share
from nnapi_check.reports.first_changes_text import gain_words, kept_words, ops_words, together_words, where_words
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.losses import loss_groups, tenths_words
from nnapi_check.reports.naming import modules_words, place_words
from nnapi_check.reports.page.assets import TEMPLATES, assets
from nnapi_check.reports.page.excerpts import Sources
from nnapi_check.reports.page.graph_data import graph_data
from nnapi_check.reports.partition_map import draw_levels
from nnapi_check.reports.views import ModelReport, NodeView, PlaceView


def to_html(report: ModelReport, sources: Sources | None = None) -> str:
    """The page as text, with today's date. Every name is escaped.

    ``sources`` reads the excerpts that are shown of the user's source.
    """
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
    graph = None if report.graph is None else graph_data(report, report.graph, sources or Sources())
    made = assets(with_graph=graph is not None)
    return environment.get_template("report.html.j2").render(
        report=report,
        maps=draw_levels(report),
        losses=loss_groups(report.losses, shown_score(report.score)),
        graph_data=graph or "",
        assets=made,
        today=datetime.now(UTC).date().isoformat(),
    )


def _links(report: ModelReport) -> Callable[[PlaceView | NodeView], str | None]:
    """What leads from a place to the row and the box of its node: the first of those that stand there."""
    ids = {(node.op, node.module, node.file, node.line): f"op-{node.id}" for node in reversed(report.nodes)}
    return lambda place: ids.get((place.op, place.module, place.file, place.line))
