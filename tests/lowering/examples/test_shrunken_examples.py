"""What is promised of cards' examples holds where their tensors are shrunken: a share of the whole benchmark."""

from itertools import islice

import pytest

from benchmarks.shrunken import DEADLY, held, variants
from nnapi_check.coverage_db.card_reading import load_cards

EVERY = 149


@pytest.mark.filterwarnings("ignore")
def test_what_is_promised_of_shrunken_tensors_holds() -> None:
    # PyTorch reads past the end of some, which no process of tests should.
    cards = [card for card in load_cards().values() if not card.op.startswith(DEADLY)]
    found = held(islice(variants(cards), 0, None, EVERY))

    assert found.modules > 40
    assert found.faults == ()


@pytest.mark.filterwarnings("ignore")
def test_what_is_promised_holds_where_torchscript_repeats_a_column() -> None:
    found = held(variants([load_cards()["aten.addmm.default"]]))

    assert found.modules > 20
    assert found.faults == ()
