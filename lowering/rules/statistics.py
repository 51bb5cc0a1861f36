"""Variances, deviations and running sums."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod

from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.statistics import centered, mean_over, reduced_axes
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import from_call, full
from nnapi_check.lowering.emission.rule_table import Rule, lowers


def _variance(emit: Emitter) -> OperandId:
    """The mean of squared deviations, times n over n less the correction."""
    x = emit.input("self")
    spec, axes = emit.spec(x), reduced_axes(emit.node)
    count = prod(spec.shape[axis] for axis in axes)
    rest = count - _correction(emit.node)
    deviations = centered(emit, x, axes)
    squares = Elementwise(emit, x, spec).mul(deviations, deviations)
    # PyTorch divides by zero, or less, where the correction is too large: the result is not a number then.
    factor = count / rest if rest > 0 else inf
    return Elementwise(emit, x).scaled(mean_over(emit, squares, axes, emit.output_spec()), factor)


def _correction(node: NodeReader) -> float:
    if node.takes("unbiased"):
        return 1.0 if node.flag("unbiased") else 0.0
    return node.real("correction") if node.has("correction") else 1.0


def _spread(*, is_deviation: bool, with_mean: bool) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> tuple[OperandId, ...]:
        found = _variance(emit)
        if is_deviation:
            found = emit.operation("SQRT", [found])
        if not with_mean:
            return (found,)
        return found, mean_over(emit, emit.input("self"), reduced_axes(node), emit.output_spec(1))

    return rule


for _name in ("var", "std"):
    _is_deviation = _name == "std"
    _plain = tuple(f"aten.{_name}.{_overload}" for _overload in ("default", "dim", "correction"))
    lowers(*_plain, way="composed")(_spread(is_deviation=_is_deviation, with_mean=False))
    _both = tuple(f"aten.{_name}_mean.{_overload}" for _overload in ("dim", "correction"))
    lowers(*_both, way="composed")(_spread(is_deviation=_is_deviation, with_mean=True))


@lowers("aten.cumsum.default", way="last dimension")
def cumsum(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product with a triangle of ones."""
    return _running_sums(emit, emit.input("self"))


@lowers("aten.cumsum.default", way="moved")
def cumsum_moved(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product with a triangle of ones, the dimension moved to the end before and back after."""
    x = emit.input("self")
    spec = emit.spec(x)
    rank = len(spec.shape)
    axis = node.integer("dim") % rank
    order = (*(other for other in range(rank) if other != axis), axis)
    moved = replace(spec, shape=tuple(spec.shape[place] for place in order))
    sums = _running_sums(emit, emit.operation("TRANSPOSE", [x, emit.int32_tensor(order)], moved))
    back = tuple(order.index(place) for place in range(rank))
    return emit.operation("TRANSPOSE", [sums, emit.int32_tensor(back)])


def _running_sums(emit: Emitter, x: OperandId) -> OperandId:
    """Row i of the triangle adds up elements 0 to i. Emits RESHAPE and FULLY_CONNECTED."""
    spec = emit.spec(x)
    size = spec.shape[-1]
    matrix = replace(spec, shape=(prod(spec.shape[:-1]), size))
    dtype = emit.node.output_type().dtype
    triangle = from_call("aten.tril.default", (full((size, size), 1.0, dtype),), shape=(size, size), dtype=dtype)
    rows = emit.operation("RESHAPE", [x, emit.int32_tensor(matrix.shape)], matrix)
    inputs = [rows, emit.weight(triangle), emit.weight(full((size,), 0.0, dtype)), emit.fuse()]
    sums = emit.operation("FULLY_CONNECTED", inputs, matrix)
    return emit.operation("RESHAPE", [sums, emit.int32_tensor(spec.shape)], spec)
