"""What moves the elements of every piece of a tensor alike is done once, before it is cut: queries, keys and values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nnapi_check.analyzer.rewrites.runs.one_permutation import Rearrangement, RearrangementTracker
from nnapi_check.lowering.emission.model_draft import Draft, DraftOperation, OperandId
from nnapi_check.lowering.emission.moves import MOVES, Links, Moves, follow, int32_vector, is_writable, move_operations
from nnapi_check.lowering.emission.tensor_spec import INT32_SCALAR
from nnapi_check.lowering.nnapi.model import Computed


@dataclass(frozen=True, slots=True)
class _Cut:
    """A tensor cut along an axis into pieces of one size: by a SPLIT, or by a STRIDED_SLICE for each, in order."""

    whole: OperandId
    axis: int
    pieces: tuple[OperandId, ...]
    operations: Moves


def share_moves(draft: Draft) -> None:
    """Rearrange before every cut what is rearranged alike behind it, a TRANSPOSE among it."""
    links = Links.of(draft)
    instead: dict[int, list[DraftOperation]] = {}
    for cut in list(_cuts(draft)):
        branches = _alike(draft, links, cut)
        shared = _before_cut(draft, cut, branches) if branches else None
        if shared is None:
            continue
        for slot, _ in (*cut.operations, *(move for branch in branches for move in branch)):
            draft.operations[slot] = None
        instead[min(slot for slot, _ in cut.operations)] = shared
    if instead:
        draft.operations = [found for slot, kept in enumerate(draft.operations) for found in instead.get(slot, [kept])]


def _cuts(draft: Draft) -> Iterator[_Cut]:
    slices: dict[OperandId, Moves] = {}
    times = draft.times_read()
    for slot, operation in draft.live():
        if operation.kind == "STRIDED_SLICE":
            slices.setdefault(operation.inputs[0], []).append((slot, operation))
        numbers = draft.numbers(operation.inputs[1]) if operation.kind == "SPLIT" else None
        if numbers is not None:
            axis = int(numbers[0]) % len(draft.operands[operation.inputs[0]].spec.shape)
            yield _Cut(operation.inputs[0], axis, operation.outputs, [(slot, operation)])
    for whole, found in slices.items():
        cut = _sliced(draft, whole, found) if times[whole] == len(found) > 1 else None
        if cut is not None:
            yield cut


def _sliced(draft: Draft, whole: OperandId, found: Moves) -> _Cut | None:
    """The cut that slices of one tensor make together; None where they are of several sizes, or leave anything out."""
    shape = draft.operands[whole].spec.shape
    specs = {draft.operands[operation.outputs[0]].spec for _, operation in found}
    size = next(iter(specs)).shape
    axes = [axis for axis, (dim, part) in enumerate(zip(shape, size, strict=False)) if dim != part]
    if len(specs) > 1 or len(size) != len(shape) or len(axes) != 1:
        return None
    (axis,) = axes
    begins = []
    for _, operation in found:
        begin, end, strides = (draft.numbers(operand) for operand in operation.inputs[1:4])
        masks = [draft.numbers(operand) for operand in operation.inputs[4:7]]
        if begin is None or end is None or strides != (1,) * len(shape) or any(mask != (0,) for mask in masks):
            return None
        if tuple(last - first for first, last in zip(begin, end, strict=True)) != size:
            return None
        begins.append(begin[axis])
    if sorted(begins) != list(range(0, shape[axis], size[axis])):
        return None
    ordered = [move for _, move in sorted(zip(begins, found, strict=True), key=lambda item: item[0])]
    return _Cut(whole, axis, tuple(operation.outputs[0] for _, operation in ordered), ordered)


def _alike(draft: Draft, links: Links, cut: _Cut) -> list[Moves]:
    """The moves of each piece, as far as they are the same for all, up to the last TRANSPOSE; empty where none are."""
    branches = [list(_moves(draft, links, piece)) for piece in cut.pieces]
    count = 0
    for place, moves in enumerate(zip(*branches, strict=False), start=1):
        if len({(move.kind, *move.inputs[1:]) for _, move in moves}) > 1:
            break
        if moves[0][1].kind == "TRANSPOSE":
            count = place
    return [branch[:count] for branch in branches] if count else []


def _moves(draft: Draft, links: Links, operand: OperandId) -> Iterator[tuple[int, DraftOperation]]:
    while (found := links.after(draft, operand)) is not None and found[1].kind in MOVES:
        yield found
        operand = found[1].outputs[0]


def _before_cut(draft: Draft, cut: _Cut, branches: list[Moves]) -> list[DraftOperation] | None:
    """The moves done to the whole tensor, and the cut of it; None where that needs too many dimensions."""
    pieces = tuple(branch[-1][1].outputs[0] for branch in branches)
    shape = draft.operands[pieces[0]].spec.shape
    best: tuple[int, Rearrangement] | None = None
    for axis in range(len(shape)):
        found = _moved_whole(draft, cut, [move for _, move in branches[0]], axis)
        if found is not None and (best is None or len(found.before) < len(best[1].before)):
            best = axis, found
    if best is None:
        return None
    axis, found = best
    made = draft.add(replace(draft.operands[cut.whole].spec, shape=found.after), Computed())
    first = cut.operations[0][1]
    moves = list(move_operations(draft, found, cut.whole, made, first.node))
    if first.kind == "SPLIT":
        inputs = (made, draft.immediate(INT32_SCALAR, [axis]), first.inputs[2])
        return [*moves, replace(first, inputs=inputs, outputs=pieces)]
    size = shape[axis]
    for place, (piece, (_, operation)) in enumerate(zip(pieces, cut.operations, strict=True)):
        begin, end = [0] * len(shape), list(shape)
        begin[axis], end[axis] = place * size, (place + 1) * size
        numbers = [int32_vector(draft, item) for item in (begin, end, [1] * len(shape))]
        moves.append(replace(operation, inputs=(made, *numbers, *operation.inputs[4:]), outputs=(piece,)))
    return moves


def _moved_whole(draft: Draft, cut: _Cut, moves: list[DraftOperation], axis: int) -> Rearrangement | None:
    """What makes the whole tensor of which the moved pieces are cut along ``axis``; None where NNAPI cannot."""
    shape, count = draft.operands[cut.whole].spec.shape, len(cut.pieces)
    divided = (*shape[: cut.axis], count, shape[cut.axis] // count, *shape[cut.axis + 1 :])
    tracker = RearrangementTracker(divided)
    tracker.permute((cut.axis, *(place for place in range(len(divided)) if place != cut.axis)))
    if not all(follow(tracker, draft, move, (count,)) for move in moves):
        return None
    piece = tracker.shape[1:]
    tracker.permute((*range(1, axis + 1), 0, *range(axis + 1, len(piece) + 1)))
    if not tracker.reshape((*piece[:axis], count * piece[axis], *piece[axis + 1 :])):
        return None
    found = tracker.found()
    return found if is_writable(found) else None
