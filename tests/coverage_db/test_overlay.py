"""An overlay restricts the registry's cards, and says in which line it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.overlay import OverlayError, with_overlay
from nnapi_check.coverage_db.queries import Registry, open_registry

REQUIREMENT = """
[["aten.relu.default".requires]]
id = "small"
check = { kind = "at-most", arg = "self.numel", value = 1000 }
because = "Ours is slow with more."
fix = "Split the tensor."
"""


@pytest.fixture
def base(text: Path) -> Registry:
    """A registry in which aten.relu.default has one way, aten.erfinv.default none, and aten.gru.input no rule."""
    return open_registry(directory=text)


def laid(base: Registry, folder: Path, text: str) -> Registry:
    path = folder / "cards.toml"
    path.write_text(text, encoding="utf-8")
    return with_overlay(base, path)


def test_a_gap_keeps_an_op_on_the_cpu(base: Registry, tmp_path: Path) -> None:
    found = laid(base, tmp_path, '["aten.relu.default"]\ngap = "Our device is wrong about it."\n').card(
        "aten.relu.default"
    )

    assert (found.ways, found.gap, found.summary) == ((), "Our device is wrong about it.", "The larger of x and 0.")


def test_an_op_that_nobody_knew_may_have_a_gap(base: Registry, tmp_path: Path) -> None:
    registry = laid(base, tmp_path, '["own.warp.default"]\nsummary = "Bends it."\ngap = "Nothing bends."\n')

    assert registry.has_card("own.warp.default")
    assert registry.card("own.warp.default").gap == "Nothing bends."
    assert [card.op for card in registry.cards()] == [*(card.op for card in base.cards()), "own.warp.default"]
    assert not base.has_card("own.warp.default")


def test_an_op_that_nobody_knew_may_be_unwritten(base: Registry, tmp_path: Path) -> None:
    registry = laid(base, tmp_path, '["own.warp.default"]\nunwritten = ["MUL", "ADD"]\n')

    assert registry.card("own.warp.default").unwritten == ("MUL", "ADD")


def test_a_requirement_is_demanded_besides_the_cards(base: Registry, tmp_path: Path) -> None:
    (way,) = laid(base, tmp_path, REQUIREMENT).card("aten.relu.default").ways

    assert [requirement.id for requirement in way.requires] == ["not-empty", "small"]
    assert way.emits == base.card("aten.relu.default").ways[0].emits


def test_a_requirement_of_one_way_is_not_demanded_of_others(base: Registry, tmp_path: Path) -> None:
    (way,) = laid(base, tmp_path, REQUIREMENT + 'way = "operation"\n').card("aten.relu.default").ways

    assert [requirement.id for requirement in way.requires] == ["not-empty", "small"]


def test_a_way_may_be_taken_out(base: Registry, tmp_path: Path) -> None:
    found = laid(base, tmp_path, '["aten.relu.default"]\nwithout = ["operation"]\n').card("aten.relu.default")

    assert (found.ways, found.gap) == ((), "The overlay cards.toml takes none of its ways.")


def test_what_the_overlay_does_not_name_is_as_before(base: Registry, tmp_path: Path) -> None:
    registry = laid(base, tmp_path, REQUIREMENT)

    assert registry.card("aten.gru.input") == base.card("aten.gru.input")
    assert registry.operation("RELU") == base.operation("RELU")


@pytest.mark.parametrize(
    ("written", "line", "message"),
    [
        ('["aten.relu.default"]\n\ngapp = "x"\n', 3, "`gapp` is not a key of an overlay"),
        ('\n["own.warp.default"]\nways = []\n', 3, "`ways` cannot be given: a way needs a rule"),
        ('["own.warp.default"]\n[["own.warp.default".ways]]\nname = "x"\n', 2, "`ways` cannot be given"),
        ('["own.warp.default"]\nemits = ["ADD"]\n', 2, "`emits` cannot be given"),
        ('# a\n["aten.relu.default"]\nsummary = "x"\n', 2, "wants exactly one of gap, unwritten, and restrictions"),
        ('["aten.relu.default"]\ngap = "x"\nunwritten = ["ADD"]\n', 1, "wants exactly one of"),
        ('["aten.relu.default"]\ngap = "x"\n["aten.relu.default"]\n', 3, "Cannot declare"),
        ('["aten.relu.default"]\ngap = 1\n', 2, "`gap` must be a text, found 1"),
        ('["aten.relu.default"]\nwithout = []\n', 2, "`without` is empty"),
        ('["aten.relu.default"]\nwithout = ["other"]\n', 1, "no way called 'other'; its ways are operation"),
        ('["aten.relu.default"]\nunwritten = ["ADD"]\n', 1, "the registry has a card for it; say `gap`"),
        ('["own.warp.default"]\nunwritten = ["ADDD"]\n', 1, "there is no operation called 'ADDD'"),
        (
            '["own.warp.default"]\nwithout = ["x"]\n',
            1,
            "it has no card in the registry, so there is nothing to restrict",
        ),
        ('["aten.erfinv.default"]\nwithout = ["x"]\n', 1, "it has no way in the registry"),
        ('["relu"]\ngap = "x"\n', 1, "an op is written like aten.relu.default, in quotes"),
        ('registry = "x"\n', 1, "a table for an op was wanted"),
        (REQUIREMENT.replace('"at-most"', '"roughly"'), 2, "requirement small"),
        (REQUIREMENT.replace('"small"', '"not-empty"'), 2, "way operation has a requirement not-empty already"),
        (REQUIREMENT + 'reason = "NNC999"\n', 2, "NNC999 is not a reason code"),
        (REQUIREMENT + 'way = "other"\n', 2, "no way called 'other'"),
        (REQUIREMENT + "whenever = true\n", 2, "unknown keys whenever"),
        ('["aten.relu.default"\n', 1, "line 1"),
        (
            '["own.warp.default"]\nsummary = """\n["aten.relu.default"]\ngap = 1"""\n\n# a\ngap = 1\n',
            7,
            "`gap` must be",
        ),
        ('["own.warp.default"]\nunwritten = [\n  "ADD", # ["a"]\n  1,\n]\n', 2, "`unwritten` must be"),
        ("[ 'aten.relu.default' ] # gap = 1\n\ngap = 1\n", 3, "`gap` must be"),
        ('"aten.relu.default".gap = "x"\n"aten.relu.default".fix = 1\n', 2, "`fix` must be"),
        ('"aten.relu.default" = { gap = 1 }\n', 1, "`gap` must be"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    base: Registry, tmp_path: Path, written: str, line: int, message: str
) -> None:
    with pytest.raises(OverlayError, match=message) as caught:
        laid(base, tmp_path, written)

    assert f"line {line}" in str(caught.value)
    assert "cards.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_told(base: Registry, tmp_path: Path) -> None:
    with pytest.raises(OverlayError, match="cannot be read"):
        with_overlay(base, tmp_path / "none.toml")


def test_an_op_that_is_read_as_another_cannot_be_held_back_by_itself(tmp_path: Path) -> None:
    text = '["aten.native_layer_norm.default"]\ngap = "Our device is wrong about it."\n'

    with pytest.raises(OverlayError, match=r"read as another op before it is judged; name aten\.layer_norm\.default"):
        laid(open_registry(), tmp_path, text).card("aten.native_layer_norm.default")
