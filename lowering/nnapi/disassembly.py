"""What a model consists of: its operands and operations, the level it needs, its sizes, and where its weights lie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS
from nnapi_check.lowering.nnapi.constants import Bytes
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Reference,
    UnknownRank,
)
from nnapi_check.lowering.nnapi.text import name_inputs, write_operand_type, write_values
from nnapi_check.lowering.nnapi.validation.faults import Demand, Validation
from nnapi_check.lowering.nnapi.validation.validate import validate


class Place(Enum):
    """Where an operand's value lies."""

    INPUT = "input"
    OUTPUT = "output"
    TEMPORARY = "temporary"
    MODEL_BYTES = "constant"
    BUFFER = "weight"
    OMITTED = "omitted"
    REFERENCE = "model"


@dataclass(frozen=True, slots=True)
class OperandEntry:
    """One operand. ``size`` is its bytes, None where only execution tells its dimensions.

    ``buffer`` says where a weight lies, and is None for all else. ``value`` are the numbers of a small constant
    or a digest, and None for what is no constant or not at hand. ``written_by`` and ``read_by`` are operations.
    """

    index: int
    type: OperandType
    type_text: str
    place: Place
    size: int | None
    buffer: Buffer | None
    value: str | None
    written_by: tuple[int, ...]
    read_by: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OperationEntry:
    """One operation. ``inputs`` are operands with the roles they play, None where an input has no role."""

    index: int
    kind: str
    level: int
    demands: tuple[Demand, ...]
    inputs: tuple[tuple[str | None, int], ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BufferEntry:
    """A numbered buffer: the operands that lie in it, and how far they reach."""

    index: int
    operands: tuple[int, ...]
    end: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes by place. ``temporaries`` and ``largest_temporary`` leave out what only execution tells."""

    model_bytes: int
    buffers: int
    inputs: int
    outputs: int
    temporaries: int
    largest_temporary: int


@dataclass(frozen=True, slots=True)
class Disassembly:
    """A model taken apart. ``referenced`` are the models of IF and WHILE.

    ``level`` is the feature level as a driver sees the model, ``level_as_written`` that of the model as it is.
    """

    level: int
    level_as_written: int
    demands: tuple[Demand, ...]
    faults: tuple[str, ...]
    operands: tuple[OperandEntry, ...]
    operations: tuple[OperationEntry, ...]
    buffers: tuple[BufferEntry, ...]
    sizes: Sizes
    referenced: tuple[Disassembly, ...] = ()


def disassemble(model: Model, facts: Mapping[str, OperationFacts], buffers: Sequence[Bytes] = ()) -> Disassembly:
    """Take a model apart, whose operations name operands that exist. With ``buffers``, small weights show by value."""
    whole = validate(model, facts, buffers=buffers)
    main = _take_apart(model, whole, facts, buffers)
    faults = {index: tuple(fault.message for fault in whole.faults if fault.model == index) for index in _models(model)}
    inner = [_with_references(referenced, model) for referenced in model.referenced]
    referenced = [_take_apart(part, validate(part, facts, buffers=buffers), facts, buffers) for part in inner]
    return replace(
        main,
        faults=faults[None],
        referenced=tuple(replace(part, faults=faults[index]) for index, part in enumerate(referenced)),
    )


def _with_references(referenced: Model, main: Model) -> Model:
    """A referenced model by itself: what it refers to in its turn lies in the main model."""
    refers = any(isinstance(operand.source, Reference) for operand in referenced.operands)
    return replace(referenced, referenced=main.referenced) if refers else referenced


def _models(model: Model) -> Iterator[int | None]:
    yield None
    yield from range(len(model.referenced))


def _take_apart(
    model: Model, validation: Validation, facts: Mapping[str, OperationFacts], buffers: Sequence[Bytes]
) -> Disassembly:
    levels = [(operation.level, operation.demands) for operation in validation.operations]
    operands = tuple(_entries(model, buffers))
    return Disassembly(
        level=validation.level,
        level_as_written=validation.level_as_written,
        demands=validation.demands,
        faults=(),
        operands=operands,
        operations=tuple(
            OperationEntry(
                index=index,
                kind=operation.kind,
                level=level,
                demands=demands,
                inputs=tuple(zip(name_inputs(operation, model.operands, facts), operation.inputs, strict=True)),
                outputs=operation.outputs,
            )
            for index, (operation, (level, demands)) in enumerate(zip(model.operations, levels, strict=True))
        ),
        buffers=_buffers(operands),
        sizes=_sizes(operands),
    )


def write_disassembly(found: Disassembly, *, whole: bool = True) -> str:
    """The disassembly as text that ends with a newline: ``whole``, or without the list of each thing in it."""
    return "\n".join(_write(found, "", whole=whole)) + "\n"


def size_of(operand: Operand) -> int | None:
    """The bytes of an operand's value, or None where only execution tells its dimensions."""
    element = ELEMENT_STRUCTS.get(operand.type)
    if element is None:
        return 0
    if isinstance(operand.shape, UnknownRank):
        return None
    sizes = [size for size in operand.shape if isinstance(size, int)]
    return element.size * math.prod(sizes) if len(sizes) == len(operand.shape) else None


def _entries(model: Model, buffers: Sequence[Bytes]) -> Iterator[OperandEntry]:
    writers: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    for number, operation in enumerate(model.operations):
        for index in operation.outputs:
            writers.setdefault(index, []).append(number)
        for index in dict.fromkeys(operation.inputs):
            readers.setdefault(index, []).append(number)
    outputs = frozenset(model.outputs)
    for index, operand in enumerate(model.operands):
        yield OperandEntry(
            index=index,
            type=operand.type,
            type_text=write_operand_type(operand),
            place=_place(operand, is_output=index in outputs),
            size=size_of(operand),
            buffer=operand.source if isinstance(operand.source, Buffer) else None,
            value=_value(operand, buffers),
            written_by=tuple(writers.get(index, ())),
            read_by=tuple(readers.get(index, ())),
        )


def _place(operand: Operand, *, is_output: bool) -> Place:
    match operand.source:
        case ModelInput():
            return Place.INPUT
        case Computed():
            return Place.OUTPUT if is_output else Place.TEMPORARY
        case Immediate():
            return Place.MODEL_BYTES
        case Buffer():
            return Place.BUFFER
        case NoValue():
            return Place.OMITTED
        case Reference():
            return Place.REFERENCE


def _value(operand: Operand, buffers: Sequence[Bytes]) -> str | None:
    match operand.source:
        case Immediate(data):
            return write_values(operand.type, data)
        case Buffer(index, offset, length) if index < len(buffers):
            return write_values(operand.type, memoryview(buffers[index])[offset : offset + length])
        case Reference(model):
            return str(model)
        case _:
            return None


def _buffers(operands: Sequence[OperandEntry]) -> tuple[BufferEntry, ...]:
    held: dict[int, list[OperandEntry]] = {}
    for operand in operands:
        if operand.buffer is not None:
            held.setdefault(operand.buffer.index, []).append(operand)
    return tuple(
        BufferEntry(
            index=index,
            operands=tuple(entry.index for entry in held[index]),
            end=max(entry.buffer.offset + entry.buffer.length for entry in held[index] if entry.buffer is not None),
        )
        for index in sorted(held)
    )


def _sizes(operands: Sequence[OperandEntry]) -> Sizes:
    def total(place: Place) -> int:
        return sum(operand.size or 0 for operand in operands if operand.place is place)

    temporaries = [operand.size or 0 for operand in operands if operand.place is Place.TEMPORARY]
    return Sizes(
        model_bytes=total(Place.MODEL_BYTES),
        buffers=sum(operand.buffer.length for operand in operands if operand.buffer is not None),
        inputs=total(Place.INPUT),
        outputs=total(Place.OUTPUT),
        temporaries=sum(temporaries),
        largest_temporary=max(temporaries, default=0),
    )


def _write(found: Disassembly, indent: str, *, whole: bool) -> Iterator[str]:
    yield f"{indent}feature level {found.level}, as written {found.level_as_written}"
    for demand in found.demands:
        yield f"{indent}  level {demand.level} because of {demand.what}"
    sizes = found.sizes
    yield f"{indent}weights {sizes.buffers} bytes in {len(found.buffers)} buffers, {sizes.model_bytes} in the model"
    yield f"{indent}inputs {sizes.inputs} bytes, outputs {sizes.outputs} bytes"
    yield f"{indent}temporaries {sizes.temporaries} bytes, the largest {sizes.largest_temporary}"
    places = Counter(operand.place for operand in found.operands)
    counted = ", ".join(f"{places[place]} {place.value}" for place in Place if places[place])
    yield f"{indent}{len(found.operands)} operands: {counted}"
    for operand in found.operands if whole else ():
        yield f"{indent}  {_write_operand(operand)}"
    kinds = Counter(operation.kind for operation in found.operations)
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    yield f"{indent}{len(found.operations)} operations: {counted}"
    for operation in found.operations if whole else ():
        yield f"{indent}  {_write_operation(operation, found.operands)}"
    if found.buffers and whole:
        yield f"{indent}{len(found.buffers)} buffers"
    for buffer in found.buffers if whole else ():
        yield f"{indent}  {buffer.index} {buffer.end} bytes:" + "".join(f" %{index}" for index in buffer.operands)
    for fault in found.faults:
        yield f"{indent}fault: {fault}"
    for index, referenced in enumerate(found.referenced):
        yield f"{indent}referenced model {index}"
        yield from _write(referenced, indent + "  ", whole=whole)


def _write_operand(operand: OperandEntry) -> str:
    words = [f"%{operand.index} {operand.place.value} {operand.type_text}"]
    words.append("size unknown" if operand.size is None else f"{operand.size} bytes")
    if operand.buffer is not None:
        words.append(f"in buffer {operand.buffer.index} at {operand.buffer.offset}")
    if operand.value is not None:
        words.append(f"= {operand.value}")
    return " ".join(words)


def _write_operation(operation: OperationEntry, operands: Sequence[OperandEntry]) -> str:
    words = [operation.kind]
    for role, index in operation.inputs:
        words.append(f"%{index}" if role is None else f"{role}=%{index}")
        if not operands[index].type.is_tensor and operands[index].value is not None:
            words[-1] += f"({operands[index].value})"
    words.extend(("->", *(f"%{index}" for index in operation.outputs)))
    return f"{operation.index} {' '.join(words)} (level {operation.level})"
