"""Gated recurrent units: products with the input for all steps at once, products with the state for each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nnapi_check.analyzer.graph import Ref
from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.matrix_product import reshaped, row_product
from nnapi_check.lowering.compositions.recurrence import CellWeights, cell_arguments, joined, layer_weights
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Recipe, full

Pieces = Callable[[Emitter, OperandId, int], list[OperandId]]
"""Takes a matrix apart into so many, of as many rows each, one after another."""


@dataclass(frozen=True, slots=True)
class Writing:
    """With which operations units are written: how rows are cut, whether both gates share products until they are cut
    as columns, and what one tensor less another is."""

    pieces: Pieces
    are_gates_joined: bool
    difference: Callable[[Elementwise, OperandId, OperandId], OperandId]


def _by_split(emit: Emitter, matrix: OperandId, count: int) -> list[OperandId]:
    return _split(emit, matrix, 0, count)


def _split(emit: Emitter, matrix: OperandId, axis: int, count: int) -> list[OperandId]:
    if count == 1:
        return [matrix]
    spec = emit.spec(matrix)
    shape = tuple(size // count if place == axis else size for place, size in enumerate(spec.shape))
    made = emit.operations("SPLIT", [matrix, emit.int32(axis), emit.int32(count)], [replace(spec, shape=shape)] * count)
    return list(made)


def _by_lookup(emit: Emitter, matrix: OperandId, count: int) -> list[OperandId]:
    spec = emit.spec(matrix)
    size = spec.shape[0] // count
    return [_looked_up(emit, matrix, range(place * size, (place + 1) * size)) for place in range(count)]


def _looked_up(emit: Emitter, matrix: OperandId, rows: Sequence[int]) -> OperandId:
    spec = emit.spec(matrix)
    if tuple(rows) == tuple(range(spec.shape[0])):
        return matrix
    taken = replace(spec, shape=(len(rows), spec.shape[1]))
    return emit.operation("EMBEDDING_LOOKUP", [emit.int32_tensor(tuple(rows)), matrix], taken)


def _added_negated(write: Elementwise, x: OperandId, other: OperandId) -> OperandId:
    return write.add(x, write.negated(other))


SPLIT_STEPS = Writing(_by_split, are_gates_joined=True, difference=Elementwise.sub)
"""By SPLIT and SUB."""

LOOKED_UP_STEPS = Writing(_by_lookup, are_gates_joined=False, difference=_added_negated)
"""By EMBEDDING_LOOKUP alone, of all operations that came with no later level."""


def run_gated_units(emit: Emitter, writing: Writing) -> tuple[OperandId, ...]:
    """Every layer, direction and step of the node: its output, and the last states."""
    x = emit.input("input")
    *_, width = emit.spec(x).shape
    steps = _Steps(emit, writing)
    rows = reshaped(emit, x, (steps.count * steps.batch, width))
    cells, states = layer_weights(emit.node), _first_states(emit, writing)
    directions = 2 if emit.node.flag("bidirectional") else 1
    last: list[OperandId] = []
    for first in range(0, len(cells), directions):
        runs = []
        for place in range(first, first + directions):
            outputs = _run(steps, rows, states[place], cells[place], is_backward=place > first)
            last.append(outputs[0 if place > first else -1])
            runs.append(steps.together(outputs))
        rows = joined(emit, runs, 1)
    finals = reshaped(emit, joined(emit, last, 0), emit.output_spec(1).shape)
    return reshaped(emit, rows, emit.output_spec().shape), finals


def run_gated_unit(emit: Emitter, writing: Writing) -> tuple[OperandId, ...]:
    """The one step of the node: its state after it."""
    unit = _Unit.of(emit, writing, cell_arguments(emit.node))
    return (unit.step(emit.input("hx"), unit.of_input(emit.input("input"))),)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of a sequence whose rows stand in a matrix: step after step, or, batch first, all of one after those
    of another."""

    emit: Emitter
    writing: Writing

    @property
    def _is_batch_first(self) -> bool:
        return self.emit.node.flag("batch_first")

    @property
    def count(self) -> int:
        """How many there are."""
        return self.emit.node.type_of("input").shape[1 if self._is_batch_first else 0]

    @property
    def batch(self) -> int:
        """How many rows there are in each."""
        return self.emit.node.type_of("input").shape[0 if self._is_batch_first else 1]

    def apart(self, matrix: OperandId) -> list[OperandId]:
        """A matrix for each step."""
        emit, (rows, width) = self.emit, self.emit.spec(matrix).shape
        if not self._is_batch_first or self.batch == 1:
            return self.writing.pieces(emit, matrix, self.count)
        if self.writing.pieces is _by_split:
            return _split(emit, reshaped(emit, matrix, (self.batch, self.count * width)), 1, self.count)
        return [_looked_up(emit, matrix, range(step, rows, self.count)) for step in range(self.count)]

    def together(self, matrices: Sequence[OperandId]) -> OperandId:
        """The matrix of all steps."""
        if not self._is_batch_first or self.batch == 1:
            return joined(self.emit, matrices, 0)
        width = self.emit.spec(matrices[0]).shape[1]
        return reshaped(self.emit, joined(self.emit, matrices, 1), (self.count * self.batch, width))


def _first_states(emit: Emitter, writing: Writing) -> list[OperandId]:
    """The first state of every layer and direction, as matrices [batch, units]."""
    found = emit.node.argument("hx")
    count, batch, units = emit.node.type_of("hx").shape
    if isinstance(found, Ref) and emit.node.is_constant_value(found.value):
        recipe = emit.node.constant_value(found.value)
        return [emit.weight(recipe.select(0, index)) for index in range(count)]
    return writing.pieces(emit, reshaped(emit, emit.input("hx"), (count * batch, units)), count)


def _run(steps: _Steps, rows: OperandId, state: OperandId, cell: CellWeights, *, is_backward: bool) -> list[OperandId]:
    """The state after each step, in the order of the steps."""
    emit = steps.emit
    unit = _Unit.of(emit, steps.writing, cell)
    of_input = list(zip(*map(steps.apart, unit.of_input(rows)), strict=True))
    outputs = []
    for products in reversed(of_input) if is_backward else of_input:
        state = unit.step(state, products)
        outputs.append(state)
    return outputs[::-1] if is_backward else outputs


@dataclass(frozen=True, slots=True)
class _Unit:
    """One layer in one direction: the weights of its gates, reset and update joined or apart, and of what is new.

    The biases of gates stand with the input; of what is new each side has its own, for reset scales that of the state.
    """

    emit: Emitter
    writing: Writing
    gates: tuple[CellWeights, ...]

    @classmethod
    def of(cls, emit: Emitter, writing: Writing, cell: CellWeights) -> _Unit:
        """The unit of these weights."""
        size = cell.of_state.shape[1]
        ends = (0, 2 * size, 3 * size) if writing.are_gates_joined else (0, size, 2 * size, 3 * size)
        *gates, new = (_rows(cell, first, last) for first, last in pairwise(ends))
        made = [
            replace(
                gate,
                input_bias=gate.input_bias + gate.state_bias,
                state_bias=full(gate.state_bias.shape, 0.0, gate.state_bias.dtype),
            )
            for gate in gates
        ]
        return cls(emit, writing, (*made, new))

    def of_input(self, x: OperandId) -> list[OperandId]:
        """What each gate makes of the input."""
        return [self._product(x, gate.of_input, gate.input_bias) for gate in self.gates]

    def step(self, old: OperandId, of_input: Sequence[OperandId]) -> OperandId:
        """The state after one step: new + update * (old - new), where new = tanh(of_input + reset * of_state)."""
        write = Elementwise(self.emit, old, self.emit.spec(old))
        *of_state, new_of_state = (self._product(old, gate.of_state, gate.state_bias) for gate in self.gates)
        *of_gates, new_of_input = of_input
        opened = [self._opened(left, right) for left, right in zip(of_gates, of_state, strict=True)]
        reset, update = _split(self.emit, opened[0], 1, 2) if self.writing.are_gates_joined else opened
        new = write.of("TANH", write.add(new_of_input, write.mul(reset, new_of_state)))
        return write.add(new, write.mul(update, self.writing.difference(write, old, new)))

    def _opened(self, of_input: OperandId, of_state: OperandId) -> OperandId:
        write = Elementwise(self.emit, of_input, self.emit.spec(of_input))
        return write.of("LOGISTIC", write.add(of_input, of_state))

    def _product(self, x: OperandId, matrix: Recipe, bias: Recipe) -> OperandId:
        output = replace(self.emit.spec(x), shape=(self.emit.spec(x).shape[0], matrix.shape[0]))
        return row_product(self.emit, x, self.emit.weight(matrix), self.emit.weight(bias), output)


def _rows(cell: CellWeights, first: int, last: int) -> CellWeights:
    """The weights of some rows of a cell's gates."""
    return replace(
        cell,
        of_input=cell.of_input.slice(0, first, last),
        of_state=cell.of_state.slice(0, first, last),
        input_bias=cell.input_bias.slice(0, first, last),
        state_bias=cell.state_bias.slice(0, first, last),
    )
