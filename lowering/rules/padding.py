"""Ops that enlarge a tensor at its borders, or crop it where the padding is negative."""

from __future__ import annotations

from nnapi_check.analyzer.held_axes import held_axes
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.lowering.compositions.element_moves import Cut, cut, joined, padded, paddings, repeated
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import lowers

_CONSTANT = ("aten.constant_pad_nd.default", "aten.pad.default")
_REFLECT = ("aten.reflection_pad1d.default", "aten.reflection_pad2d.default")
_REPLICATE = ("aten.replication_pad1d.default", "aten.replication_pad2d.default")
_REFLECT_MODE = 0
"""NNAPI's mirror mode that does not repeat the outermost element."""


def _borders(node: NodeReader) -> list[tuple[int, int]]:
    """How much before and after each dimension, in PyTorch's order; PyTorch lists the last dimension first."""
    flat = node.ints("pad" if node.takes("pad") else "padding")
    pairs = [(flat[place], flat[place + 1]) for place in range(0, len(flat), 2)]
    rank = node.output_type().rank
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


def _value(node: NodeReader) -> float:
    """The number that is padded with; zero where it is left out."""
    return node.real("value") if node.has("value") else 0.0


def _cropped(emit: Emitter, x: OperandId) -> OperandId:
    """What negative padding leaves of a tensor that has all of the positive padding."""
    cuts = {}
    for axis, (border, size) in enumerate(
        zip(emit.node.arranged(_borders(emit.node)), emit.spec(x).shape, strict=True)
    ):
        before, after = (min(side, 0) for side in border)
        cuts[axis] = Cut(-before, size + before + after)
    return cut(emit, x, cuts)


def _grown(node: NodeReader) -> tuple[tuple[int, int], ...]:
    """What is added before and after each axis, in the operand's order."""
    borders = _borders(node)
    if len(borders) <= MAX_RANK:
        return tuple((max(before, 0), max(after, 0)) for before, after in node.arranged(borders))
    # Of dimensions that are held as one, one grows at most.
    groups = held_axes(len(borders), nhwc=node.runs_nhwc)
    return tuple(max((borders[axis] for axis in group), key=sum) for group in groups)


@lowers(*_CONSTANT, way="unchanged")
def unchanged(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing: the input's operand stands for the output."""
    return emit.input("self")


@lowers(*_CONSTANT, way="zeros")
def pad_zeros(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD."""
    return emit.operation("PAD", [emit.input("self"), paddings(emit, _grown(node))])


@lowers(*_CONSTANT, way="number")
def pad_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD_V2 with a float scalar."""
    x = emit.input("self")
    return emit.operation("PAD_V2", [x, paddings(emit, _grown(node)), emit.scalar(_value(node), x)])


@lowers(*_CONSTANT, way="quantized-number")
def pad_quantized_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD_V2 with the number as it is stored, an INT32 scalar."""
    x = emit.input("self")
    quant = emit.spec(x).quant
    stored = min(max(round(_value(node) / quant.scale) + quant.zero_point, 0), 255)
    return emit.operation("PAD_V2", [x, paddings(emit, _grown(node)), emit.int32(stored)])


@lowers(*_CONSTANT, way="joined")
def pad_joined(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION with constants, along one axis after another."""
    x = emit.input("self")
    dtype, value = node.output_type().dtype, _value(node)
    for axis, border in enumerate(_grown(node)):
        shape = emit.spec(x).shape
        sides = [
            [emit.weight(full((*shape[:axis], count, *shape[axis + 1 :]), value, dtype))] if count else []
            for count in border
        ]
        x = joined(emit, [*sides[0], x, *sides[1]], axis)
    return x


@lowers(*_CONSTANT, way="cropped")
def pad_cropped(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE."""
    return _cropped(emit, emit.input("self"))


@lowers(*_CONSTANT, way="padded-and-cropped")
def pad_and_crop(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD and STRIDED_SLICE, in this order, for nothing may be left of a dimension before it is padded."""
    return _cropped(emit, padded(emit, emit.input("self"), _grown(node)))


@lowers(*_REFLECT, "aten.pad.default", way="mirrored")
def mirror_pad(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MIRROR_PAD."""
    return emit.operation("MIRROR_PAD", [emit.input("self"), paddings(emit, _grown(node)), emit.int32(_REFLECT_MODE)])


@lowers(*_REFLECT, "aten.pad.default", way="walked")
def reflect_walked(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE that walk back from each border, and CONCATENATION."""
    x = emit.input("self")
    for axis, (before, after) in enumerate(_grown(node)):
        size = emit.spec(x).shape[axis]
        sides = [
            [cut(emit, x, {axis: Cut(start, count, -1)})] if count else []
            for start, count in ((before, before), (size - 2, after))
        ]
        x = joined(emit, [*sides[0], x, *sides[1]], axis)
    return x


@lowers(*_REPLICATE, "aten.pad.default", way="replicated")
def replicate(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE of each border, and CONCATENATION."""
    x = emit.input("self")
    for axis, (before, after) in enumerate(_grown(node)):
        size = emit.spec(x).shape[axis]
        sides = [
            [repeated(emit, cut(emit, x, {axis: Cut(place, 1)}), count, axis)] if count else []
            for place, count in ((0, before), (size - 1, after))
        ]
        x = joined(emit, [*sides[0], x, *sides[1]], axis)
    return x


@lowers("aten.pad.default", way="circular")
def wrap_around(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to STRIDED_SLICE of each opposite border, and CONCATENATION."""
    x = emit.input("self")
    for axis, (before, after) in enumerate(_grown(node)):
        size = emit.spec(x).shape[axis]
        sides = [
            [cut(emit, x, {axis: Cut(start, count)})] if count else []
            for start, count in ((size - before, before), (0, after))
        ]
        x = joined(emit, [*sides[0], x, *sides[1]], axis)
    return x
