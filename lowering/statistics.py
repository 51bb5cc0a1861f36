"""Means and variances over axes of a tensor, for rules that normalize or reduce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lowering.draft import OperandId, TensorSpec
from lowering.emitter import Emitter


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
    spec = emit.spec(x)
    centered = emit.operation("SUB", [x, mean_over(emit, x, axes), emit.fuse()], spec)
    squares = emit.operation("MUL", [centered, centered, emit.fuse()], spec)
    return Deviation(centered, mean_over(emit, squares, axes))


def standardized(emit: Emitter, x: OperandId, axes: Sequence[int], epsilon: float, output: TensorSpec) -> OperandId:
    """A tensor less its mean, over the root of its variance plus epsilon: with ADD, RSQRT and MUL on top."""
    found = deviation(emit, x, axes)
    spec = emit.spec(found.variance)
    shifted = emit.operation("ADD", [found.variance, emit.number(epsilon, x), emit.fuse()], spec)
    root = emit.operation("RSQRT", [shifted], spec)
    return emit.operation("MUL", [found.centered, root, emit.fuse()], output)
