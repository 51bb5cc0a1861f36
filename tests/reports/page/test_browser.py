"""A report's page in a browser: what a hand and a keyboard do there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nnapi_check.reports.pages import to_html
from nnapi_check.reports.views import GateView, MisfitView
from tests.chromium import AXE, WITHOUT_AXE, Page, barriers, chromium, find_chromium
from tests.reports.sample_graphs import with_chain
from tests.reports.sample_reports import hostile_report, mixed_report

BROWSER = find_chromium()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(BROWSER or "", tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pages") / "report.html"
    found.write_text(to_html(with_chain(mixed_report())), encoding="utf-8")
    return found


@pytest.fixture
def page(browser: Page, file: Path) -> Iterator[Page]:
    browser.troubles.clear()
    browser.open(file)
    yield browser
    assert browser.troubles == []


DETAIL = "document.getElementById('graph-detail').textContent"
FOCUSED = "document.activeElement.querySelector('title').textContent"


def item(words: str) -> str:
    return (
        f"[...document.querySelectorAll('.item')].find(e => e.querySelector('title').textContent.includes({words!r}))"
    )


WHOLE = "document.getElementById('graph-open').click()"


def test_click_on_an_op_tells_what_is_in_its_way_and_the_fix(page: Page) -> None:
    page.run(WHOLE)
    page.click(item("mylib.whiten.default"))

    told = str(page.run(DETAIL))

    assert "NNC103" in told
    assert "Write a card for mylib.whiten.default" in told
    assert page.run("location.hash") == "#op-20"


def test_click_on_a_group_opens_and_closes_it(page: Page) -> None:
    count = "document.querySelectorAll('.item').length"
    page.run("document.getElementById('graph-close').click()")
    closed = page.run(count)

    page.click("document.querySelector('.item.group')")
    opened = page.run(count)
    page.click("document.querySelector('.item.group.open')")

    assert isinstance(closed, int)
    assert isinstance(opened, int)
    assert opened > closed
    assert page.run(count) == closed


def test_keys_reach_every_item_and_enter_tells_of_it(page: Page) -> None:
    page.run(WHOLE)
    drawn = page.run("[...document.querySelectorAll('.item')].map(e => e.querySelector('title').textContent)")
    page.run("document.querySelector('.item[tabindex=\"0\"]').focus()")
    reached: list[object] = []
    while not reached or reached[-1] != page.run(FOCUSED):
        reached.append(page.run(FOCUSED))
        page.key("ArrowDown")

    assert isinstance(drawn, list)
    assert sorted(map(str, reached)) == sorted(map(str, drawn))
    page.key("ArrowUp")
    page.key("Enter")
    assert "NNC901" in str(page.run(DETAIL))


def test_another_level_recolors_the_graph_and_the_bar(page: Page) -> None:
    colored = "document.querySelectorAll('.item.part-0').length"
    bar = "[...document.querySelectorAll('svg.map:not([hidden]) rect')].map(e => e.getAttribute('class')).join()"
    page.run("document.getElementById('graph-open').click()")
    assert page.run(colored) == 9
    assert "part-0" in str(page.run(bar))

    page.run(
        "{ const e = document.getElementById('graph-level'); e.value = '2'; e.dispatchEvent(new Event('change')); }"
    )

    assert page.run(colored) == 0
    assert page.run(bar) == "cpu"


def test_search_finds_ops_and_enter_shows_the_first(page: Page) -> None:
    page.run("document.getElementById('graph-find').focus()")
    for letter in "whiten":
        page.key(letter)
    page.key("Enter")

    assert page.run("document.getElementById('graph-status').textContent") == "1 op found"
    assert "mylib.whiten.default" in str(page.run(DETAIL))


def test_link_to_an_op_leads_to_it_in_the_graph(page: Page) -> None:
    page.click("document.querySelector('svg.map:not([hidden]) a[href=\"#part-1\"]')")

    assert page.run("document.getElementById('graph-grouping').value") == "parts"
    assert str(page.run(DETAIL)).startswith("NNAPI 1")


def test_phone_shows_the_page_without_scrolling_to_the_side(page: Page, file: Path) -> None:
    page.open(file, width=390, height=844)

    assert page.run("document.documentElement.scrollWidth") == 390


def test_phone_breaks_words_that_are_wider_than_it(page: Page, tmp_path: Path) -> None:
    word = "a/very/long/path" * 9
    report = replace(
        with_chain(mixed_report()), model=word, summary=word, notes=(word,), target_because=word, tolerance=word,
        gate=GateView(is_passed=False, reasons=(word,)), misfit=MisfitView(word, word),
    )  # fmt: skip
    file = tmp_path / "long.html"
    file.write_text(to_html(report), encoding="utf-8")

    page.open(file, width=390, height=844)

    assert page.run("document.documentElement.scrollWidth") == 390


@pytest.mark.skipif(not AXE.is_file(), reason=WITHOUT_AXE)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_axe_finds_no_barrier(page: Page, file: Path, width: int, dark: bool) -> None:
    page.open(file, width=width, height=900, dark=dark)
    page.run("document.querySelectorAll('details').forEach(found => { found.open = true; })")
    page.run(f"{WHOLE}; {item('mylib.whiten.default')}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")

    assert barriers(page) == []


def test_hostile_names_are_text_in_the_graph(browser: Page, tmp_path: Path) -> None:
    browser.troubles.clear()
    bad = tmp_path / "bad.html"
    bad.write_text(to_html(with_chain(hostile_report())), encoding="utf-8")
    browser.open(bad)

    browser.run(
        "window.alert = () => { window.harmed = true; }; location.hash = '#op-22'; new Promise(requestAnimationFrame)"
    )

    assert "<script>alert('x')</script>" in str(browser.run(DETAIL))
    assert browser.run("document.querySelectorAll('script').length") == 2
    assert browser.run("window.harmed") is None
    assert browser.troubles == []
