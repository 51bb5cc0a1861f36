"""Operands by themselves: shapes, sizes of constants, quantization parameters of each type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS, HIGHEST_SIZE
from nnapi_check.lowering.nnapi.constants import Bytes, element_count
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    Buffer,
    Immediate,
    Operand,
    Reference,
    UnknownRank,
    Unspecified,
)
from nnapi_check.lowering.nnapi.shapes.shapes import text
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.graph_view import GraphView

ZERO_POINTS: Mapping[OperandType, tuple[int, int]] = {
    OperandType.TENSOR_QUANT8_ASYMM: (0, 255),
    OperandType.TENSOR_QUANT8_ASYMM_SIGNED: (-128, 127),
    OperandType.TENSOR_QUANT16_ASYMM: (0, 65535),
}
"""The zero points of asymmetric types; that of every other type is 0."""

NEEDS_SCALE = frozenset({*ZERO_POINTS, OperandType.TENSOR_QUANT16_SYMM, OperandType.TENSOR_QUANT8_SYMM})
"""Types whose one scale is above 0."""


def check_operands(graph: GraphView, buffers: Sequence[Bytes]) -> None:
    """Note what is wrong with each operand by itself."""
    for index, operand in enumerate(graph.model.operands):
        if operand.type.is_tensor:
            _check_tensor(graph, index, operand)
        elif operand.shape != ():
            graph.add(Rule.DIMENSION, f"{operand.type.name} of shape {text(operand.shape)}", "no shape", operand=index)
        if isinstance(operand.source, Immediate | Buffer):
            _check_constant(graph, index, operand, buffers)
        if operand.quant != NOT_QUANTIZED or operand.type in NEEDS_SCALE:
            _check_quantization(graph, index, operand)
        if operand.channels is not None or operand.type is OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL:
            _check_channels(graph, index, operand)


def _check_tensor(graph: GraphView, index: int, operand: Operand) -> None:
    shape = operand.shape
    if isinstance(shape, UnknownRank):
        return
    if shape == ():
        graph.add(Rule.DIMENSION, "a tensor of rank 0", "at least one dimension, or an unknown rank", operand=index)
    size = ELEMENT_STRUCTS[operand.type].size
    for dim in shape:
        if isinstance(dim, Unspecified):
            continue
        if not 1 <= dim <= HIGHEST_SIZE:
            found = f"dimension {dim}"
            graph.add(Rule.DIMENSION, found, f"1 to {HIGHEST_SIZE}, or unspecified", operand=index)
            return
        size *= dim
    if size > HIGHEST_SIZE:
        graph.add(Rule.OPERAND_SIZE, f"{size} bytes", f"at most {HIGHEST_SIZE} bytes", operand=index)


def _check_constant(graph: GraphView, index: int, operand: Operand, buffers: Sequence[Bytes]) -> None:
    element = ELEMENT_STRUCTS.get(operand.type)
    if element is None or isinstance(operand.source, Reference):
        return
    count = element_count(operand.shape)
    if count == 0:
        found = f"a constant of shape {text(operand.shape)}"
        graph.add(Rule.DIMENSION, found, "constants whose shape is known", operand=index)
        return
    match operand.source:
        case Immediate(data):
            length = len(data)
        case Buffer(number, offset, length):
            held = len(buffers[number]) if 0 <= number < len(buffers) else None
            if offset < 0 or length < 0 or (held is not None and offset + length > held):
                found = f"bytes {offset} to {offset + length} of buffer {number}"
                wanted = "0 or more" if held is None else f"0 to {held}"
                graph.add(Rule.CONSTANT_SIZE, found, f"bytes from {wanted}", operand=index)
                return
        case _:
            return
    if length != count * element.size:
        wanted = f"{count * element.size} bytes for {operand.type.name} of shape {text(operand.shape)}"
        graph.add(Rule.CONSTANT_SIZE, f"{length} bytes", wanted, operand=index)


def _check_quantization(graph: GraphView, index: int, operand: Operand) -> None:
    kind, scale, zero_point = operand.type, operand.quant.scale, operand.quant.zero_point
    if kind in NEEDS_SCALE:
        if not scale > 0:
            graph.add(Rule.SCALE, f"{kind.name} with scale {scale:g}", "a scale above 0", operand=index)
    elif kind is OperandType.TENSOR_INT32:
        if not scale >= 0:
            graph.add(Rule.SCALE, f"{kind.name} with scale {scale:g}", "a scale of 0 or more", operand=index)
    elif scale != 0:
        graph.add(Rule.SCALE, f"{kind.name} with scale {scale:g}", "no scale", operand=index)
    lowest, highest = ZERO_POINTS.get(kind, (0, 0))
    if not lowest <= zero_point <= highest:
        wanted = f"{lowest} to {highest}" if highest else "0"
        graph.add(Rule.ZERO_POINT, f"{kind.name} with zero point {zero_point}", wanted, operand=index)


def _check_channels(graph: GraphView, index: int, operand: Operand) -> None:
    rule, channels = Rule.CHANNEL_QUANTIZATION, operand.channels
    if operand.type is not OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL:
        graph.add(rule, f"{operand.type.name} with a scale per channel", "one scale", operand=index)
        return
    if channels is None:
        graph.add(rule, "no scales", "a scale per channel", operand=index)
        return
    shape = operand.shape
    rank = 0 if isinstance(shape, UnknownRank) else len(shape)
    if isinstance(shape, UnknownRank) or not 0 <= channels.channel_dim < rank:
        found = f"channel dimension {channels.channel_dim} of shape {text(shape)}"
        graph.add(rule, found, "one of the tensor's dimensions", operand=index)
        return
    count = shape[channels.channel_dim]
    if count != len(channels.scales):
        found = f"{len(channels.scales)} scales"
        graph.add(rule, found, f"one for each of {text((count,))} channels", operand=index)
    if not all(scale > 0 for scale in channels.scales):
        graph.add(rule, "a scale that is not above 0", "scales above 0", operand=index)
