"""From the C library's model and arguments to ours."""

from __future__ import annotations

import ctypes
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.host_runtime.bindings import (
    ArgumentState,
    ArgumentStruct,
    ModelStruct,
    OperandSource,
    OperandStruct,
    OperationStruct,
)
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Buffer,
    ChannelQuantParams,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    QuantParams,
    Reference,
    Shape,
    Source,
)

COPIED_BYTES = 128
"""Values up to this size become part of the model, as NNAPI's setOperandValue has it."""

_Struct = TypeVar("_Struct", bound=ctypes.Structure)


@dataclass(frozen=True, slots=True)
class FinishedModel:
    """A model that was handed over whole, the buffers that its weights lie in, and the level it is held against.

    The buffers are views of the caller's memory, which NNAPI obliges the caller to keep. ``order`` gives for each
    operation its place among the caller's, who may add them in any order.
    """

    model: Model
    buffers: tuple[Array, ...]
    level: int
    order: tuple[int, ...]


@dataclass(slots=True)
class _Outside:
    """What a model shares: buffers, and the models it refers to, by the C library's number of them."""

    finished: Mapping[int, FinishedModel]
    buffers: list[Array] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)

    def borrow(self, address: int, length: int) -> Buffer:
        """A numbered buffer over the caller's memory."""
        self.buffers.append(view_bytes(address, length))
        return Buffer(len(self.buffers) - 1, 0, length)

    def refer(self, model_id: int) -> Reference:
        """A reference to a finished model, whose own references and buffers are numbered anew."""
        if model_id not in self.places:
            finished = self.finished[model_id]
            first_model = len(self.models)
            first_buffer = len(self.buffers)
            for model in (replace(finished.model, referenced=()), *finished.model.referenced):
                operands = tuple(_renumber(operand, first_model + 1, first_buffer) for operand in model.operands)
                self.models.append(replace(model, operands=operands))
            self.buffers.extend(finished.buffers)
            self.places[model_id] = first_model
        return Reference(self.places[model_id])


def read_model(struct: ModelStruct, names: Mapping[int, str], finished: Mapping[int, FinishedModel]) -> FinishedModel:
    """The model that the C library holds. An operation whose code has no name is named by the code."""
    outside = _Outside(finished)
    operands = tuple(
        _operand(operand, outside) for operand in _structs(struct.operands, OperandStruct, struct.operand_count)
    )
    operations = tuple(
        Operation(
            names.get(operation.code, f"operation code {operation.code}"),
            read_words(operation.inputs, operation.input_count),
            read_words(operation.outputs, operation.output_count),
        )
        for operation in _structs(struct.operations, OperationStruct, struct.operation_count)
    )
    order = run_order(operands, operations)
    model = Model(
        operands=operands,
        operations=tuple(operations[place] for place in order),
        inputs=read_words(struct.inputs, struct.input_count),
        outputs=read_words(struct.outputs, struct.output_count),
        referenced=tuple(outside.models),
        relaxed=struct.is_relaxed != 0,
    )
    return FinishedModel(model, tuple(outside.buffers), struct.level, order)


def run_order(operands: Sequence[Operand], operations: Sequence[Operation]) -> tuple[int, ...]:
    """An order in which every operation comes after those whose results it reads; as given wherever that serves.

    Operations that can never run, for they read their own results, come last: the validator will name them.
    """
    waiting_for: list[set[int]] = []
    readers: dict[int, list[int]] = {}
    for place, operation in enumerate(operations):
        reads = {index for index in operation.inputs if isinstance(operands[index].source, Computed)}
        waiting_for.append(reads)
        for index in reads:
            readers.setdefault(index, []).append(place)
    ready = [place for place, reads in enumerate(waiting_for) if not reads]
    order = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for index in operations[place].outputs:
            for reader in readers.pop(index, []):
                waiting_for[reader].discard(index)
                if not waiting_for[reader]:
                    heapq.heappush(ready, reader)
    stuck = set(range(len(operations))) - set(order)
    return (*order, *sorted(stuck))


def read_argument(argument: ArgumentStruct, kind: OperandType) -> Array | None:
    """An input as an array over the caller's memory, or None where it is omitted."""
    if argument.state != ArgumentState.GIVEN or argument.data is None:
        return None
    data = view_bytes(argument.data, argument.length)
    shape = read_words(argument.dimensions, argument.rank)
    dtype = NUMPY_TYPES[kind]
    # Any byte but 0 is true; a view as bool would keep the odd bytes.
    typed: Array = data != 0 if dtype.kind == "b" else data.view(dtype)
    return typed.reshape(shape)


def read_arguments(address: int | None, count: int) -> Iterator[ArgumentStruct]:
    """The inputs or outputs of an execution."""
    return _structs(address, ArgumentStruct, count)


def read_words(address: int | None, count: int) -> tuple[int, ...]:
    """``count`` unsigned words."""
    if address is None or count == 0:
        return ()
    return tuple((ctypes.c_uint32 * count).from_address(address))


def view_bytes(address: int, length: int) -> Array:
    """A read-only array over foreign memory."""
    array = np.ctypeslib.as_array((ctypes.c_uint8 * length).from_address(address))
    array.flags.writeable = False
    return array


def _structs(address: int | None, kind: type[_Struct], count: int) -> Iterator[_Struct]:
    if address is not None:
        yield from (kind * count).from_address(address)


def _operand(struct: OperandStruct, outside: _Outside) -> Operand:
    kind = OperandType(struct.type)
    channels = None
    if struct.channel_scales is not None:
        scales = (ctypes.c_float * struct.channel_count).from_address(struct.channel_scales)
        channels = ChannelQuantParams(tuple(scales), struct.channel_dim)
    return Operand(
        type=kind,
        shape=_shape(kind, read_words(struct.dimensions, struct.rank)),
        source=_source(struct, outside),
        quant=QuantParams(struct.scale, struct.zero_point),
        channels=channels,
    )


def _shape(kind: OperandType, dims: tuple[int, ...]) -> Shape:
    if kind.is_tensor and not dims:
        return UNKNOWN_RANK
    return tuple(size or UNSPECIFIED for size in dims)


def _source(struct: OperandStruct, outside: _Outside) -> Source:
    match OperandSource(struct.source):
        case OperandSource.COMPUTED | OperandSource.OUTPUT:
            return Computed()
        case OperandSource.INPUT:
            return ModelInput()
        case OperandSource.COPIED:
            return Immediate(b"" if struct.value is None else ctypes.string_at(struct.value, struct.length))
        case OperandSource.BORROWED:
            return NoValue() if struct.value is None else _borrow(struct.value, struct.length, outside)
        case OperandSource.OMITTED:
            return NoValue()
        case OperandSource.MODEL:
            return outside.refer(struct.model_id)


def _borrow(address: int, length: int, outside: _Outside) -> Source:
    # A scalar in the caller's memory is read at once, for the validator wants to know its value.
    if length <= COPIED_BYTES:
        return Immediate(ctypes.string_at(address, length))
    return outside.borrow(address, length)


def _renumber(operand: Operand, first_model: int, first_buffer: int) -> Operand:
    match operand.source:
        case Reference(model):
            return replace(operand, source=Reference(first_model + model))
        case Buffer(index, offset, length):
            return replace(operand, source=Buffer(first_buffer + index, offset, length))
        case _:
            return operand
