"""Products of matrices in pairs: by BATCH_MATMUL, or by one convolution in which every pair has channels of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from nnapi_check.analyzer.held_axes import held_shape
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.lowering.compositions.matrix_product import permuted, reshaped
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Recipe, full
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

Factor = Recipe | OperandId
"""A tensor of matrices: a constant by its recipe, any other by its operand."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Matrices [.., rows, sums] and those they meet: [.., sums, columns], or [.., columns, sums] if ``is_turned``."""

    left: Factor
    right: Factor
    is_turned: bool = False


@dataclass(frozen=True, slots=True)
class _Extents:
    """How many pairs there are, and what their matrices count."""

    pairs: int
    rows: int
    sums: int
    columns: int


Multiply = Callable[[Emitter, Pairs, TensorSpec], OperandId]
"""Writes the products of pairs, in the shape of a spec."""


def factor(emit: Emitter, name: str) -> Factor:
    """A tensor argument as a factor."""
    if not emit.node.is_constant(name):
        return emit.input(name)
    found = emit.node.constant(name)
    return found if found.rank <= MAX_RANK else found.reshape(*held_shape(found.shape, nhwc=False))


def multiply_batches(emit: Emitter, pairs: Pairs, output: TensorSpec) -> OperandId:
    """BATCH_MATMUL."""
    factors = [_operand(emit, item) for item in (pairs.left, pairs.right)]
    flags = [emit.boolean(False), emit.boolean(pairs.is_turned)]
    return emit.operation("BATCH_MATMUL", [*factors, *flags], output)


def multiply_in_groups(emit: Emitter, pairs: Pairs, output: TensorSpec) -> OperandId:
    """GROUPED_CONV_2D: each pair is a group of channels, one matrix its pixels and the other its filters.

    Constant matrices, or those that need no other order for it, are the filters.
    """
    size = _extents(emit, pairs)
    left, right = _batched(emit, pairs.left), _batched(emit, pairs.right)
    if isinstance(pairs.left, int) and (pairs.is_turned or not isinstance(pairs.right, int)):
        filters = right if pairs.is_turned else _in_order(emit, right, (0, 2, 1))
        image, made, order = _in_order(emit, left, (1, 0, 2)), (size.rows, size.pairs, size.columns), (1, 0, 2)
    else:
        filters = left
        image = _in_order(emit, right, (1, 0, 2) if pairs.is_turned else (2, 0, 1))
        made, order = (size.columns, size.pairs, size.rows), (1, 2, 0)
    pixels, _, count = made
    inputs = [
        _shaped(emit, image, (1, pixels, 1, size.pairs * size.sums)),
        _shaped(emit, filters, (size.pairs * count, 1, 1, size.sums)),
        _no_bias(emit, size.pairs * count),
        *_steps(emit),
        emit.int32(size.pairs),
        emit.fuse(),
        emit.boolean(False),
    ]
    spec = replace(output, shape=(1, pixels, 1, size.pairs * count))
    return _separated(emit, emit.operation("GROUPED_CONV_2D", inputs, spec), made, order, output)


def multiply_in_depth(emit: Emitter, pairs: Pairs, output: TensorSpec) -> OperandId:
    """DEPTHWISE_CONV_2D: each pair is a channel, the rows of the left matrix are high, and its sums are wide."""
    size = _extents(emit, pairs)
    image = _in_order(emit, _batched(emit, pairs.left), (1, 2, 0))
    filters = _in_order(emit, _batched(emit, pairs.right), (2, 0, 1) if pairs.is_turned else (1, 0, 2))
    inputs = [
        _shaped(emit, image, (1, size.rows, size.sums, size.pairs)),
        _shaped(emit, filters, (1, 1, size.sums, size.pairs * size.columns)),
        _no_bias(emit, size.pairs * size.columns),
        *_steps(emit),
        emit.int32(size.columns),
        emit.fuse(),
    ]
    spec = replace(output, shape=(1, size.rows, 1, size.pairs * size.columns))
    made = emit.operation("DEPTHWISE_CONV_2D", inputs, spec)
    return _separated(emit, made, (size.rows, size.pairs, size.columns), (1, 0, 2), output)


def _extents(emit: Emitter, pairs: Pairs) -> _Extents:
    *batches, rows, sums = _shape(emit, pairs.left)
    columns = _shape(emit, pairs.right)[-2 if pairs.is_turned else -1]
    return _Extents(prod(batches), rows, sums, columns)


def _shape(emit: Emitter, item: Factor) -> tuple[int, ...]:
    return emit.spec(item).shape if isinstance(item, int) else item.shape


def _operand(emit: Emitter, item: Factor) -> OperandId:
    return item if isinstance(item, int) else emit.weight(item)


def _batched(emit: Emitter, item: Factor) -> Factor:
    """A factor with one dimension before those of its matrices."""
    *batches, height, width = _shape(emit, item)
    shape = (prod(batches), height, width)
    return reshaped(emit, item, shape) if isinstance(item, int) else item.reshape(*shape)


def _in_order(emit: Emitter, item: Factor, order: tuple[int, ...]) -> Factor:
    """A factor with its dimensions in another order: a RESHAPE where only those of 1 change places."""
    if not isinstance(item, int):
        return item.permute(*order)
    shape = emit.spec(item).shape
    long = [axis for axis in order if shape[axis] != 1]
    if long == sorted(long):
        emit.spare()
        return reshaped(emit, item, tuple(shape[axis] for axis in order))
    return permuted(emit, item, order)


def _shaped(emit: Emitter, item: Factor, shape: tuple[int, ...]) -> OperandId:
    return reshaped(emit, item, shape) if isinstance(item, int) else emit.weight(item.reshape(*shape))


def _separated(
    emit: Emitter, made: OperandId, shape: tuple[int, ...], order: tuple[int, ...], output: TensorSpec
) -> OperandId:
    """The pixels of a convolution as matrices, in the shape of ``output``."""
    return _shaped(emit, _in_order(emit, reshaped(emit, made, shape), order), output.shape)


def _no_bias(emit: Emitter, channels: int) -> OperandId:
    return emit.weight(full((channels,), 0.0, emit.node.output_type().dtype))


def _steps(emit: Emitter) -> list[OperandId]:
    """No padding on any side, and steps of 1."""
    return [emit.int32(number) for number in (0, 0, 0, 0, 1, 1)]
