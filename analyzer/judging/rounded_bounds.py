"""How far an op on integers may be from the float op that it stands for, whose result PyTorch rounds to integers."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from nnapi_check.analyzer.graph import ABSENT, Graph, Node, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.judging.arithmetic import is_quantized
from nnapi_check.coverage_db.bounds import Bound

_NEAR_HALVES = 0.0005
"""The share of results so near to halfway between two steps that floats and integers round them to different ones."""

_MEAN, _GREATEST = 0.25, 0.5
"""By how much of its own step a bias is off that is rounded to it, on average and at most."""

FLOATS_BETWEEN_STEPS = "floats-between-steps"
"""The difference that is bridged."""


def rounded_bound(node: Node, graph: Graph) -> Bound | None:
    """The bound of an op on integers that stands for floats between a dequantize and a quantize; None of other nodes.

    NNAPI's bias is a whole number of steps of the input's scale times the weight's, which may be some of the output's.
    """
    output = graph.type_of(node.outputs[0])
    if not node.covers or not node.op.startswith("quantized.") or not is_quantized(output):
        return None
    step = _bias_step(node, graph)
    return Bound(steps=max(1, ceil(_GREATEST * step)), share=min(1.0, _NEAR_HALVES + _MEAN * step))


def with_rounding(stated: Bound, rounded: Bound) -> Bound:
    """The bound beside rounded floats of a way whose bound beside PyTorch's op on integers is ``stated``."""
    # Weights that are rounded to other scales move a result before it is rounded.
    if stated.deviation:
        share = min(1.0, stated.share + rounded.share)
        return replace(stated, steps=stated.steps + rounded.steps, share=share)
    return replace(stated, steps=max(stated.steps, rounded.steps), share=max(stated.share, rounded.share))


def _bias_step(node: Node, graph: Graph) -> float:
    """The greatest step of a node's bias in steps of its output; 0 where it has none."""
    output = graph.tensor_type(node.outputs[0])
    given, weight = (graph.tensor_of(node.arguments.get(name)) for name in ("input", "weight"))
    if node.arguments.get("bias", ABSENT) == ABSENT or given is None or weight is None:
        return 0.0
    if output is None or not isinstance(output.quant, PerTensor):
        return 0.0
    return _greatest_scale(given) * _greatest_scale(weight) / output.quant.scale


def _greatest_scale(kind: TensorType) -> float:
    match kind.quant:
        case PerTensor(scale, _):
            return scale
        case PerChannel(scales, _, _):
            return max(scales)
        case _:
            return 0.0
