"""How large the page of a report is, and how soon it answers in a headless Chromium.

    python -m benchmarks.report_page model.pt [model.pt ...] --feature-level 3

Ends with exit code 1 where a page is larger than 1.5 MB, logs an error, or asks for anything of a network.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import nnapi_check
from nnapi_check.reports.pages import MOST_BYTES, to_html
from tests.chromium import Page, chromium, find_chromium

_OPENED = """(() => {
  const start = performance.now();
  document.getElementById('graph-open').click();
  document.body.getBoundingClientRect();
  return performance.now() - start;
})()"""


def measured(page: Page, model: Path, level: int, folder: Path) -> bool:
    """Print one line about a model's page, and say whether it is as it should be."""
    report = nnapi_check.check(model, feature_level=level)
    file = folder / f"{model.stem}.html"
    file.write_text(to_html(report), encoding="utf-8")
    page.troubles.clear()
    page.open(file)
    ready = page.run("document.documentElement.dataset.ready")
    opened = page.run(_OPENED)
    size = file.stat().st_size
    print(f"{model.stem}: {len(report.nodes)} nodes, {size:,} bytes, ready in {ready} ms, all open in {opened:.0f} ms")
    for trouble in page.troubles:
        print(f"  {trouble}")
    return size <= MOST_BYTES and not page.troubles


def main() -> int:
    """Measure every model's page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--feature-level", type=int, default=3)
    options = parser.parse_args()
    browser = find_chromium()
    if browser is None:
        print("No Chromium is installed.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with chromium(browser, folder / "profile") as page:
            fine = [measured(page, model, options.feature_level, folder) for model in options.models]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
