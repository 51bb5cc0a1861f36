"""The pages: one for everything that is known, linked among themselves, escaped, and loading nothing else."""

import posixpath
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.differences import Reason
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.measured_errors import MeasuredExample
from nnapi_check.reports.site.render import error_words, site_files

VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """A page's links, ids and headings. Tags that are not closed in order are counted as faults."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.faults += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a" and found.get("href") is not None:
            self.links.append(found["href"] or "")
        if tag in ("script", "link"):
            self.sources.append(found.get("src") or found.get("href") or "")
        if found.get("id") is not None:
            self.ids.append(found["id"] or "")
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"/{tag}")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.fixture(scope="module")
def site(registry: Registry) -> dict[str, str]:
    return {file.path: file.text for file in site_files(registry)}


@pytest.fixture(scope="module")
def pages(site: dict[str, str]) -> dict[str, Page]:
    return {path: Page(text) for path, text in site.items() if path.endswith(".html")}


def test_the_page_of_an_op_has_the_code_to_write_in_its_place(site: dict[str, str]) -> None:
    page = site["ops/aten.max_pool2d.default.html"]

    assert '<code class="before">y = F.max_pool2d(x, kernel_size, stride, dilation=dilation)</code>' in page
    assert "    y = torch.maximum(y, part)</code>" in page
    assert "Keeps the numbers." in page
    assert "y.shape is the shape that the call gives" in page
    assert 'class="before"' not in site["ops/aten.relu.default.html"]


def test_there_is_a_page_for_everything(registry: Registry, site: dict[str, str]) -> None:
    wanted = {f"ops/{card.op}.html" for card in registry.cards()}
    wanted |= {f"operations/{facts.name}.html" for facts in registry.operations()}
    wanted |= {f"differences/{found.id}.html" for found in registry.differences()}
    wanted |= {f"reasons/{found.code}.html" for found in registry.reasons()}
    wanted |= {"index.html", "operations/index.html", "differences/index.html", "reasons/index.html"}

    assert set(site) == wanted | {"site.css", "site.js"}


def test_every_link_leads_to_a_page_or_a_place_in_it(site: dict[str, str], pages: dict[str, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in [*page.links, *page.sources]:
            target, _, anchor = link.partition("#")
            file = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target))) if target else path
            if file not in site or (anchor and anchor not in pages[file].ids):
                broken.append((path, link))

    assert broken == []
    assert len(pages) > 600


def test_tags_are_closed_and_ids_are_unique(pages: dict[str, Page]) -> None:
    assert {path: page.faults for path, page in pages.items() if page.faults} == {}
    assert [path for path, page in pages.items() if len(set(page.ids)) != len(page.ids)] == []


def test_headings_go_down_one_step_at_a_time_from_a_single_first(pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert page.headings.count(1) == 1, path
        assert page.headings[0] == 1, path
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(lower - upper <= 1 for upper, lower in steps), path


def test_nothing_is_loaded_from_elsewhere(site: dict[str, str]) -> None:
    for path, text in site.items():
        assert "://" not in text, path
        assert not re.search(r"@import|url\(|fetch\(|XMLHttp|\bimport\b.*from", text) or not path.startswith("site.")


def test_the_whole_site_stays_small(site: dict[str, str]) -> None:
    assert len(site["index.html"].encode()) < 600_000
    assert sum(len(text.encode()) for text in site.values()) < 10_000_000


class WithHostileNames(Registry):
    """The registry with a card and a reason whose every text tries to be markup."""

    HOSTILE = "<script>alert('x')</script>\"&"

    def cards(self) -> tuple[Card, ...]:
        base = super().card("aten.max_pool2d.default")
        text = self.HOSTILE
        way = base.ways[0]
        requirement = replace(way.requires[0], id=text, because=text, fix=text)
        example = replace(way.examples[0], name=text, args=((text, text),), tensors=((text, text),))
        hostile = replace(
            way, name=text, requires=(requirement,), examples=(example,), bound=Bound(absolute=1.0, note=text)
        )
        return (
            replace(base, op="evil.<b>.op", family=text, summary=text, source=text, fix=text, ways=(hostile,)),
            replace(base, op="evil.gap.op", summary=text, ways=(), gap=text),
        )

    def reasons(self) -> tuple[Reason, ...]:
        return tuple(
            replace(found, title=self.HOSTILE, explanation=self.HOSTILE, fix=self.HOSTILE)
            for found in super().reasons()
        )


def test_no_text_becomes_markup(registry: Registry) -> None:
    with_hostile_names = WithHostileNames(registry._data, registry.path)

    pages = [file for file in site_files(with_hostile_names) if file.path.endswith(".html")]

    assert sum("&lt;script&gt;" in file.text for file in pages) > 5
    for file in pages:
        assert "<script>" not in file.text, file.path
        assert "<b>." not in file.text, file.path
        assert Page(file.text).faults == [], file.path


def test_errors_are_told_in_steps_where_there_are_steps() -> None:
    plain = MeasuredExample("op", "way", "example", 1, 1.5e-6, 2.5e-7, None)

    assert error_words(plain) == "1.5e-06, 2.5e-07 of the range"
    assert error_words(replace(plain, max_absolute=0.0)) == "none"
    assert error_words(replace(plain, steps=1)) == "1 step of the scale"
    assert error_words(replace(plain, steps=2)) == "2 steps of the scale"
    assert error_words(replace(plain, steps=0)) == "none"
