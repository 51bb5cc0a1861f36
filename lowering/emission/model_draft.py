"""An NNAPI model while it is being built: operands and operations that fixups may still change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.tensor_spec import TensorSpec, packed_numbers
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
)

OperandId = int
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Constant:
    """The operand's value is what a recipe makes of the module's weights."""

    recipe: Recipe


DraftSource = ModelInput | Computed | Immediate | NoValue | Constant


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
    """A model, the recipes of its numbered buffers, and where each of the draft's operands went."""

    model: Model
    buffers: tuple[Recipe, ...]
    operand_of: dict[OperandId, int]
    node_of: tuple[int, ...]


class Draft:
    """A model under construction. Operation slots are stable: a removed operation leaves None behind."""

    def __init__(self) -> None:
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
            case ModelInput() | Computed() | NoValue():
                return self._append(spec, source)

    def immediate(self, spec: TensorSpec, numbers: Sequence[float]) -> OperandId:
        """Add an operand whose few numbers, as they are stored, stand in the model itself."""
        return self.add(spec, Immediate(packed_numbers(numbers, spec.type)))

    def _append(self, spec: TensorSpec, source: DraftSource) -> OperandId:
        self.operands.append(DraftOperand(spec, source))
        return len(self.operands) - 1

    def _shared(self, known: dict[K, OperandId], key: K, spec: TensorSpec, source: DraftSource) -> OperandId:
        if key not in known:
            known[key] = self._append(spec, source)
        return known[key]

    def only_readers(self) -> dict[OperandId, int]:
        """The slot of the operation that alone reads an operand, once, for those that are read so."""
        times = Counter(self.outputs)
        found: dict[OperandId, int] = {}
        for slot, operation in self.live():
            times.update(operation.inputs)
            found.update((operand, slot) for operand in operation.inputs)
        return {operand: slot for operand, slot in found.items() if times[operand] == 1}

    def live(self) -> Iterator[tuple[int, DraftOperation]]:
        """Every operation that has not been removed, with its slot."""
        for slot, operation in enumerate(self.operations):
            if operation is not None:
                yield slot, operation

    def finish(self, *, relaxed: bool) -> FinishedModel:
        """Number what is in use, and make the model."""
        used = set(self.inputs) | set(self.outputs)
        for _, operation in self.live():
            used.update(operation.inputs)
            used.update(operation.outputs)
        operand_of = {old: new for new, old in enumerate(sorted(used))}
        buffers: list[Recipe] = []
        operands = tuple(self._operand(self.operands[old], buffers) for old in operand_of)
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
        return FinishedModel(model, tuple(buffers), operand_of, tuple(operation.node for operation in live))

    def _operand(self, draft: DraftOperand, buffers: list[Recipe]) -> Operand:
        spec = draft.spec
        match draft.source:
            case Constant(recipe):
                buffers.append(recipe)
                source: Buffer | Immediate | ModelInput | Computed | NoValue = Buffer(
                    len(buffers) - 1, 0, recipe.byte_length
                )
            case ModelInput() | Computed() | NoValue() | Immediate():
                source = draft.source
        return Operand(spec.type, spec.shape, source, spec.quant, spec.channels)
