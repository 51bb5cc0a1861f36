"""A model as text: one line an operand, one line an operation. For reading, for diffs, and for golden files.

    model
      inputs %0
      outputs %4
      operands
        %0 input TENSOR_FLOAT32 [1,7,9,2]
        %1 constant TENSOR_FLOAT32 [5,3,2,2] in buffer 0 at 0, 240 bytes
        %2 constant INT32 1
        ...
      operations
        0 CONV_2D %0 filter=%1 bias=%3 pad_left=%2(1) ... -> %4

The same model gives the same text everywhere. The numbers of small constants stand in the text; larger ones are
told apart by a digest of their bytes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence

from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    Buffer,
    ChannelQuantParams,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    Reference,
    Shape,
    UnknownRank,
    Unspecified,
)
from nnapi_check.lowering.nnapi.validation.contracts import conclude

SHOWN_ELEMENTS = 8
"""Constants of more elements are shown by digest."""

DIGEST_DIGITS = 12

_FLOAT_PRECISIONS: Mapping[OperandType, range] = {
    OperandType.FLOAT32: range(6, 10),
    OperandType.TENSOR_FLOAT32: range(6, 10),
    OperandType.FLOAT16: range(3, 6),
    OperandType.TENSOR_FLOAT16: range(3, 6),
}


def to_text(
    model: Model, buffers: Sequence[bytes | memoryview] = (), facts: Mapping[str, OperationFacts] | None = None
) -> str:
    """The model as text that ends with a newline.

    With ``buffers``, the contents of constants that lie in them are shown as well. With ``facts``, an operation's
    inputs are named by the roles they play.
    """
    lines = ["model relaxed" if model.relaxed else "model"]
    lines.extend(_lines(model, buffers, facts or {}))
    for index, referenced in enumerate(model.referenced):
        lines.append(f"referenced model {index}")
        lines.extend(_lines(referenced, buffers, facts or {}))
    return "\n".join(lines) + "\n"


def write_shape(shape: Shape) -> str:
    """A shape in brackets: ``?`` is a dimension, ``[*]`` a rank that only execution tells."""
    if isinstance(shape, UnknownRank):
        return "[*]"
    return "[" + ",".join("?" if isinstance(size, Unspecified) else str(size) for size in shape) + "]"


def write_values(kind: OperandType, data: bytes | memoryview) -> str:
    """The elements of a constant in the shortest form that gives them back, or a digest of them."""
    element = ELEMENT_STRUCTS.get(kind)
    if element is None or len(data) % element.size or len(data) > element.size * SHOWN_ELEMENTS:
        return _digest(data)
    return " ".join(_write_number(kind, element, value) for (value,) in element.iter_unpack(data)) or "nothing"


def write_operand_type(operand: Operand) -> str:
    """Type, shape and quantization parameters of an operand."""
    parts = [operand.type.name]
    if operand.type.is_tensor or operand.shape != ():
        parts.append(write_shape(operand.shape))
    if operand.quant != NOT_QUANTIZED:
        parts.append(f"scale={_write_scale(operand.quant.scale)} zero_point={operand.quant.zero_point}")
    if operand.channels is not None:
        parts.append(f"channel_dim={operand.channels.channel_dim} channel_scales=({_write_scales(operand.channels)})")
    return " ".join(parts)


def name_inputs(
    operation: Operation, operands: Sequence[Operand], facts: Mapping[str, OperationFacts]
) -> tuple[str | None, ...]:
    """The role of each input of an operation, None where it has none or the facts do not tell."""
    known = facts.get(operation.kind)
    if known is None or not all(index < len(operands) for index in (*operation.inputs, *operation.outputs)):
        return (None,) * len(operation.inputs)
    contract = conclude(
        known,
        tuple(operands[index].type for index in operation.inputs),
        tuple(operands[index].type for index in operation.outputs),
    )
    roles = {position: role for role, position in contract.roles.items()}
    return tuple(roles.get(position) for position in range(len(operation.inputs)))


def _lines(model: Model, buffers: Sequence[bytes | memoryview], facts: Mapping[str, OperationFacts]) -> Iterator[str]:
    yield "  inputs" + "".join(f" %{index}" for index in model.inputs)
    yield "  outputs" + "".join(f" %{index}" for index in model.outputs)
    yield "  operands"
    for index, operand in enumerate(model.operands):
        yield f"    %{index} {_write_operand(operand, buffers)}"
    yield "  operations"
    for index, operation in enumerate(model.operations):
        yield f"    {index} {_write_operation(operation, model.operands, facts)}"


def _write_operand(operand: Operand, buffers: Sequence[bytes | memoryview]) -> str:
    kind = write_operand_type(operand)
    match operand.source:
        case ModelInput():
            return f"input {kind}"
        case Computed():
            return f"computed {kind}"
        case NoValue():
            return f"omitted {kind}"
        case Reference(model):
            return f"reference to model {model}"
        case Immediate(data):
            return f"constant {kind} {write_values(operand.type, data)}"
        case Buffer(index, offset, length):
            place = f"constant {kind} in buffer {index} at {offset}, {length} bytes"
            if index >= len(buffers):
                return place
            return f"{place} {write_values(operand.type, memoryview(buffers[index])[offset : offset + length])}"


def _write_operation(operation: Operation, operands: Sequence[Operand], facts: Mapping[str, OperationFacts]) -> str:
    words = [operation.kind]
    for index, role in zip(operation.inputs, name_inputs(operation, operands, facts), strict=True):
        words.append(f"%{index}" if role is None else f"{role}=%{index}")
        if index < len(operands) and not operands[index].type.is_tensor:
            words[-1] += _write_scalar(operands[index])
    words.append("->")
    words.extend(f"%{index}" for index in operation.outputs)
    return " ".join(words)


def _write_scalar(operand: Operand) -> str:
    match operand.source:
        case Immediate(data):
            return f"({write_values(operand.type, data)})"
        case Reference(model):
            return f"(model {model})"
        case _:
            return ""


def _write_scale(scale: float) -> str:
    return _shortest(OperandType.FLOAT32, ELEMENT_STRUCTS[OperandType.FLOAT32], scale)


def _write_scales(channels: ChannelQuantParams) -> str:
    written = [_write_scale(scale) for scale in channels.scales]
    if len(written) <= SHOWN_ELEMENTS:
        return " ".join(written)
    return f"{len(written)} scales " + _digest(" ".join(written).encode())


def _digest(data: bytes | memoryview) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()[:DIGEST_DIGITS]


def _write_number(kind: OperandType, element: struct.Struct, value: float | int | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _shortest(kind, element, value)


def _shortest(kind: OperandType, element: struct.Struct, value: float) -> str:
    """The fewest digits that give the stored number back."""
    try:
        stored = element.pack(value)
    except OverflowError:
        return repr(value)
    texts = (f"{value:.{precision}g}" for precision in _FLOAT_PRECISIONS[kind])
    return next((text for text in texts if _packs_to(element, float(text), stored)), repr(value))


def _packs_to(element: struct.Struct, value: float, stored: bytes) -> bool:
    # Rounding up near the largest float may leave the type's range.
    try:
        return element.pack(value) == stored
    except OverflowError:
        return False
