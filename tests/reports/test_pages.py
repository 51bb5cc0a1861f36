"""The report as a page."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nnapi_check.reports.compose import shown_score
from nnapi_check.reports.level_rows import level_rows
from nnapi_check.reports.losses import loss_groups
from nnapi_check.reports.page.excerpts import Sources
from nnapi_check.reports.pages import to_html
from nnapi_check.reports.views import ModelReport
from tests.reports.sample_graphs import with_chain
from tests.reports.sample_reports import (
    HOSTILE,
    estimated_report,
    hostile_report,
    mixed_report,
    quantized_report,
    ready_report,
)

VOID = {"meta", "link", "br", "img", "input", "hr", "circle", "rect"}

REPORTS = [
    mixed_report(),
    ready_report(),
    quantized_report(),
    estimated_report(),
    hostile_report(),
    with_chain(mixed_report()),
    with_chain(hostile_report()),
]
NAMES = ["mixed", "ready", "quantized", "estimated", "bad", "graph", "bad graph"]


class Elements(HTMLParser):
    """Every element of a page, its text, and whether each was closed in turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)
        self.ids.extend(value for name, value in attrs if name == "id" and value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_page_needs_no_network_and_every_element_is_closed(report: ModelReport) -> None:
    page = to_html(report)

    found = Elements(page)

    assert found.open == []
    assert re.search(r"https?:|//[a-z]|url\((?!#)|@import", page) is None
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(found.names)
    assert not {name for name, _ in found.attributes} & {"src", "srcset", "action", "style"}


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_links_lead_to_elements_of_the_page_and_no_id_is_there_twice(report: ModelReport) -> None:
    found = Elements(to_html(report))

    assert len(found.ids) == len(set(found.ids))
    assert {value for name, value in found.attributes if name == "href"} <= {f"#{id_}" for id_ in found.ids}


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else(report: ModelReport) -> None:
    page = to_html(report)

    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)

    assert unescape(policy) == (
        f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert Elements(page).names.count("script") == (1 if report.graph is None else 2)


def digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("report", [hostile_report(), with_chain(hostile_report())], ids=["text", "graph"])
def test_hostile_names_are_shown_and_do_nothing(report: ModelReport) -> None:
    page = to_html(report)

    found = Elements(page)

    assert "<script>alert" not in page
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.text.count(HOSTILE) >= 8


def test_every_section_appears() -> None:
    found = Elements(to_html(mixed_report()))

    assert sections(found) == ["first", "map", "levels", "numbers", "blockers", "score", "parts", "differences", "ops"]


def test_page_of_a_report_with_a_graph_has_a_section_for_it() -> None:
    assert sections(Elements(to_html(with_chain(mixed_report()))))[:4] == ["first", "map", "graph", "levels"]


def sections(found: Elements) -> list[str]:
    """The ids of sections: not those of rows, and of what belongs to the graph."""
    return [id_ for id_ in found.ids if "-" not in id_ and id_ != "arrow"]


def test_page_of_a_ready_model_leaves_out_what_it_has_not() -> None:
    found = Elements(to_html(ready_report()))

    assert sections(found) == ["map", "levels", "blockers", "parts", "ops"]
    assert "Nothing: every op has a way at this level." in found.text


def test_page_tells_what_the_report_holds() -> None:
    report = mixed_report()

    text = Elements(to_html(report)).text

    for blocker in report.blockers:
        assert blocker.fix in text
    for node in report.nodes:
        assert node.op in text
        assert f"{node.file}:{node.line}" in text
    for reason in report.gate.reasons:
        assert reason in text
    for difference in report.differences:
        assert difference.bridge in text


def test_bar_and_legend_split_the_work_of_a_quantized_model_alone() -> None:
    quantized, plain = to_html(quantized_report()), to_html(mixed_report())

    for words in (
        "48.4%</b> in integers on NNAPI, 45.0 million",
        "38.7%</b> in floats on NNAPI",
        "12.9%</b> on the CPU",
    ):
        assert words in quantized
    assert "in integers" not in plain
    assert '<h2 id="in-floats"' not in plain


def test_estimate_of_a_quantized_model_has_its_own_bar_and_causes() -> None:
    page = to_html(estimated_report())

    assert page.count('<svg class="work"') == 1
    for words in (
        "46.8 MB now, 11.7 MB then",
        "no card says what it becomes on quantized tensors.",
        "On the CPU: 8 ops",
    ):
        assert words in page


@pytest.mark.parametrize("report", REPORTS, ids=NAMES)
def test_each_level_and_each_cause_of_a_loss_is_one_row(report: ModelReport) -> None:
    page = to_html(report)

    spans = [value.split() for value in re.findall(r'<tr data-levels="([^"]*)"', page)]
    points = re.findall(r'<tr><td class="number">(\d+\.\d)</td><td class="mono op">', page)

    assert [int(level) for span in spans for level in span] == [row.level for row in report.levels]
    assert len(spans) == len(level_rows(report.levels))
    groups = loss_groups(report.losses, shown_score(report.score))
    assert [round(10 * float(found)) for found in points] == [group.tenths for group in groups]


def test_a_page_that_would_be_too_large_leaves_out_excerpts_first_and_then_its_graph(tmp_path: Path) -> None:
    source = tmp_path / "net.py"
    source.write_text("# a line that is long enough to be seen\n" * 99, encoding="utf-8")
    plain = with_chain(mixed_report())
    report = replace(plain, nodes=tuple(replace(node, file=str(source)) for node in plain.nodes))
    sources = Sources((tmp_path,))
    whole = to_html(report, sources)

    thinned = to_html(report, sources, len(whole.encode()) - 1)
    # The page tells how large it may be, in more letters or fewer.
    without_graph = to_html(report, sources, len(thinned.encode()) - 9)

    assert "long enough to be seen" in whole
    assert "left out" not in whole
    assert "long enough to be seen" not in thinned
    assert "Lines of source are left out" in thinned
    assert 'id="graph-data"' in thinned
    assert "The graph is left out" in without_graph
    assert 'id="graph-data"' not in without_graph
    assert Elements(without_graph).open == []
