"""Every name has a page of its own, on every file system."""

import re

from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.reports.site.addresses import addresses


def test_a_page_is_named_after_what_it_tells() -> None:
    found = addresses({"ops": ["aten.relu.default"]})

    assert found.of("ops", "aten.relu.default") == "ops/aten.relu.default.html"
    assert found.has("ops", "aten.relu.default")
    assert not found.has("ops", "aten.gelu.default")


def test_names_that_differ_in_case_only_get_pages_that_differ_in_more() -> None:
    found = addresses({"ops": ["aten.max.Dim", "aten.max.dim"]})

    assert found.of("ops", "aten.max.dim") == "ops/aten.max.dim-2.html"


def test_no_page_stands_in_the_place_of_an_index() -> None:
    assert addresses({"ops": ["index"]}).of("ops", "index") != "ops/index.html"


@given(st.lists(st.text(max_size=6), unique=True))
def test_pages_are_distinct_and_stay_in_their_folder(names: list[str]) -> None:
    found = addresses({"ops": names})

    pages = [found.of("ops", name) for name in names]
    assert len({page.lower() for page in pages}) == len(pages)
    assert all(re.fullmatch(r"ops/[A-Za-z0-9._-]+\.html", page) for page in pages)
