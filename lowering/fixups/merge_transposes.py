"""Two TRANSPOSE in a row become one, whatever RESHAPE stands between them, where one can move the elements so.

One that moves dimensions of 1 alone becomes a RESHAPE.
"""

from __future__ import annotations

from nnapi_check.analyzer.rewrites.runs.one_permutation import Rearrangement, RearrangementTracker
from nnapi_check.lowering.emission.model_draft import Draft, DraftOperation
from nnapi_check.lowering.emission.moves import MOVES, Links, follow, is_reshape, is_writable, move_operations, order_of


def merge_transposes(draft: Draft) -> bool:
    """Merge every TRANSPOSE into the one before it that nothing else reads. True if one is left out."""
    links = Links.of(draft)
    has_merged = False
    for slot, operation in list(draft.live()):
        chain = _chain(draft, links, slot) if operation.kind == "TRANSPOSE" else []
        found = _together(draft, chain) if len(chain) > 1 else None
        if found is None:
            chain = chain[-1:]
            alone = _together(draft, chain) if chain else None
            found = alone if alone is not None and is_reshape(alone) else None
        if found is None:
            continue
        has_merged = True
        first, last = chain[0][1], chain[-1][1]
        moves = list(move_operations(draft, found, first.inputs[0], last.outputs[0], last.node))
        for place, _ in chain:
            draft.operations[place] = None
        for (place, _), move in zip(chain[-len(moves) :], moves, strict=True):
            links.put(draft, place, move)
    return has_merged


def _chain(draft: Draft, links: Links, slot: int) -> list[tuple[int, DraftOperation]]:
    """From the TRANSPOSE before the one in this slot up to it, or it alone where there is none."""
    operation = draft.operations[slot]
    chain = [] if operation is None else [(slot, operation)]
    while chain and (before := links.before(draft, chain[0][0])) is not None and before[1].kind in MOVES:
        chain.insert(0, before)
        if before[1].kind == "TRANSPOSE":
            return chain
    return chain[-1:]


def _together(draft: Draft, chain: list[tuple[int, DraftOperation]]) -> Rearrangement | None:
    """What the moves of a chain do together; None where one TRANSPOSE cannot."""
    moves = [move for _, move in chain]
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
