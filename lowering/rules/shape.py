"""Ops that give a tensor another shape or order, repeat it, or put several together."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.rewrites.runs.one_permutation import merged_order
from nnapi_check.lowering.compositions.element_moves import (
    interleaved,
    joined,
    rearranged,
    repeated,
    reshaped,
    transposed,
)
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.rule_table import lowers

_RESHAPING = (
    "aten.reshape.default",
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.flatten.using_ints",
    "aten.unflatten.int",
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.view_as.default",
    "aten.reshape_as.default",
)
_WIDENING = ("aten.expand.default", "aten.expand_as.default", "aten.broadcast_to.default")
_REPEATING = ("aten.repeat.default", "aten.tile.default")


@lowers(*_RESHAPING, *_WIDENING, *_REPEATING, "aten.unsqueeze.default", way="unchanged")
def unchanged(node: NodeReader, emit: Emitter) -> OperandId:
    """Emit nothing: the input's operand stands for the output."""
    return emit.input("self")


@lowers(*_RESHAPING, "aten.unsqueeze.default", way="operation")
def reshape(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE."""
    return reshaped(emit, emit.input("self"), emit.output_spec().shape)


@lowers("aten.unsqueeze.default", way="axis")
def unsqueeze(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to EXPAND_DIMS."""
    axis = node.integer("dim") % node.output_type().rank
    return emit.operation("EXPAND_DIMS", [emit.input("self"), emit.int32(axis)])


def _permuted(emit: Emitter, order: Sequence[int]) -> OperandId:
    """PyTorch's order of the input's dimensions; nothing is left to do where the planned layouts have it already."""
    if len(order) > MAX_RANK:
        return _permuted_wide(emit, order)
    x = emit.input("self")
    total = emit.node.permuted("self", order)
    if total == tuple(range(len(total))):
        emit.spare()
        return x
    return transposed(emit, x, total)


def _permuted_wide(emit: Emitter, order: Sequence[int]) -> OperandId:
    """The same of a tensor of higher rank, by neighboring dimensions that stay together."""
    stands, total = emit.node.order_read("self"), emit.node.permuted("self", order)
    shape = emit.node.type_of("self").shape
    before, merged = merged_order([shape[axis] for axis in stands], total)
    if len(merged) < 2:
        emit.spare()
    return reshaped(emit, rearranged(emit, emit.input("self"), before, merged), emit.output_spec().shape)


@lowers("aten.permute.default", way="wide")
@lowers("aten.permute.default", way="operation")
def permute(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE."""
    rank = node.type_of("self").rank
    return _permuted(emit, [dim % rank for dim in node.ints("dims")])


@lowers("aten.transpose.int", way="wide")
@lowers("aten.transpose.int", way="operation")
def transpose(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE."""
    first, second = node.integer("dim0"), node.integer("dim1")
    order = list(range(len(node.shape_of("self"))))
    order[first], order[second] = order[second], order[first]
    return _permuted(emit, order)


@lowers("aten.t.default", "aten.numpy_T.default", way="operation")
def reverse_axes(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE with all axes in the opposite order."""
    return _permuted(emit, range(node.type_of("self").rank)[::-1])


@lowers("aten.movedim.int", "aten.movedim.intlist", way="wide")
@lowers("aten.movedim.int", "aten.movedim.intlist", way="operation")
def movedim(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE."""
    rank = len(node.shape_of("self"))
    moved = [dim % rank for dim in node.ints("source")]
    order = [dim for dim in range(rank) if dim not in moved]
    for place, dim in sorted(zip((dim % rank for dim in node.ints("destination")), moved, strict=True)):
        order.insert(place, dim)
    return _permuted(emit, order)


def _multiples(emit: Emitter, wider: tuple[int, ...]) -> list[int]:
    """How often each axis of a shape of the output's rank is repeated to give the output."""
    return [wanted // size for wanted, size in zip(emit.output_spec().shape, wider, strict=True)]


def _widened_shape(emit: Emitter, x: OperandId) -> tuple[int, ...]:
    """The input's shape with leading axes of size 1 up to the output's rank."""
    shape = emit.spec(x).shape
    return (1,) * (len(emit.output_spec().shape) - len(shape)) + shape


@lowers(*_WIDENING, *_REPEATING, way="operation")
def tile(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TILE."""
    x = emit.input("self")
    return emit.operation("TILE", [x, emit.int32_tensor(_multiples(emit, emit.spec(x).shape))])


@lowers(*_WIDENING, *_REPEATING, way="widened")
def tile_widened(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE and TILE."""
    x = emit.input("self")
    wider = _widened_shape(emit, x)
    return emit.operation("TILE", [reshaped(emit, x, wider), emit.int32_tensor(_multiples(emit, wider))])


@lowers(*_REPEATING, way="joined")
def repeat_joined(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of the tensor with itself, along one axis after another."""
    x = emit.input("self")
    wider = _widened_shape(emit, x)
    x = reshaped(emit, x, wider)
    for axis, times in enumerate(_multiples(emit, wider)):
        x = repeated(emit, x, times, axis)
    return x


@lowers(*_WIDENING, way="multiplied")
def expand_multiplied(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL with ones of the output's shape, which broadcasts."""
    x = emit.input("self")
    ones = full(emit.output_spec().shape, 1.0, node.output_type().dtype)
    return emit.operation("MUL", [x, emit.weight(ones), emit.fuse()])


@lowers("aten.repeat_interleave.self_int", way="operation")
def repeat_interleave(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of each cell of the axis with itself."""
    axis = node.axis(node.integer("dim"), node.type_of("self").rank)
    return interleaved(emit, emit.input("self"), node.integer("repeats"), axis)


@lowers("aten.cat.default", way="operation")
def cat(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION."""
    axis = node.axis(node.integer("dim"), node.output_type().rank)
    return emit.operation("CONCATENATION", [*emit.inputs_of("tensors"), emit.int32(axis)])


@lowers("aten.hstack.default", way="operation")
def hstack(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION along the second dimension, of vectors along their only one."""
    rank = node.output_type().rank
    return joined(emit, emit.inputs_of("tensors"), node.axis(min(1, rank - 1), rank))


@lowers("aten.vstack.default", way="operation")
def vstack(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION along the first dimension."""
    return joined(emit, emit.inputs_of("tensors"), node.axis(0, node.output_type().rank))


@lowers("aten.vstack.default", way="of vectors")
def vstack_of_vectors(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE of each vector to a row, and CONCATENATION."""
    row = (1, emit.output_spec().shape[1])
    return joined(emit, [reshaped(emit, x, row) for x in emit.inputs_of("tensors")], 0)


@lowers("aten.stack.default", way="of numbers")
def stack_of_numbers(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of tensors that are vectors of one element already."""
    return joined(emit, emit.inputs_of("tensors"), 0)


@lowers("aten.stack.default", way="operation")
def stack(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PACK."""
    axis = node.integer("dim") % node.output_type().rank
    return emit.operation("PACK", [emit.int32(axis), *emit.inputs_of("tensors")])


@lowers("aten.stack.default", way="joined")
def stack_joined(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESHAPE of each tensor and CONCATENATION."""
    output = emit.output_spec()
    axis = node.integer("dim") % len(output.shape)
    single = (*output.shape[:axis], 1, *output.shape[axis + 1 :])
    return joined(emit, [reshaped(emit, x, single) for x in emit.inputs_of("tensors")], axis)


@lowers("aten.channel_shuffle.default", way="operation")
def channel_shuffle(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CHANNEL_SHUFFLE."""
    axis = node.axis(1, node.output_type().rank)
    return emit.operation("CHANNEL_SHUFFLE", [emit.input("self"), emit.int32(node.integer("groups")), emit.int32(axis)])


@lowers("aten.channel_shuffle.default", way="transposed")
def channel_shuffle_transposed(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to TRANSPOSE of groups and channels in a group, between two RESHAPE operations."""
    groups = node.integer("groups")
    return _swap_channel_order(emit, emit.input("self"), groups, node.output_type().shape[1] // groups)


def _swap_channel_order(emit: Emitter, x: OperandId, first: int, second: int) -> OperandId:
    """Channels numbered ``first`` by ``second`` numbered the other way round, of an operand in NHWC."""
    spec = emit.spec(x)
    batch, height, width, channels = spec.shape
    grouped = reshaped(emit, x, (batch * height * width, first, second))
    return reshaped(emit, transposed(emit, grouped, (0, 2, 1)), (batch, height, width, channels))


@lowers("aten.pixel_shuffle.default", way="operation")
def pixel_shuffle(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTH_TO_SPACE."""
    return emit.operation("DEPTH_TO_SPACE", [emit.input("self"), emit.int32(node.integer("upscale_factor"))])


@lowers("aten.pixel_shuffle.default", way="permuted")
def pixel_shuffle_permuted(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a permutation of the channels to block-major order, and DEPTH_TO_SPACE."""
    block = node.integer("upscale_factor")
    x = _swap_channel_order(emit, emit.input("self"), node.output_type().shape[1], block * block)
    return emit.operation("DEPTH_TO_SPACE", [x, emit.int32(block)])


@lowers("aten.pixel_unshuffle.default", way="operation")
def pixel_unshuffle(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SPACE_TO_DEPTH."""
    return emit.operation("SPACE_TO_DEPTH", [emit.input("self"), emit.int32(node.integer("downscale_factor"))])


@lowers("aten.pixel_unshuffle.default", way="permuted")
def pixel_unshuffle_permuted(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SPACE_TO_DEPTH, and a permutation of the channels to channel-major order."""
    block = node.integer("downscale_factor")
    inputs = [emit.input("self"), emit.int32(block)]
    x = emit.operation("SPACE_TO_DEPTH", inputs, emit.output_spec())
    return _swap_channel_order(emit, x, block * block, node.type_of("self").shape[1])
