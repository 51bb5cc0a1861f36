"""Reason codes and differences: every one that the code or a card names is explained, and no id stands for nothing."""

import re
from pathlib import Path

import pytest

from nnapi_check.coverage_db.differences import load_differences, load_reasons
from nnapi_check.coverage_db.levels import load_levels
from tests.cards import cards

ROOT = Path(__file__).parents[2]
PACKAGES = ("analyzer", "lowering", "reports", "nnapi_check")
WAYS = [(card, way) for card in cards().values() for way in card.ways]


def codes_in_the_code() -> set[str]:
    sources = [path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {code for text in sources for code in re.findall(r'"(NNC\d{3})"', text)}


def test_explains_every_reason_code_that_the_code_names() -> None:
    named = codes_in_the_code()

    assert named
    assert named <= set(load_reasons())


def test_explains_every_reason_code_that_a_requirement_names() -> None:
    named = {requirement.reason for _, way in WAYS for requirement in way.requires if requirement.reason}

    assert named
    assert named <= set(load_reasons())


def test_describes_every_difference_that_a_way_names() -> None:
    named = {difference for _, way in WAYS for difference in way.differences}

    assert named
    assert named <= set(load_differences())


@pytest.mark.parametrize("id_", load_differences())
def test_a_difference_holds_for_levels_that_exist(id_: str) -> None:
    levels = {level.feature_level for level in load_levels()}
    found = load_differences()[id_]

    assert found.since in levels
    assert found.until is None or found.since <= found.until in levels


def test_every_requirement_has_an_example_that_breaks_it() -> None:
    missing = []
    for card in cards().values():
        wanted = {requirement.id for way in card.ways for requirement in way.requires}
        broken = {example.expect for way in card.ways for example in way.examples}
        missing += [f"{card.op}: {id_}" for id_ in sorted(wanted - broken)]

    assert missing == []


def test_every_way_has_an_example_that_passes() -> None:
    missing = [
        f"{card.op}/{way.name}" for card, way in WAYS if all(example.expect is not None for example in way.examples)
    ]

    assert missing == []
