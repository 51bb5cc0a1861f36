"""Normalizations: by running statistics as one factor and term a channel, or by statistics of the input."""

from __future__ import annotations

from analyzer.graph import ElementType, Node
from lowering.draft import OperandId
from lowering.emitter import Emitter
from lowering.registry import lowers
from lowering.weights import Recipe


@lowers("aten.batch_norm.default", way="affine")
def batch_norm(node: Node, emit: Emitter) -> OperandId:
    """Lower to MUL and ADD of one number a channel."""
    return _running_affine(emit)


def _running_affine(emit: Emitter) -> OperandId:
    mean, variance = (emit.constant(name).cast(ElementType.FLOAT32) for name in ("running_mean", "running_var"))
    factor = (variance + emit.real("eps")).rsqrt()
    if emit.has("weight"):
        factor = factor * emit.constant("weight").cast(ElementType.FLOAT32)
    term = -(mean * factor)
    if emit.has("bias"):
        term = term + emit.constant("bias").cast(ElementType.FLOAT32)
    scaled = emit.operation("MUL", [emit.input("input"), _by_channel(emit, factor), emit.fuse()])
    return emit.operation("ADD", [scaled, _by_channel(emit, term), emit.fuse()])


def _by_channel(emit: Emitter, numbers: Recipe) -> OperandId:
    """One number a channel, the second of PyTorch's dimensions, in the input's element type and layout."""
    kind = emit.type_of("input")
    shape = tuple(numbers.shape[0] if axis == 1 else 1 for axis in range(kind.rank))
    return emit.weight(numbers.reshape(*emit.arranged(shape)).cast(kind.dtype))
