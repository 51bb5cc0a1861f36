"""Means and variances over axes of a tensor, for rules that normalize or reduce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def reduced_axes(node: NodeReader) -> tuple[int, ...]:
    """The axes that ``dim`` names, where they stand in the layout; all of them where it names none."""
    rank = max(node.type_of("self").rank, 1)
    dims = node.ints("dim") if node.has("dim") else ()
    return tuple(sorted({node.axis(dim, rank) for dim in dims or range(rank)}))


def mean_over(emit: Emitter, x: OperandId, axes: Sequence[int], output: TensorSpec | None = None) -> OperandId:
    """MEAN over axes, which stay with size 1 unless another output is described."""
    wanted = output if output is not None else kept(emit.spec(x), axes)
    keeps = len(wanted.shape) == len(emit.spec(x).shape)
    return emit.operation("MEAN", [x, emit.int32_tensor(axes), emit.int32(int(keeps))], wanted)


def kept(spec: TensorSpec, axes: Sequence[int]) -> TensorSpec:
    """The tensor after a reduction that keeps the reduced axes with size 1."""
    return replace(spec, shape=tuple(1 if axis in axes else size for axis, size in enumerate(spec.shape)))


@dataclass(frozen=True, slots=True)
class Deviation:
    """A tensor less its mean, and the mean of the squares of that, with the axes kept."""

    centered: OperandId
    variance: OperandId


def deviation(emit: Emitter, x: OperandId, axes: Sequence[int]) -> Deviation:
    """Compute deviations with MEAN, SUB and MUL, in two passes so that nothing cancels."""
    found = centered(emit, x, axes)
    squares = emit.operation("MUL", [found, found, emit.fuse()], emit.spec(x))
    return Deviation(found, mean_over(emit, squares, axes))


def centered(emit: Emitter, x: OperandId, axes: Sequence[int]) -> OperandId:
    """A tensor less its mean over axes, with MEAN and SUB, and again less the mean of that.

    A driver that adds up one element after another is off by some 1e-5 of the mean of a long row. Where elements differ
    by less, that would be all that is left; once they are near zero, so is the error of their mean.
    """
    for _ in range(2):
        x = emit.operation("SUB", [x, mean_over(emit, x, axes), emit.fuse()], emit.spec(x))
    return x


def standardized(emit: Emitter, x: OperandId, axes: Sequence[int], epsilon: float, output: TensorSpec) -> OperandId:
    """A tensor less its mean, over the root of its variance plus epsilon: with ADD, RSQRT and MUL on top."""
    found = deviation(emit, x, axes)
    spec = emit.spec(found.variance)
    shifted = emit.operation("ADD", [found.variance, emit.number(epsilon, x), emit.fuse()], spec)
    root = emit.operation("RSQRT", [shifted], spec)
    return emit.operation("MUL", [found.centered, root, emit.fuse()], output)
