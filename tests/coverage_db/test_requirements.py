"""Requirements that several families share stand once."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nnapi_check.coverage_db.card_reading import HOME, load_cards
from nnapi_check.coverage_db.card_text import mapping, read_toml
from nnapi_check.coverage_db.checks import CardError

COMMON = read_toml(HOME / "requirements.toml")
FAMILIES = {path.stem: read_toml(path) for path in sorted((HOME / "ops").glob("*.toml"))}


def tables_of(family: str) -> dict[str, Mapping[str, object]]:
    found = mapping(FAMILIES[family].get("requirements", {}), family)
    return {name: mapping(table, name) for name, table in found.items()}


def written(family: str) -> Iterator[Mapping[str, object]]:
    """Every requirement that a family's file writes down: in its table, and in its cards."""
    yield from tables_of(family).values()
    stack: list[object] = [card for name, card in FAMILIES[family].items() if name != "requirements"]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        elif isinstance(item, dict):
            if "check" in item and "because" in item:
                yield item
            stack += item.values()


def test_no_two_families_define_the_same_requirement() -> None:
    found = defaultdict(set)
    for family in FAMILIES:
        for table in written(family):
            if "check" in table:
                words = {key: item for key, item in table.items() if key != "id"}
                found[json.dumps(words, sort_keys=True)].add(family)
    for name, common in COMMON.items():
        words = {key: item for key, item in mapping(common, name).items() if key != "id"}
        found[json.dumps(words, sort_keys=True)].add("requirements.toml")

    assert {words: families for words, families in found.items() if len(families) > 1} == {}


def test_no_two_families_name_the_same_check_alike() -> None:
    found = defaultdict(set)
    for family in FAMILIES:
        for name, table in tables_of(family).items():
            if "check" in table:
                found[name, json.dumps(table["check"], sort_keys=True)].add(family)

    assert {name: families for name, families in found.items() if len(families) > 1} == {}


@pytest.mark.parametrize("name", COMMON)
def test_what_stands_for_several_families_is_used_by_several(name: str) -> None:
    text = {family: (HOME / "ops" / f"{family}.toml").read_text(encoding="utf-8") for family in FAMILIES}

    assert len([family for family in text if f'"{name}"' in text[family]]) > 1


def cards_of(folder: Path, family: str) -> Path:
    (folder / "ops").mkdir()
    (folder / "requirements.toml").write_text(
        '[float32]\ncheck = { kind = "equals", arg = "self.dtype", value = "f32" }\nfix = "Convert it."\n'
    )
    (folder / "ops" / "family.toml").write_text(
        f'{family}["aten.relu.default"]\nsummary = "Relu."\n[["aten.relu.default".ways]]\n'
        'name = "operation"\nemits = ["RELU"]\nrequires = ["float32"]\n'
    )
    return folder / "ops"


def test_a_family_gives_its_own_reason(tmp_path: Path) -> None:
    folder = cards_of(tmp_path, '[requirements.float32]\nbecause = "Mine."\n')

    ((requirement,),) = (way.requires for way in load_cards(folder)["aten.relu.default"].ways)

    assert (requirement.id, requirement.because, requirement.fix) == ("float32", "Mine.", "Convert it.")


def test_a_family_that_gives_no_reason_cannot_use_one_that_has_none(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="shares no requirement 'float32'"):
        load_cards(cards_of(tmp_path, ""))


def test_a_family_cannot_mean_another_check_by_a_common_name(tmp_path: Path) -> None:
    family = '[requirements.float32]\ncheck = { kind = "constant", arg = "self" }\nbecause = "Mine."\n'

    with pytest.raises(CardError, match="whose check is another"):
        load_cards(cards_of(tmp_path, family))
