"""Operations that only move the elements of one tensor, RESHAPE and TRANSPOSE: what they do, and one in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.runs.one_permutation import Rearrangement, RearrangementTracker
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.model_draft import Draft, DraftOperation, OperandId
from nnapi_check.lowering.emission.tensor_spec import TensorSpec
from nnapi_check.lowering.nnapi.model import Computed

MOVES = frozenset({"RESHAPE", "TRANSPOSE"})

Moves = list[tuple[int, DraftOperation]]
"""Operations, each the only reader of the one before, with their slots."""


@dataclass(frozen=True, slots=True)
class Links:
    """Which operation makes each operand, and which alone reads it, by their slots, kept as operations change."""

    producer_of: dict[OperandId, int]
    reader_of: dict[OperandId, int]

    @classmethod
    def of(cls, draft: Draft) -> Links:
        """Those of a draft as it is."""
        return cls(draft.producers(), draft.only_readers())

    def put(self, draft: Draft, moves: Mapping[int, DraftOperation]) -> None:
        """Put moves into slots, each the only reader of the one before; what the first reads others may read too."""
        for place, (slot, move) in enumerate(sorted(moves.items())):
            draft.operations[slot] = move
            if place > 0 or move.inputs[0] in self.reader_of:
                self.reader_of[move.inputs[0]] = slot
            self.producer_of.update(dict.fromkeys(move.outputs, slot))

    def before(self, draft: Draft, slot: int, place: int = 0) -> tuple[int, DraftOperation] | None:
        """The operation that makes an input of another, and its slot, where nothing else reads what it makes."""
        operation = draft.operations[slot]
        read = None if operation is None else operation.inputs[place]
        found = None if read is None or self.reader_of.get(read) != slot else self.producer_of.get(read)
        made = None if found is None else draft.operations[found]
        return None if found is None or made is None else (found, made)

    def after(self, draft: Draft, operand: OperandId) -> tuple[int, DraftOperation] | None:
        """The operation that alone reads an operand, and its slot."""
        found = self.reader_of.get(operand)
        made = None if found is None else draft.operations[found]
        return None if found is None or made is None else (found, made)


def order_of(draft: Draft, transpose: DraftOperation) -> tuple[int, ...] | None:
    """The order of dimensions that a TRANSPOSE gives; None where it is not written in the model."""
    numbers = draft.numbers(transpose.inputs[1])
    return None if numbers is None else tuple(map(int, numbers))


def follow(tracker: RearrangementTracker, draft: Draft, move: DraftOperation, outer: tuple[int, ...] = ()) -> bool:
    """Let a tracker take a move of the dimensions that come after ``outer``; False where it cannot."""
    if move.kind == "RESHAPE":
        return tracker.reshape((*outer, *draft.operands[move.outputs[0]].spec.shape))
    order = order_of(draft, move)
    if order is None:
        return False
    tracker.permute((*range(len(outer)), *(axis + len(outer) for axis in order)))
    return True


def is_reshape(found: Rearrangement) -> bool:
    """Whether all elements keep their order."""
    return found.order == tuple(range(len(found.order)))


def is_writable(found: Rearrangement) -> bool:
    """Whether NNAPI has tensors of enough dimensions for it."""
    return len(found.before) <= MAX_RANK


def move_operations(
    draft: Draft, found: Rearrangement, source: OperandId, made: OperandId, node: int
) -> Iterator[DraftOperation]:
    """The operations that rearrange ``source`` into ``made``: a TRANSPOSE, a RESHAPE before and after it if needed."""
    spec = draft.operands[source].spec
    if is_reshape(found):
        yield _reshape(draft, source, made, node)
        return
    if spec.shape != found.before:
        whole = draft.add(replace(spec, shape=found.before), Computed())
        yield _reshape(draft, source, whole, node)
        source = whole
    turned = tuple(found.before[axis] for axis in found.order)
    result = made if found.after == turned else draft.add(replace(spec, shape=turned), Computed())
    yield DraftOperation("TRANSPOSE", (source, int32_vector(draft, found.order)), (result,), node)
    if result != made:
        yield _reshape(draft, result, made, node)


def _reshape(draft: Draft, source: OperandId, made: OperandId, node: int) -> DraftOperation:
    return DraftOperation("RESHAPE", (source, int32_vector(draft, draft.operands[made].spec.shape)), (made,), node)


def int32_vector(draft: Draft, numbers: Sequence[int]) -> OperandId:
    """A constant vector of whole numbers."""
    return draft.immediate(TensorSpec(OperandType.TENSOR_INT32, (len(numbers),)), numbers)
