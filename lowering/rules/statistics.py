"""Variances, deviations and running sums."""

from __future__ import annotations

from math import inf, prod

from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.compositions.statistics import centered, mean_over, reduced_axes
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
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
