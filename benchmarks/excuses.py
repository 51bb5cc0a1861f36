"""Which elements may differ, as the differences say that the ways of a part name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.judging.judge import met_differences
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.coverage_db.cards import Layout, Way
from nnapi_check.coverage_db.differences import Difference
from nnapi_check.coverage_db.input_classes import InputClass
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.part_lowering import LoweredPart

SQUARE_OVERFLOWS = 1.8e19
LEAST_NORMAL = 1.1754944e-38
WIDEST = 2**31 - 1


@cache
def _differences() -> Mapping[str, Difference]:
    return {found.id: found for found in open_registry().differences()}


def excused(
    part: LoweredPart, plan: Plan, captured: Captured, values: Mapping[int, torch.Tensor]
) -> Mapping[int, torch.Tensor]:
    """The elements of each value of a part that a difference concerns, and those that are computed of them.

    ``values`` are what PyTorch computes, by value id.
    """
    nodes = {node.id: node for node in captured.graph.nodes()}
    found: dict[int, torch.Tensor] = {}
    for id_ in part.part.nodes:
        node, way = nodes[id_], plan.verdicts[id_].way
        if way is None:
            continue
        inputs = {value: _tensor(value, captured, values) for value in node.inputs()}
        for value in node.outputs:
            if value in values:
                mask = _mask(node, way, inputs, values[value], found, captured)
                if bool(mask.any()):
                    found[value] = mask
    return found


def _tensor(value: int, captured: Captured, values: Mapping[int, torch.Tensor]) -> torch.Tensor:
    return values[value] if value in values else captured.tensor(value)


def _mask(
    node: Node,
    way: Way,
    inputs: Mapping[int, torch.Tensor],
    output: torch.Tensor,
    before: Mapping[int, torch.Tensor],
    captured: Captured,
) -> torch.Tensor:
    mask = torch.zeros(output.shape, dtype=torch.bool)
    known = _differences()
    within = None if way.bound is None else way.bound.within
    for value, tensor in inputs.items():
        if value in before:
            mask |= _reach(before[value], mask, is_elementwise=way.layout is Layout.ANY)
        if within is not None and tensor.is_floating_point():
            mask |= _reach(~(tensor.abs() <= within), mask, is_elementwise=way.layout is Layout.ANY)
        for difference in (known[id_] for id_ in met_differences(way, node, captured.graph)):
            for kind in difference.inputs:
                if kind is InputClass.WIDE and tensor.is_floating_point() and way.layout is not Layout.ANY:
                    # What tells places makes no number of its input's.
                    continue
                source = _of_class(kind, tensor, output)
                is_of_lines = difference.spreads or InputClass.TIES in difference.inputs
                along = _along(node, source, mask) if is_of_lines else None
                is_elementwise = way.layout is Layout.ANY and not difference.spreads
                mask |= _reach(source, mask, is_elementwise=is_elementwise) if along is None else along
                if kind is InputClass.WIDE:
                    mask |= _of_class(kind, output, output)
    return mask


def _reach(source: torch.Tensor, output: torch.Tensor, *, is_elementwise: bool) -> torch.Tensor:
    """The elements of an output that those of an input reach: all of them, but for an elementwise op."""
    if not bool(source.any()):
        return torch.zeros_like(output)
    try:
        return source.expand(output.shape) if is_elementwise else torch.ones_like(output)
    except RuntimeError:
        return torch.ones_like(output)


def _along(node: Node, source: torch.Tensor, output: torch.Tensor) -> torch.Tensor | None:
    """The elements that lie on a line with those of an input, of an op that adds up along one axis; None of others."""
    dim = node.arguments.get("dim")
    if type(dim) is not int or source.dim() != output.dim() or source.dim() == 0:
        return None
    line = source.any(dim, keepdim=True)
    is_beside = all(left in (1, right) for left, right in zip(line.shape, output.shape, strict=True))
    return line.expand(output.shape) if is_beside else None


def _of_class(kind: InputClass, tensor: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The elements of a tensor that are of a class; equal elements concern the outputs only that tell places."""
    nothing = torch.zeros(tensor.shape, dtype=torch.bool)
    if tensor.is_quantized or tensor.is_complex():
        return nothing
    match kind:
        case InputClass.NAN:
            return tensor.isnan()
        case InputClass.INFINITE:
            return tensor.isinf()
        case InputClass.NEGATIVE_ZERO:
            return (tensor == 0) & tensor.signbit()
        case InputClass.SUBNORMAL:
            return (tensor != 0) & (tensor.abs() < LEAST_NORMAL) if tensor.is_floating_point() else nothing
        case InputClass.LARGE:
            return tensor.isfinite() & (tensor.abs() > SQUARE_OVERFLOWS) if tensor.is_floating_point() else nothing
        case InputClass.WIDE:
            # A float that is no number of 32 bits either becomes one that PyTorch does not define.
            if tensor.dtype is torch.int64 or (tensor.is_floating_point() and not output.is_floating_point()):
                return ~(tensor.double().abs() <= WIDEST)
            return nothing
        case InputClass.TIES:
            if output.is_floating_point() or tensor.dim() == 0:
                return nothing
            # Ways that tell places in another order do so along the last dimension.
            ordered = tensor.sort(-1).values
            is_tied = ordered[..., 1:] == ordered[..., :-1]
            return is_tied.any(-1, keepdim=True).expand(tensor.shape)
