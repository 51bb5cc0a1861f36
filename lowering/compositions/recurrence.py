"""Recurrent layers step by step: the weights of each layer, and the slices of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nnapi_check.analyzer.graph import Ref, RefList
from nnapi_check.lowering.compositions.matrix_product import reshaped
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe, full


@dataclass(frozen=True, slots=True)
class CellWeights:
    """The weights of one layer in one direction: the gates' rows one after another, and a projection or None."""

    of_input: Recipe
    of_state: Recipe
    input_bias: Recipe
    state_bias: Recipe
    projection: Recipe | None = None

    def gate(self, index: int, count: int) -> CellWeights:
        """The rows of gate number ``index`` of ``count``."""
        size = self.of_input.shape[0] // count
        first, last = index * size, (index + 1) * size
        return replace(
            self,
            of_input=self.of_input.slice(0, first, last),
            of_state=self.of_state.slice(0, first, last),
            input_bias=self.input_bias.slice(0, first, last),
            state_bias=self.state_bias.slice(0, first, last),
        )


State = tuple[OperandId, ...]
"""What a cell carries from step to step: its output first."""

Step = Callable[[Emitter, OperandId, State, CellWeights], State]
"""One step of a cell: from the input of the step and the state before it to the state after it."""


def constants_in(node: NodeReader, name: str) -> list[Recipe]:
    """The recipes of a list of constant tensors."""
    return [found for found in node.constants(name) if found is not None]


def layer_weights(node: NodeReader) -> list[CellWeights]:
    """The weights of every layer and direction, in PyTorch's order."""
    params = constants_in(node, "params")
    has_biases = node.flag("has_biases")
    layers = node.integer("num_layers") * (2 if node.flag("bidirectional") else 1)
    size = len(params) // layers
    return [_cell(params[index * size : (index + 1) * size], has_biases=has_biases) for index in range(layers)]


def _cell(params: Sequence[Recipe], *, has_biases: bool) -> CellWeights:
    of_input, of_state, *rest = params
    zeros = full((of_input.shape[0],), 0.0, of_input.dtype)
    biases, projection = (rest[:2], rest[2:]) if has_biases else ([zeros, zeros], rest)
    return CellWeights(of_input, of_state, biases[0], biases[1], projection[0] if projection else None)


def cell_arguments(node: NodeReader) -> CellWeights:
    """The weights of an op that is one step of one cell."""
    of_input, of_state = node.constant("w_ih"), node.constant("w_hh")
    zeros = full((of_input.shape[0],), 0.0, of_input.dtype)
    biases = [node.constant(name) if node.has(name) else zeros for name in ("b_ih", "b_hh")]
    return CellWeights(of_input, of_state, biases[0], biases[1])


def first_states(emit: Emitter) -> list[list[OperandId]]:
    """For each part of the state, its first value in every layer and direction, as matrices [batch, cells]."""
    found = emit.node.argument("hx")
    values = found.values if isinstance(found, RefList) else (found.value,) if isinstance(found, Ref) else ()
    operands = emit.inputs_of("hx") if isinstance(found, RefList) else (emit.input("hx"),)
    return [
        _matrices(emit, value, operand)
        for value, operand in zip((value for value in values if value is not None), operands, strict=True)
    ]


def _matrices(emit: Emitter, value: int, operand: OperandId) -> list[OperandId]:
    spec = emit.spec(operand)
    count, *shape = spec.shape
    if emit.node.is_constant_value(value):
        recipe = emit.node.constant_value(value)
        return [emit.weight(recipe.select(0, index)) for index in range(count)]
    if count == 1:
        return [reshaped(emit, operand, tuple(shape))]
    return [cut(emit, operand, 0, index) for index in range(count)]


def cut(emit: Emitter, x: OperandId, axis: int, index: int) -> OperandId:
    """One slice of a tensor of rank 3 along an axis, without that axis."""
    spec = emit.spec(x)
    begin = tuple(index if place == axis else 0 for place in range(3))
    end = tuple(index + 1 if place == axis else size for place, size in enumerate(spec.shape))
    bounds = [emit.int32_tensor(bound) for bound in (begin, end, (1, 1, 1))]
    shape = tuple(size for place, size in enumerate(spec.shape) if place != axis)
    masks = [emit.int32(0), emit.int32(0), emit.int32(1 << axis)]
    return emit.operation("STRIDED_SLICE", [x, *bounds, *masks], replace(spec, shape=shape))


def joined(emit: Emitter, pieces: Sequence[OperandId], axis: int) -> OperandId:
    """Matrices one after another along an axis: itself where there is one."""
    if len(pieces) == 1:
        return pieces[0]
    spec = emit.spec(pieces[0])
    size = sum(emit.spec(piece).shape[axis] for piece in pieces)
    shape = tuple(size if place == axis else other for place, other in enumerate(spec.shape))
    return emit.operation("CONCATENATION", [*pieces, emit.int32(axis)], replace(spec, shape=shape))


def run_layers(emit: Emitter, step: Step) -> tuple[OperandId, ...]:
    """Every layer, direction and step of the node: its outputs, and the last states."""
    axis = 1 if emit.node.flag("batch_first") else 0
    x = emit.input("input")
    count = emit.spec(x).shape[axis]
    rows = [cut(emit, x, axis, index) for index in range(count)]
    cells = layer_weights(emit.node)
    parts = first_states(emit)
    directions = 2 if emit.node.flag("bidirectional") else 1
    last: list[State] = []
    for first in range(0, len(cells), directions):
        runs = []
        for direction in range(directions):
            place = first + direction
            state = tuple(part[place] for part in parts)
            outputs, state = _run(emit, step, rows, state, cells[place], is_backward=direction == 1)
            last.append(state)
            runs.append(outputs)
        rows = [joined(emit, pieces, 1) for pieces in zip(*runs, strict=True)]
    output = reshaped(emit, joined(emit, rows, axis), emit.output_spec().shape)
    finals = zip(*last, strict=True)
    return (output, *(_stacked(emit, pieces, index) for index, pieces in enumerate(finals, start=1)))


def _run(
    emit: Emitter, step: Step, rows: Sequence[OperandId], state: State, cell: CellWeights, *, is_backward: bool
) -> tuple[list[OperandId], State]:
    outputs = []
    for row in reversed(rows) if is_backward else rows:
        state = step(emit, row, state, cell)
        outputs.append(state[0])
    return (outputs[::-1] if is_backward else outputs), state


def _stacked(emit: Emitter, pieces: Sequence[OperandId], output: int) -> OperandId:
    return reshaped(emit, joined(emit, pieces, 0), emit.output_spec(output).shape)
