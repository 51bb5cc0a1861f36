"""Writing and reading the bytes that PyTorch Mobile's NNAPI loader takes (format version 1).

All words are little-endian and 4 bytes long, in this order: a header (version, and the numbers of operands,
values, operations, inputs and outputs); per operand its type, number of dimensions, scale and zero point; per
value its operand, source and length; per operation its code, number of inputs and number of outputs; then the
dimensions of all operands, the bytes of all values (each padded to 4), the inputs and outputs of all operations,
the model's inputs, and the model's outputs.

What is written is read back equal. ``relaxed`` is no part of the format: the loader takes it as an argument.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Buffer,
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
    UnknownRank,
    Unspecified,
)

VERSION = 1

COUNT_LIMIT = 1 << 24
"""The loader takes fewer than this of anything."""

BUFFER_LIMIT = 1 << 31
"""The loader keeps the size of a buffer in a signed 32-bit integer."""

FAULT_LIMIT = 20
"""Reading stops at so many faults: hostile bytes could have millions."""

SOURCE_IMMEDIATE = 0
SOURCE_NUMBERED_BUFFER = 2

_WORD_LIMIT = 1 << 32
_HEADER = struct.Struct("<6I")
_OPERAND = struct.Struct("<IIfi")
_VALUE = struct.Struct("<III")
_OPERATION = struct.Struct("<III")
_BUFFER = struct.Struct("<III")


class NotSerializableError(Exception):
    """The format cannot carry the model. ``reasons`` holds every reason, one sentence each."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("PyTorch Mobile's format cannot carry this model: " + "; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Malformed:
    """The bytes are no model. Each fault says where it lies, what was found and what was wanted."""

    faults: tuple[str, ...]


def serialize(model: Model, codes: Mapping[str, int]) -> bytes:
    """Write a model. ``codes`` gives the code of every operation by name.

    Raises ``NotSerializableError`` before anything is written where ``find_obstacles`` finds a reason.
    """
    obstacles = find_obstacles(model, codes)
    if obstacles:
        raise NotSerializableError(obstacles)
    values = [(index, _value(operand)) for index, operand in enumerate(model.operands) if operand.is_constant]
    parts = [
        _HEADER.pack(
            VERSION, len(model.operands), len(values), len(model.operations), len(model.inputs), len(model.outputs)
        )
    ]
    parts.extend(
        _OPERAND.pack(operand.type, len(_dimensions(operand)), operand.quant.scale, operand.quant.zero_point)
        for operand in model.operands
    )
    parts.extend(_VALUE.pack(index, source, len(data)) for index, (source, data) in values)
    parts.extend(
        _OPERATION.pack(codes[operation.kind], len(operation.inputs), len(operation.outputs))
        for operation in model.operations
    )
    parts.extend(_words(_dimensions(operand)) for operand in model.operands)
    parts.extend(data + bytes(-len(data) % 4) for _, (_, data) in values)
    parts.extend(_words((*operation.inputs, *operation.outputs)) for operation in model.operations)
    parts.append(_words(model.inputs))
    parts.append(_words(model.outputs))
    return b"".join(parts)


def find_obstacles(model: Model, codes: Mapping[str, int]) -> tuple[str, ...]:
    """Every reason why the format cannot carry the model; empty if it can."""
    return tuple(_find_obstacles(model, codes))


def deserialize(data: bytes, names: Mapping[int, str]) -> Model | Malformed:
    """Read a model, or say what is wrong with the bytes. ``names`` gives the name of every operation by code.

    Any bytes may be given: nothing is allocated that is not small beside ``data``. The model that is read is
    well formed; whether it obeys NNAPI is for the validator to say.
    """
    try:
        return _Reader(data, names).read()
    except _MalformedError as error:
        return Malformed(error.faults)


def _words(words: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def _dimensions(operand: Operand) -> tuple[int, ...]:
    if isinstance(operand.shape, UnknownRank):
        return ()
    return tuple(0 if isinstance(size, Unspecified) else size for size in operand.shape)


def _value(operand: Operand) -> tuple[int, bytes]:
    match operand.source:
        case Immediate(data):
            return SOURCE_IMMEDIATE, data
        case Buffer(index, offset, length):
            return SOURCE_NUMBERED_BUFFER, _BUFFER.pack(index, offset, length)
        case source:
            raise NotSerializableError((f"{type(source).__name__} is no value",))


def _find_obstacles(model: Model, codes: Mapping[str, int]) -> Iterator[str]:
    counted = (
        ("operands", model.operands),
        ("operations", model.operations),
        ("inputs", model.inputs),
        ("outputs", model.outputs),
    )
    for name, items in counted:
        if len(items) >= COUNT_LIMIT:
            yield f"it has {len(items)} {name}, and the format takes fewer than {COUNT_LIMIT}"
    if model.referenced:
        yield f"it refers to {len(model.referenced)} other models (IF, WHILE), and the format holds one"
    inputs = frozenset(model.inputs)
    for index, operand in enumerate(model.operands):
        for words in _operand_obstacles(operand, is_listed=index in inputs):
            yield f"operand {index} {words}"
    for position, operation in enumerate(model.operations):
        if operation.kind not in codes:
            yield f"operation {position} is {operation.kind}, which has no code"
    for name, indices in _index_lists(model):
        for index in indices:
            if not 0 <= index < len(model.operands):
                yield f"{name} operand {index}, and there are {len(model.operands)}"


def _index_lists(model: Model) -> Iterator[tuple[str, tuple[int, ...]]]:
    for position, operation in enumerate(model.operations):
        yield f"operation {position} {operation.kind} reads", operation.inputs
        yield f"operation {position} {operation.kind} writes", operation.outputs
    yield "the model's inputs list", model.inputs
    yield "the model's outputs list", model.outputs


def _operand_obstacles(operand: Operand, *, is_listed: bool) -> Iterator[str]:
    if operand.channels is not None:
        yield "has per-channel quantization parameters, which the format lacks"
    if operand.type is OperandType.MODEL:
        yield "is a model, which the format lacks"
    if isinstance(operand.shape, UnknownRank):
        if not operand.type.is_tensor:
            yield "is a scalar of unknown rank"
    else:
        if operand.type.is_tensor and not operand.shape:
            yield "is a tensor of rank 0, which NNAPI takes for unknown rank"
        for size in operand.shape:
            if not isinstance(size, Unspecified) and not 0 < size < _WORD_LIMIT:
                yield f"has a dimension of {size}, wanted 1 to {_WORD_LIMIT - 1}"
    yield from _quant_obstacles(operand.quant)
    yield from _source_obstacles(operand.source, is_listed=is_listed)


def _quant_obstacles(quant: QuantParams) -> Iterator[str]:
    try:
        struct.pack("<f", quant.scale)
    except OverflowError:
        yield f"has scale {quant.scale}, which is beyond float32"
    if not -(1 << 31) <= quant.zero_point < 1 << 31:
        yield f"has zero point {quant.zero_point}, which is beyond 32 bits"


def _source_obstacles(source: Source, *, is_listed: bool) -> Iterator[str]:
    match source:
        case ModelInput():
            if not is_listed:
                yield "is a model input that the model's inputs do not list"
            return
        case Computed():
            pass
        case Immediate(data):
            if len(data) >= BUFFER_LIMIT:
                yield f"holds {len(data)} bytes in the model, wanted fewer than {BUFFER_LIMIT}"
        case Buffer(number, offset, length):
            if not 0 <= number < COUNT_LIMIT:
                yield f"lies in buffer {number}, wanted 0 to {COUNT_LIMIT - 1}"
            if offset < 0 or length < 0 or offset + length >= BUFFER_LIMIT:
                yield f"lies at bytes {offset} to {offset + length} of its buffer, wanted below {BUFFER_LIMIT}"
        case NoValue():
            yield "is an omitted input, which the format cannot mark: the loader wants an address for every value"
        case Reference():
            yield "refers to a model, which the format lacks"
    if is_listed:
        yield f"is listed as a model input, but its source is {type(source).__name__}"


class _MalformedError(Exception):
    """Ends reading. It never leaves this file."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class _Header:
    operands: int
    values: int
    operations: int
    inputs: int
    outputs: int


class _Reader:
    """Reads front to back. Every count is held against the bytes that are left before it is believed."""

    def __init__(self, data: bytes, names: Mapping[int, str]) -> None:
        self._data = data
        self._names = names
        self._at = 0

    def read(self) -> Model:
        """Read the whole model, or raise with all faults of the first kind that is met."""
        header = self._header()
        operands = self._table(_OPERAND, header.operands, "operands")
        values = self._table(_VALUE, header.values, "values")
        operations = self._table(_OPERATION, header.operations, "operations")
        shapes = self._shapes(operands)
        sources = self._sources(values, header.operands)
        arguments = [self._arguments(position, *row) for position, row in enumerate(operations)]
        inputs = self._indices(header.inputs, "the model's inputs")
        outputs = self._indices(header.outputs, "the model's outputs")
        if self._at != len(self._data):
            raise _MalformedError(f"{len(self._data) - self._at} bytes are left after the model's end")
        self._refuse(self._find_faults(operands, operations, arguments, inputs, outputs, sources))
        listed = frozenset(inputs)
        return Model(
            operands=tuple(
                Operand(
                    type=OperandType(kind),
                    shape=shapes[index],
                    source=sources.get(index, ModelInput() if index in listed else Computed()),
                    quant=QuantParams(scale, zero_point),
                )
                for index, (kind, _, scale, zero_point) in enumerate(operands)
            ),
            operations=tuple(
                Operation(self._names[code], *indices)
                for (code, _, _), indices in zip(operations, arguments, strict=True)
            ),
            inputs=inputs,
            outputs=outputs,
        )

    def _header(self) -> _Header:
        version, *counts = _HEADER.unpack(self._take(_HEADER.size, "the header"))
        if version != VERSION:
            raise _MalformedError(f"the format's version is {version}, wanted {VERSION}")
        header = _Header(*counts)
        names = ("operands", "values", "operations", "inputs", "outputs")
        self._refuse(
            f"the header counts {count} {name}, wanted fewer than {COUNT_LIMIT}"
            for name, count in zip(names, counts, strict=True)
            if count >= COUNT_LIMIT
        )
        return header

    def _table(self, row: struct.Struct, count: int, name: str) -> list[tuple[int, ...]]:
        return list(row.iter_unpack(self._take(row.size * count, f"{count} {name}")))

    def _shapes(self, operands: Sequence[tuple[int, ...]]) -> list[Shape]:
        shapes: list[Shape] = []
        for index, (kind, rank, _, _) in enumerate(operands):
            dims = self._take_words(rank, f"the {rank} dimensions of operand {index}")
            is_tensor = kind in _TENSOR_TYPES
            shapes.append(UNKNOWN_RANK if is_tensor and not dims else tuple(size or UNSPECIFIED for size in dims))
        return shapes

    def _sources(self, values: Sequence[tuple[int, ...]], operand_count: int) -> dict[int, Source]:
        sources: dict[int, Source] = {}
        faults = []
        for position, (index, source, length) in enumerate(values):
            data = self._take(length, f"the {length} bytes of value {position}")
            self._take(-length % 4, f"the padding of value {position}")
            if index >= operand_count:
                faults.append(f"value {position} is that of operand {index}, and there are {operand_count}")
            elif index in sources:
                faults.append(f"value {position} is a second one of operand {index}")
            elif source == SOURCE_IMMEDIATE:
                sources[index] = Immediate(data)
            elif source != SOURCE_NUMBERED_BUFFER:
                faults.append(f"value {position} has source {source}, wanted 0 (immediate) or 2 (numbered buffer)")
            elif length != _BUFFER.size:
                faults.append(f"value {position} names its buffer in {length} bytes, wanted {_BUFFER.size}")
            else:
                buffer = Buffer(*_BUFFER.unpack(data))
                sources[index] = buffer
                if buffer.offset + buffer.length >= BUFFER_LIMIT:
                    end = buffer.offset + buffer.length
                    faults.append(f"value {position} ends at byte {end} of its buffer, wanted below {BUFFER_LIMIT}")
                if buffer.index >= COUNT_LIMIT:
                    faults.append(f"value {position} lies in buffer {buffer.index}, wanted 0 to {COUNT_LIMIT - 1}")
        self._refuse(faults)
        return sources

    def _arguments(self, position: int, _: int, inputs: int, outputs: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (
            self._indices(inputs, f"the inputs of operation {position}"),
            self._indices(outputs, f"the outputs of operation {position}"),
        )

    def _indices(self, count: int, name: str) -> tuple[int, ...]:
        return self._take_words(count, f"{name}, {count} operands,")

    def _take_words(self, count: int, name: str) -> tuple[int, ...]:
        data = self._take(4 * count, name)
        return struct.unpack(f"<{count}I", data)

    def _take(self, size: int, name: str) -> bytes:
        left = len(self._data) - self._at
        if size > left:
            raise _MalformedError(f"the bytes end within {name}: {size} are wanted at byte {self._at}, {left} are left")
        self._at += size
        return self._data[self._at - size : self._at]

    def _find_faults(
        self,
        operands: Sequence[tuple[int, ...]],
        operations: Sequence[tuple[int, ...]],
        arguments: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        sources: Mapping[int, Source],
    ) -> Iterator[str]:
        for index, (kind, _, _, _) in enumerate(operands):
            if kind not in _TYPES:
                yield f"operand {index} has type {kind}, which NNAPI does not know"
            elif kind == OperandType.MODEL:
                yield f"operand {index} is a model, which the format lacks"
        for position, (code, _, _) in enumerate(operations):
            if code not in self._names:
                yield f"operation {position} has code {code}, which NNAPI does not know"
        lists: list[tuple[str, tuple[int, ...]]] = [("the model's inputs", inputs), ("the model's outputs", outputs)]
        for position, (reads, writes) in enumerate(arguments):
            lists.append((f"operation {position} reads", reads))
            lists.append((f"operation {position} writes", writes))
        for name, indices in lists:
            for index in indices:
                if index >= len(operands):
                    yield f"{name}: operand {index}, and there are {len(operands)}"
        for index in inputs:
            if index in sources:
                yield f"operand {index} is a model input and has a value as well"

    @staticmethod
    def _refuse(faults: Iterable[str]) -> None:
        found = tuple(islice(faults, FAULT_LIMIT))
        if found:
            raise _MalformedError(*found)


_TYPES = frozenset(int(kind) for kind in OperandType)
_TENSOR_TYPES = frozenset(int(kind) for kind in OperandType if kind.is_tensor)
