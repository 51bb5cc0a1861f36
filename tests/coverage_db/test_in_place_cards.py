"""Ops that write in place are cards made of those of the ops that return the same."""

from pathlib import Path

import pytest

from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.checks import CardError

RETURNING = '["aten.relu.default"]\nsummary = "Max of x and 0."\ngap = "For a test."\n'


def written(folder: Path, text: str) -> Path:
    (folder / "family.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_pair_makes_a_card_that_is_read_as_the_other(tmp_path: Path) -> None:
    cards = load_cards(written(tmp_path, f'{RETURNING}[in-place]\n"aten.relu_.default" = "aten.relu.default"\n'))

    card = cards["aten.relu_.default"]
    assert (card.family, card.becomes, card.ways, card.gap) == ("family", ("aten.relu.default",), (), None)
    assert card.summary == "In place: max of x and 0."
    assert "aten.relu," in card.fix


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ('"aten.relu_.default" = "aten.nobody.default"', "'aten.nobody.default' returns, which has no card"),
        ('"aten.relu_.default" = 3', "3 returns, which has no card"),
        ('"aten.relu.default" = "aten.relu.default"', "has a card in family.toml already"),
    ],
)
def test_a_wrong_pair_is_refused(tmp_path: Path, pair: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        load_cards(written(tmp_path, f"{RETURNING}[in-place]\n{pair}\n"))
