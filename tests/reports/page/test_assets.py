"""The scripts and the style of a page."""

from hashlib import sha256

from nnapi_check.reports.page.assets import LAYOUT, LAYOUT_LICENSE, assets


def test_layout_library_is_the_file_that_its_table_tells() -> None:
    table = (LAYOUT.parent / "README.md").read_text(encoding="utf-8")
    data = LAYOUT.read_bytes()

    assert f"| `{LAYOUT.name}` |" in table
    assert f"| {len(data):,} | `{sha256(data).hexdigest()}` |" in table


def test_page_with_a_graph_carries_the_license_of_the_layout_library() -> None:
    script = assets(with_graph=True).script

    assert LAYOUT_LICENSE.read_text(encoding="utf-8") in script
    assert "sourceMappingURL" not in script


def test_page_without_a_graph_carries_no_layout_library() -> None:
    assert len(assets(with_graph=False).script) < 25_000


def test_names_of_models_can_become_no_markup() -> None:
    script = assets(with_graph=True).script

    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert name not in script
