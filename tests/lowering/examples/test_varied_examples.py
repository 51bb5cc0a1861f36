"""What is promised of cards' examples holds where tensors or numbers are varied: a share of the whole benchmark."""

from itertools import islice

import pytest

from benchmarks.varied_examples import DEADLY, held, variants
from nnapi_check.coverage_db.card_reading import load_cards


@pytest.mark.parametrize(("kind", "every", "modules"), [("shapes", 149, 40), ("floats", 61, 40), ("integers", 31, 20)])
@pytest.mark.filterwarnings("ignore")
def test_what_is_promised_of_varied_examples_holds(kind: str, every: int, modules: int) -> None:
    # PyTorch reads past the end of some, which no process of tests should.
    cards = [card for card in load_cards().values() if not card.op.startswith(DEADLY)]
    found = held(islice(variants(cards, [kind]), 0, None, every))

    assert found.modules > modules
    assert found.faults == ()


@pytest.mark.filterwarnings("ignore")
def test_what_is_promised_holds_where_torchscript_repeats_a_column() -> None:
    found = held(variants([load_cards()["aten.addmm.default"]], ["shapes"]))

    assert found.modules > 20
    assert found.faults == ()
