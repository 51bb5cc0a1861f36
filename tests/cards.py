"""The registry's cards, read once in a process for all tests of it."""

from collections.abc import Mapping
from functools import cache

from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.cards import Card


@cache
def cards() -> Mapping[str, Card]:
    """Every card by its op."""
    return load_cards()
