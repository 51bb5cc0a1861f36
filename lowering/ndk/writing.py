"""Writing a model file: header, structure, weights. docs/ndk-model-format.md says where each byte lies."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import flatbuffers

from nnapi_check.analyzer.graph import ElementType, PerTensor
from nnapi_check.lowering.ndk.model_file_generated import (
    Element,
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
    AtPlace,
    Crossing,
    PassedOn,
    Program,
    ProgramInput,
    ProgramOutput,
    Region,
    Stored,
    Unread,
)
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
    UnknownRank,
)

MAGIC = b"NNCMODEL"
IDENTIFIER = b"NNCM"
VERSION = 1
HEADER = struct.Struct("<8sII QQQQ II 8x 32s 28x")
"""Magic, version, flags, offset and length of the structure and of the weights, their checksums, and the digest."""

CHECKED_BYTES = HEADER.size
"""So much of the header its own checksum, which follows, is of."""

HEADER_BYTES = CHECKED_BYTES + 4

ELEMENTS: Mapping[ElementType, int] = {
    ElementType.FLOAT32: Element.Float32,
    ElementType.FLOAT16: Element.Float16,
    ElementType.INT64: Element.Int64,
    ElementType.INT32: Element.Int32,
    ElementType.BOOL: Element.Bool,
    ElementType.QUINT8: Element.QUInt8,
    ElementType.QINT8: Element.QInt8,
}
"""PyTorch's element types that a program can take and give."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of the weights region, which are made when they are written."""

    offset: int
    length: int
    read: Callable[[], Region]


class NotWritableError(Exception):
    """A model file cannot hold the program: the message says what."""


def write_program(program: Program, weights: Sequence[Weight], codes: Mapping[str, int], path: Path) -> None:
    """Write a program to a new file. ``weights`` are in order; ``codes`` gives the code of every operation by name."""
    structure = _structure(program, codes)
    start = _aligned(HEADER_BYTES)
    weights_start = _aligned(start + len(structure))
    with path.open("wb") as file:
        file.write(bytes(start))
        file.write(structure)
        file.write(bytes(weights_start - start - len(structure)))
        digest, checksum, end = hashlib.sha256(structure), 0, 0
        for weight in weights:
            data = weight.read()
            if len(data) != weight.length or weight.offset < end:
                raise NotWritableError(f"a weight has {len(data)} bytes at {weight.offset}, wanted {weight.length}")
            for piece in (bytes(weight.offset - end), data.data):
                file.write(piece)
                digest.update(piece)
                checksum = zlib.crc32(piece, checksum)
            end = weight.offset + weight.length
        numbers = (start, len(structure), weights_start, end, zlib.crc32(structure), checksum)
        header = HEADER.pack(MAGIC, VERSION, 0, *numbers, digest.digest())
        file.seek(0)
        file.write(header + struct.pack("<I", zlib.crc32(header)))


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _structure(program: Program, codes: Mapping[str, int]) -> bytes:
    order = _model_order(program.model)
    numbers = {model: 1 + number for number, model in enumerate(order)}
    models = [program.model, *(program.model.referenced[index] for index in order)]
    places = [program.places[0], *(program.places[1 + index] for index in order)]
    table = ProgramT(
        producer=program.producer,
        featureLevel=program.level,
        relaxed=program.model.relaxed,
        models=[_model(model, told, numbers, codes) for model, told in zip(models, places, strict=True)],
        inputs=[_input(item) for item in program.inputs],
        outputs=[_output(item) for item in program.outputs],
        notes=program.notes,
        preference=int(program.preference),
    )
    builder = flatbuffers.Builder(1 << 16)
    root = table.Pack(builder)  # type: ignore[func-returns-value]  # The compiler's stubs know no result.
    builder.Finish(root, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _model_order(main: Model) -> list[int]:
    """The referenced models, each before those that it refers to itself."""
    depths: dict[int, int] = {}

    def visit(model: Model, depth: int) -> None:
        if depth > len(main.referenced):
            raise NotWritableError("a model of IF or WHILE refers to itself")
        for operand in model.operands:
            if isinstance(operand.source, Reference) and depths.get(operand.source.model, -1) < depth:
                depths[operand.source.model] = depth
                visit(main.referenced[operand.source.model], depth + 1)

    visit(main, 0)
    return sorted(depths, key=lambda index: (depths[index], index))


def _model(model: Model, places: Sequence[str], numbers: Mapping[int, int], codes: Mapping[str, int]) -> ModelT:
    return ModelT(
        operands=[_operand(operand, numbers) for operand in model.operands],
        operations=[_operation(item, place, codes) for item, place in zip(model.operations, places, strict=True)],
        inputs=list(model.inputs),
        outputs=list(model.outputs),
    )


def _operation(operation: Operation, place: str, codes: Mapping[str, int]) -> OperationT:
    return OperationT(
        code=codes[operation.kind],
        name=operation.kind,
        place=place,
        inputs=list(operation.inputs),
        outputs=list(operation.outputs),
    )


def _operand(operand: Operand, numbers: Mapping[int, int]) -> OperandT:
    table = OperandT(type=int(operand.type), scale=operand.quant.scale, zeroPoint=operand.quant.zero_point)
    if not isinstance(operand.shape, UnknownRank) and operand.shape:
        table.dimensions = [size if isinstance(size, int) else 0 for size in operand.shape]
    if operand.channels is not None:
        table.channelDim = operand.channels.channel_dim
        table.channelScales = list(operand.channels.scales)
    match operand.source:
        case Computed():
            table.source = Source.Computed
        case ModelInput():
            table.source = Source.Given
        case Immediate(data):
            table.source = Source.Immediate
            table.bytes = list(data)
        case Buffer(_, offset, length):
            table.source = Source.Weights
            table.offset, table.length = offset, length
        case NoValue():
            table.source = Source.Omitted
        case Reference(index):
            table.source = Source.Model
            table.model = numbers[index]
    return table


def _input(item: ProgramInput) -> InputT:
    match item.read:
        case AtPlace(place):
            return InputT(tensor=_tensor(item.tensor), place=place)
        case Unread():
            return InputT(tensor=_tensor(item.tensor))


def _output(item: ProgramOutput) -> OutputT:
    tensor = _tensor(item.tensor)
    match item.origin:
        case AtPlace(place):
            return OutputT(tensor=tensor, origin=Origin.Computed, place=place)
        case PassedOn(index):
            return OutputT(tensor=tensor, origin=Origin.Passed, place=index)
        case Stored(offset, length):
            return OutputT(tensor=tensor, origin=Origin.Stored, offset=offset, length=length)


def _tensor(crossing: Crossing) -> TensorT:
    kind = crossing.kind
    table = TensorT(name=crossing.name, element=ELEMENTS[kind.dtype], shape=list(kind.shape))
    if isinstance(kind.quant, PerTensor):
        table.scale, table.zeroPoint = kind.quant.scale, kind.quant.zero_point
    if crossing.permutation:
        table.permutation = list(crossing.permutation)
    return table
