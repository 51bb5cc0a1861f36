"""Two TRANSPOSE in a row become one, whatever RESHAPE stands between them, where one can move the elements so.

One that moves dimensions of 1 alone becomes a RESHAPE.
"""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.analyzer.rewrites.runs.one_permutation import Rearrangement, RearrangementTracker
from nnapi_check.lowering.emission.model_draft import Draft, DraftOperation
from nnapi_check.lowering.emission.moves import (
    MOVES,
    Links,
    Moves,
    follow,
    is_reshape,
    is_writable,
    move_operations,
    order_of,
)


def merge_transposes(draft: Draft) -> bool:
    """Merge every TRANSPOSE into the one before it that nothing else reads. True if one is left out."""
    links = Links.of(draft)
    has_merged = False
    for slot, operation in list(draft.live()):
        chain = _merged(draft, _chain(draft, links, slot, operation)) if operation.kind == "TRANSPOSE" else None
        if chain is None:
            continue
        has_merged = True
        places, moves = chain
        for place in places:
            draft.operations[place] = None
        links.put(draft, dict(zip(places[-len(moves) :], moves, strict=True)))
    return has_merged


def _chain(draft: Draft, links: Links, slot: int, last: DraftOperation) -> Moves:
    """From the TRANSPOSE before the one in this slot up to it, or it alone where there is none."""
    chain = [(slot, last)]
    while (before := links.before(draft, chain[0][0])) is not None and before[1].kind in MOVES:
        chain.insert(0, before)
        if before[1].kind == "TRANSPOSE":
            return chain
    return chain[-1:]


def _merged(draft: Draft, chain: Moves) -> tuple[list[int], list[DraftOperation]] | None:
    """The slots of a chain, or of its last alone, and fewer TRANSPOSE in their place; None where there are none."""
    for moves in (chain, chain[-1:]):
        found = _together(draft, [move for _, move in moves])
        if found is not None and (len(moves) > 1 or is_reshape(found)):
            (_, first), (_, last) = moves[0], moves[-1]
            written = move_operations(draft, found, first.inputs[0], last.outputs[0], last.node)
            return [slot for slot, _ in moves], list(written)
    return None


def _together(draft: Draft, moves: Sequence[DraftOperation]) -> Rearrangement | None:
    """What moves do one after the other; None where one TRANSPOSE cannot."""
    shape = draft.operands[moves[0].inputs[0]].spec.shape
    tracker = RearrangementTracker(shape)
    if not all(follow(tracker, draft, move) for move in moves):
        return None
    found = tracker.found()
    if is_reshape(found) or len(moves) != 2:
        return found if is_writable(found) else None
    # Two orders are one order, of dimensions of 1 as well.
    first, second = (order_of(draft, move) for move in moves)
    if first is None or second is None:
        return None
    order = tuple(first[axis] for axis in second)
    return Rearrangement(shape, order, tuple(shape[axis] for axis in order))
