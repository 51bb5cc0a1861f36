"""The pages of the site and of a sweep in a browser: on a phone and a wide screen, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.reports.many.matrix_page import matrix_html
from nnapi_check.reports.site.render import site_files
from tests.chromium import AXE, WITHOUT_AXE, Page, barriers, chromium, find_chromium
from tests.reports.many.sample_rows import sample_rows, sample_stays

BROWSER = find_chromium()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

SWEEP = "sweep.html"
PAGES = (
    SWEEP,
    "index.html",
    "ops/aten.max_pool2d.default.html",
    "ops/aten.scaled_dot_product_attention.default.html",
    "operations/index.html",
    "operations/BIDIRECTIONAL_SEQUENCE_LSTM.html",
    "operations/CONV_2D.html",
    "differences/index.html",
    "reasons/NNC402.html",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(BROWSER or "", tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("site")
    for file in site_files(open_registry()):
        if file.path in PAGES or file.path.startswith("site."):
            (found / file.path).parent.mkdir(exist_ok=True)
            (found / file.path).write_text(file.text, encoding="utf-8")
    (found / SWEEP).write_text(matrix_html(sample_rows(), sample_stays()), encoding="utf-8")
    return found


@pytest.mark.parametrize("name", PAGES)
def test_phone_shows_a_page_without_scrolling_to_the_side(browser: Page, folder: Path, name: str) -> None:
    browser.troubles.clear()

    browser.open(folder / name, width=390, height=844)

    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.troubles == []


def test_phone_shows_names_of_models_in_words_and_says_that_there_is_more(browser: Page, folder: Path) -> None:
    wide = "document.querySelector('tbody th').clientWidth"
    told = "document.getElementById('more').hidden"

    browser.open(folder / SWEEP, width=300, height=844)
    on_phone, is_whole_on_phone = browser.run(wide), browser.run(told)
    browser.open(folder / SWEEP, width=1440, height=844)

    assert isinstance(on_phone, int)
    assert on_phone >= 120
    assert (is_whole_on_phone, browser.run(told)) == (False, True)


@pytest.mark.skipif(not AXE.is_file(), reason=WITHOUT_AXE)
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_axe_finds_no_barrier(browser: Page, folder: Path, name: str, width: int, dark: bool) -> None:
    browser.open(folder / name, width=width, height=900, dark=dark)
    browser.run("document.querySelectorAll('details').forEach(found => { found.open = true; })")

    assert barriers(browser) == []
