"""An NNAPI model while it is being built: operands and operations that fixups may still change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.tensor_spec import TensorSpec, packed_numbers, unpacked_numbers
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    Reference,
    Source,
)

OperandId = int
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Constant:
    """The operand's value is what a recipe makes of the module's weights."""

    recipe: Recipe


DraftSource = ModelInput | Computed | Immediate | NoValue | Constant | Reference


@dataclass(frozen=True, slots=True)
class DraftOperand:
    """A tensor, or a scalar where ``spec.type`` is a scalar type."""

    spec: TensorSpec
    source: DraftSource


@dataclass(frozen=True, slots=True)
class DraftOperation:
    """One operation, and the graph's node that it was emitted for."""

    kind: str
    inputs: tuple[OperandId, ...]
    outputs: tuple[OperandId, ...]
    node: int


@dataclass(frozen=True, slots=True)
class FinishedModel:
    """A model, the recipes of its numbered buffers, and where each of the draft's operands went.

    ``node_of`` names the graph's node of each operation, ``inner_node_of`` those of the referenced models.
    """

    model: Model
    buffers: tuple[Recipe, ...]
    operand_of: dict[OperandId, int]
    node_of: tuple[int, ...]
    inner_node_of: tuple[tuple[int, ...], ...] = ()


class Draft:
    """A model under construction. Operation slots are stable: a removed operation leaves None behind.

    ``referenced`` are the drafts that IF and WHILE refer to, in this one or in one that it refers to itself.
    ``reshaped`` has for an operand that a fixup removed another with the same elements in the same order. ``optional``
    are operands of which it is not known yet whether anything reads them.
    """

    def __init__(self, referenced: list[Draft] | None = None) -> None:
        self.referenced: list[Draft] = [] if referenced is None else referenced
        self.reshaped: dict[OperandId, OperandId] = {}
        self.optional: set[OperandId] = set()
        self.operands: list[DraftOperand] = []
        self.operations: list[DraftOperation | None] = []
        self.inputs: list[OperandId] = []
        self.outputs: list[OperandId] = []
        self._immediates: dict[tuple[TensorSpec, bytes], OperandId] = {}
        self._constants: dict[tuple[TensorSpec, Recipe], OperandId] = {}

    def add(self, spec: TensorSpec, source: DraftSource) -> OperandId:
        """Add an operand. Equal constants are one operand."""
        match source:
            case Immediate(data):
                return self._shared(self._immediates, (spec, data), spec, source)
            case Constant(recipe):
                return self._shared(self._constants, (spec, recipe), spec, source)
            case ModelInput() | Computed() | NoValue() | Reference():
                return self._append(spec, source)

    def immediate(self, spec: TensorSpec, numbers: Sequence[float]) -> OperandId:
        """Add an operand whose few numbers, as they are stored, stand in the model itself."""
        return self.add(spec, Immediate(packed_numbers(numbers, spec.type)))

    def numbers(self, operand: OperandId) -> tuple[float, ...] | None:
        """The numbers of an operand as they stand in the model itself; None where they do not."""
        found = self.operands[operand]
        return unpacked_numbers(found.source.data, found.spec.type) if isinstance(found.source, Immediate) else None

    def refer(self, draft: Draft) -> OperandId:
        """Add an operand that refers to another draft, which is complete."""
        self.referenced.append(draft)
        return self.add(TensorSpec(OperandType.MODEL, ()), Reference(len(self.referenced) - 1))

    def _append(self, spec: TensorSpec, source: DraftSource) -> OperandId:
        self.operands.append(DraftOperand(spec, source))
        return len(self.operands) - 1

    def _shared(self, known: dict[K, OperandId], key: K, spec: TensorSpec, source: DraftSource) -> OperandId:
        if key not in known:
            known[key] = self._append(spec, source)
        return known[key]

    def only_readers(self) -> dict[OperandId, int]:
        """The slot of the operation that alone reads an operand, once, for those that are read so."""
        times = self.times_read()
        found = {operand: slot for slot, operation in self.live() for operand in operation.inputs}
        return {operand: slot for operand, slot in found.items() if times[operand] == 1}

    def times_read(self) -> Counter[OperandId]:
        """How many times operands are read, and given as outputs of the model."""
        times = Counter(self.outputs)
        for _, operation in self.live():
            times.update(operation.inputs)
        return times

    def producers(self) -> dict[OperandId, int]:
        """The slot of the operation that makes an operand."""
        return {made: slot for slot, operation in self.live() for made in operation.outputs}

    def holder_of(self, operand: OperandId) -> OperandId:
        """The operand that holds an operand's elements once fixups are done: itself, where it was not removed."""
        while operand in self.reshaped:
            operand = self.reshaped[operand]
        return operand

    def live(self) -> Iterator[tuple[int, DraftOperation]]:
        """Every operation that has not been removed, with its slot."""
        for slot, operation in enumerate(self.operations):
            if operation is not None:
                yield slot, operation

    def finish(self, *, relaxed: bool) -> FinishedModel:
        """Number what is in use, and make the model with all that it refers to."""
        buffers: list[Recipe] = []
        main = self._finished(buffers, relaxed=relaxed)
        inner = [draft._finished(buffers, relaxed=False) for draft in self.referenced]
        return replace(
            main,
            model=replace(main.model, referenced=tuple(found.model for found in inner)),
            buffers=tuple(buffers),
            inner_node_of=tuple(found.node_of for found in inner),
        )

    def _finished(self, buffers: list[Recipe], *, relaxed: bool) -> FinishedModel:
        """The model alone. The recipes of its constants are added to ``buffers``."""
        shared = {recipe: index for index, recipe in enumerate(buffers)}
        used = set(self.inputs) | set(self.outputs)
        for _, operation in self.live():
            used.update(operation.inputs)
            used.update(operation.outputs)
        operand_of = {old: new for new, old in enumerate(sorted(used))}
        operands = tuple(self._operand(self.operands[old], buffers, shared) for old in operand_of)
        live = [operation for _, operation in self.live()]
        model = Model(
            operands=operands,
            operations=tuple(
                Operation(
                    operation.kind,
                    tuple(operand_of[operand] for operand in operation.inputs),
                    tuple(operand_of[operand] for operand in operation.outputs),
                )
                for operation in live
            ),
            inputs=tuple(operand_of[operand] for operand in self.inputs),
            outputs=tuple(operand_of[operand] for operand in self.outputs),
            relaxed=relaxed,
        )
        return FinishedModel(model, (), operand_of, tuple(operation.node for operation in live))

    def _operand(self, draft: DraftOperand, buffers: list[Recipe], shared: Mapping[Recipe, int]) -> Operand:
        """``shared`` are the buffers that other models brought."""
        spec = draft.spec
        match draft.source:
            case Constant(recipe):
                index = shared.get(recipe)
                if index is None:
                    index = len(buffers)
                    buffers.append(recipe)
                source: Source = Buffer(index, 0, recipe.byte_length)
            case ModelInput() | Computed() | NoValue() | Immediate() | Reference():
                source = draft.source
        return Operand(spec.type, spec.shape, source, spec.quant, spec.channels)
