"""The report as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from reports.views import ModelReport


def write_page(report: ModelReport, path: Path) -> None:
    """Write the page."""
    raise NotImplementedError(report.model, path)
