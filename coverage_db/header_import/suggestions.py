"""Ops that could use an operation that no card emits yet, where names or notes tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nnapi_check.coverage_db.cards import Card

_SHORTEST_NAME = 3


def suggested_ops(operation: str, cards: Iterable[Card]) -> tuple[str, ...]:
    """The ops that are called as the operation is, that name it as one that could serve, or whose gap names it."""
    words = operation.lower().split("_")
    name = "".join(words)
    found = []
    for card in cards:
        if card.becomes:
            continue
        base = card.op.split(".")[1] if "." in card.op else card.op
        is_named = base.strip("_").replace("_", "").lower() == name
        texts = " ".join(text for text in (card.gap, card.fix) if text).lower()
        is_missed = len(name) >= _SHORTEST_NAME and re.search(rf"\b{'[ _]?'.join(map(re.escape, words))}\b", texts)
        if is_named or operation in card.unwritten or (card.gap is not None and is_missed):
            found.append(card.op)
    return tuple(found)
