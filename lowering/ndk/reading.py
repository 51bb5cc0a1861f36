"""Reading a model file, which anyone may have written: what does not hold together is refused in a sentence."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import TypeVar

import numpy as np

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerTensor, TensorType
from nnapi_check.coverage_db.spec import OperandType, Preference
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS
from nnapi_check.lowering.ndk.model_file_generated import (
    InputT,
    ModelT,
    OperandT,
    OperationT,
    Origin,
    OutputT,
    ProgramT,
    Source,
    TensorT,
)
from nnapi_check.lowering.ndk.program import (
    ALIGNMENT,
    UNREAD,
    AtPlace,
    Crossing,
    PassedOn,
    Program,
    ProgramInput,
    ProgramOutput,
    Region,
    Stored,
)
from nnapi_check.lowering.ndk.writing import CHECKED_BYTES, ELEMENTS, HEADER, HEADER_BYTES, IDENTIFIER, MAGIC, VERSION
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
)
from nnapi_check.lowering.nnapi.model import Source as ValueSource

T = TypeVar("T")
_STORED_BYTES = {
    ElementType.FLOAT32: 4,
    ElementType.FLOAT16: 2,
    ElementType.INT64: 8,
    ElementType.INT32: 4,
    ElementType.BOOL: 1,
    ElementType.QUINT8: 1,
    ElementType.QINT8: 1,
}
_ELEMENT_TYPES = {code: element for element, code in ELEMENTS.items()}


class _DamagedError(Exception):
    """What is wrong with a file."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that was read. ``weights`` lie in the file until they are looked at."""

    path: Path
    program: Program
    weights: Region


def is_model_file(path: Path) -> bool:
    """Whether a file begins as model files do."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_program(path: Path, names: Mapping[int, str]) -> ModelFile:
    """Read a model file. ``names`` gives the name of every operation by code. Raises ``InputError``."""
    try:
        structure, weights = _regions(path)
        return ModelFile(path, _program(structure, len(weights), names), weights)
    except _DamagedError as error:
        raise InputError(f"{path} is a damaged model file: {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _regions(path: Path) -> tuple[bytes, Region]:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
            raise _DamagedError("it does not begin as one")
        if zlib.crc32(header[:CHECKED_BYTES]) != int.from_bytes(header[CHECKED_BYTES:], "little"):
            raise _DamagedError("its header does not have its checksum")
        _, version, _, start, length, weights_start, weights_length, checksum, _, _ = HEADER.unpack_from(header)
        if version != VERSION:
            raise _DamagedError(f"its version is {version}, wanted {VERSION}")
        is_ordered = HEADER_BYTES <= start <= start + length <= weights_start
        if not is_ordered or weights_start + weights_length != size or start % ALIGNMENT or weights_start % ALIGNMENT:
            raise _DamagedError("its regions are not where they can be")
        file.seek(start)
        structure = file.read(length)
    if zlib.crc32(structure) != checksum:
        raise _DamagedError("its structure does not have its checksum")
    if weights_length == 0:
        return structure, np.empty(0, np.uint8)
    return structure, np.memmap(path, np.uint8, "c", offset=weights_start, shape=(weights_length,))


def _program(structure: bytes, weights_length: int, names: Mapping[int, str]) -> Program:
    if structure[4:8] != IDENTIFIER:
        raise _DamagedError("its structure is of another kind")
    try:
        table = ProgramT.InitFromPackedBuf(structure)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError) as error:
        # The library checks nothing, and fails as Python does where it is led out of the buffer.
        raise _DamagedError("its structure does not hold together") from error
    models = _all(table.models)
    if not models:
        raise _DamagedError("it holds no model")
    reader = _Reader(names, weights_length, len(models))
    read = [reader.model(model, number) for number, model in enumerate(models)]
    main = Model(
        read[0].operands,
        read[0].operations,
        read[0].inputs,
        read[0].outputs,
        referenced=tuple(read[1:]),
        relaxed=bool(table.relaxed),
    )
    inputs = tuple(reader.input(item, main) for item in _all(table.inputs))
    if table.preference not in set(Preference):
        raise _DamagedError(f"it asks for preference {table.preference}, which NNAPI does not have")
    return Program(
        level=int(table.featureLevel),
        model=main,
        places=tuple(tuple(_text(operation.place) for operation in _all(model.operations)) for model in models),
        inputs=inputs,
        outputs=tuple(reader.output(item, main, len(inputs)) for item in _all(table.outputs)),
        notes=_text(table.notes),
        preference=Preference(table.preference),
        producer=_text(table.producer),
    )


class _Reader:
    """Reads the tables of one file, whose numbers it holds against each other."""

    def __init__(self, names: Mapping[int, str], weights_length: int, models: int) -> None:
        self._names = names
        self._weights_length = weights_length
        self._models = models

    def model(self, table: ModelT, number: int) -> Model:
        operands = tuple(self._operand(item, number) for item in _all(table.operands))
        count = len(operands)
        return Model(
            operands,
            tuple(self._operation(item, count) for item in _all(table.operations)),
            _indices(table.inputs, count),
            _indices(table.outputs, count),
        )

    def _operation(self, table: OperationT, count: int) -> Operation:
        name = self._names.get(int(table.code))
        if name is None:
            raise _DamagedError(f"it has an operation of code {table.code}, which NNAPI does not have")
        return Operation(name, _indices(table.inputs, count), _indices(table.outputs, count))

    def _operand(self, table: OperandT, number: int) -> Operand:
        code = int(table.type)
        if code not in set(OperandType):
            raise _DamagedError(f"it has an operand of type {code}, which NNAPI does not have")
        kind = OperandType(code)
        channels = None
        if table.channelScales is not None:
            channels = ChannelQuantParams(tuple(float(scale) for scale in table.channelScales), int(table.channelDim))
        scale = float(table.scale)
        if not isfinite(scale) or not all(map(isfinite, channels.scales if channels else ())):
            raise _DamagedError(f"it has an operand of scale {scale}")
        shape = _shape(kind, _numbers(table.dimensions))
        quant = QuantParams(scale, int(table.zeroPoint))
        return Operand(kind, shape, self._source(table, kind, shape, number), quant, channels)

    def _source(self, table: OperandT, kind: OperandType, shape: Shape, number: int) -> ValueSource:
        match int(table.source):
            case Source.Computed:
                return Computed()
            case Source.Given:
                return ModelInput()
            case Source.Omitted:
                return NoValue()
            case Source.Immediate:
                data = bytes(_numbers(table.bytes))
                _demand_length(kind, shape, len(data))
                return Immediate(data)
            case Source.Weights:
                offset, length = int(table.offset), int(table.length)
                self._demand_inside(offset, length)
                _demand_length(kind, shape, length)
                return Buffer(0, offset, length)
            case Source.Model if number < int(table.model) < self._models:
                return Reference(int(table.model) - 1)
            case _:
                raise _DamagedError("it has an operand whose value comes from nowhere")

    def _demand_inside(self, offset: int, length: int) -> None:
        if offset + length > self._weights_length:
            raise _DamagedError(f"it has {self._weights_length} bytes of weights, and uses {offset + length}")

    def input(self, table: InputT, main: Model) -> ProgramInput:
        if table.place is None:
            return ProgramInput(_crossing(table.tensor), UNREAD)
        return ProgramInput(_crossing(table.tensor), _place(int(table.place), len(main.inputs)))

    def output(self, table: OutputT, main: Model, inputs: int) -> ProgramOutput:
        crossing = _crossing(table.tensor)
        origin: AtPlace | PassedOn | Stored
        match int(table.origin):
            case Origin.Computed:
                origin = _place(int(table.place), len(main.outputs))
            case Origin.Passed:
                origin = PassedOn(_place(int(table.place), inputs).place)
            case Origin.Stored:
                origin = Stored(int(table.offset), int(table.length))
                self._demand_inside(origin.offset, origin.length)
                if origin.length != prod(crossing.kind.shape) * _STORED_BYTES[crossing.kind.dtype]:
                    raise _DamagedError("it has a constant of another length")
            case _:
                raise _DamagedError("it has an output that comes from nowhere")
        return ProgramOutput(crossing, origin)


def _crossing(table: TensorT | None) -> Crossing:
    if table is None or int(table.element) not in _ELEMENT_TYPES:
        raise _DamagedError("it has a tensor that PyTorch does not have")
    dtype = _ELEMENT_TYPES[int(table.element)]
    shape, order = _numbers(table.shape), _numbers(table.permutation)
    if order and sorted(order) != list(range(len(shape))):
        raise _DamagedError(f"it has a tensor whose dimensions are ordered {order}")
    is_quantized = dtype in (ElementType.QUINT8, ElementType.QINT8)
    quant = PerTensor(float(table.scale), int(table.zeroPoint)) if is_quantized else NOT_QUANTIZED
    return Crossing(_text(table.name), TensorType(dtype, shape, quant), order)


def _place(place: int, count: int) -> AtPlace:
    if place >= count:
        raise _DamagedError(f"it names place {place} of {count}")
    return AtPlace(place)


def _shape(kind: OperandType, sizes: tuple[int, ...]) -> Shape:
    if kind.is_tensor and not sizes:
        return UNKNOWN_RANK
    return tuple(size or UNSPECIFIED for size in sizes)


def _demand_length(kind: OperandType, shape: Shape, length: int) -> None:
    element = ELEMENT_STRUCTS.get(kind)
    sizes = shape if isinstance(shape, tuple) else (UNSPECIFIED,)
    known = [size for size in sizes if isinstance(size, int)]
    if element is None or len(known) != len(sizes) or prod(known) * element.size != length:
        raise _DamagedError(f"it has a constant of type {kind.name} with {length} bytes, which it cannot have")


def _indices(found: Sequence[int] | None, count: int) -> tuple[int, ...]:
    indices = _numbers(found)
    if any(index >= count for index in indices):
        raise _DamagedError(f"it names operand {max(indices)} of {count}")
    return indices


def _numbers(found: Sequence[int] | None) -> tuple[int, ...]:
    # The library gives an integer for a vector of no elements.
    return () if found is None or isinstance(found, int) else tuple(int(number) for number in found)


def _all(tables: Sequence[T] | None) -> tuple[T, ...]:
    return tuple(_present(tables)) if tables is not None else ()


def _present(tables: Sequence[T]) -> Iterator[T]:
    for table in tables:
        if table is None:
            raise _DamagedError("it lacks a table")
        yield table


def _text(found: str | bytes | None) -> str:
    return found.decode("utf-8", errors="replace") if isinstance(found, bytes) else found or ""
