"""Which elements may differ, as the differences say that the ways of a part name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import torch

from benchmarks.reach import Reach
from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.judging.judge import met_differences
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.coverage_db.cards import Layout, Way
from nnapi_check.coverage_db.differences import Difference
from nnapi_check.coverage_db.input_classes import InputClass
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.part_lowering import LoweredPart

Values = Mapping[int, torch.Tensor]

SQUARE_OVERFLOWS = 1.8e19
LEAST_NORMAL = 1.1754944e-38
WIDEST = 2**31 - 1

GREAT = 1e4
"""What greater numbers do not reach is held to a range without them."""


@cache
def _differences() -> Mapping[str, Difference]:
    return {found.id: found for found in open_registry().differences()}


def excused(part: LoweredPart, plan: Plan, captured: Captured, values: Values, reach: Reach) -> Values:
    """The elements of each value of a part that a difference concerns, and those that are computed of them.

    ``values`` are what PyTorch computes, by value id.
    """

    def mask(node: Node, way: Way, made: int, inputs: Values, before: Values) -> torch.Tensor:
        return _mask(node, way, made, inputs, values[made], before, reach)

    return _carried(part, plan, captured, values, mask)


def beyond(part: LoweredPart, plan: Plan, captured: Captured, values: Values, reach: Reach) -> Values:
    """The elements of each value of a part that are great themselves, or computed of such."""

    def mask(node: Node, way: Way, made: int, inputs: Values, before: Values) -> torch.Tensor:
        found = is_great(values[made])
        for value, tensor in inputs.items():
            source = is_great(tensor) | before[value] if value in before else is_great(tensor)
            found |= _reached(reach, node, way, made, value, source, inputs, found)
        return found

    return _carried(part, plan, captured, values, mask)


def is_great(tensor: torch.Tensor) -> torch.Tensor:
    """The finite elements that are great."""
    if not tensor.is_floating_point():
        return torch.zeros(tensor.shape, dtype=torch.bool)
    return tensor.isfinite() & (tensor.abs() > GREAT)


def _carried(
    part: LoweredPart,
    plan: Plan,
    captured: Captured,
    values: Values,
    mask_of: Callable[[Node, Way, int, Values, Values], torch.Tensor],
) -> Values:
    """Mark elements node by node."""
    found: dict[int, torch.Tensor] = {}
    for id_ in part.part.nodes:
        node, way = captured.graph.by_id[id_], plan.verdicts[id_].way
        if way is None:
            continue
        inputs = {value: _tensor(value, captured, values) for value in node.inputs()}
        for value in node.outputs:
            if value in values:
                mask = mask_of(node, way, value, inputs, found)
                if bool(mask.any()):
                    found[value] = mask
    return found


def _tensor(value: int, captured: Captured, values: Values) -> torch.Tensor:
    return values[value] if value in values else captured.tensor(value)


def _mask(
    node: Node,
    way: Way,
    made: int,
    inputs: Values,
    output: torch.Tensor,
    before: Values,
    reach: Reach,
) -> torch.Tensor:
    mask = torch.zeros(output.shape, dtype=torch.bool)
    differences = [_differences()[id_] for id_ in met_differences(way, node, reach.captured.graph)]
    spreads = any(difference.spreads for difference in differences)
    within = None if way.bound is None else way.bound.within

    def reached(value: int, source: torch.Tensor, *, is_of_lines: bool) -> torch.Tensor:
        return _reached(reach, node, way, made, value, source, inputs, mask, is_of_lines=is_of_lines)

    for value, tensor in inputs.items():
        if value in before:
            mask |= reached(value, before[value], is_of_lines=spreads)
        if within is not None and tensor.is_floating_point():
            mask |= reached(value, ~(tensor.abs() <= within), is_of_lines=spreads)
        for difference in differences:
            for kind in difference.inputs:
                if kind is InputClass.WIDE and tensor.is_floating_point() and way.layout is not Layout.ANY:
                    # What tells places makes no number of its input's.
                    continue
                if kind is InputClass.TIES:
                    if made == node.outputs[-1]:
                        mask |= _tied_places(tensor, output, node.arguments["dim"])
                    continue
                is_of_lines = difference.spreads or InputClass.TIES in difference.inputs
                mask |= reached(value, _of_class(kind, tensor, output), is_of_lines=is_of_lines)
                if kind is InputClass.WIDE:
                    mask |= _of_class(kind, output, output)
    return mask


def _reached(
    reach: Reach,
    node: Node,
    way: Way,
    made: int,
    value: int,
    source: torch.Tensor,
    inputs: Values,
    output: torch.Tensor,
    *,
    is_of_lines: bool = False,
) -> torch.Tensor:
    """The elements of an output that those of an input reach, in lines or of themselves."""
    if not bool(source.any()):
        return torch.zeros_like(output)
    if way.layout is Layout.ANY and not is_of_lines and _is_below(source, output):
        return source.expand(output.shape)
    find = reach.beside if is_of_lines else reach.reached
    return find(node, made, value, source, inputs)


def _is_below(source: torch.Tensor, output: torch.Tensor) -> bool:
    """Whether a tensor's elements reach those that it is broadcast to."""
    pairs = zip(reversed(source.shape), reversed(output.shape), strict=False)
    return source.dim() <= output.dim() and all(left in (1, right) for left, right in pairs)


def _of_class(kind: InputClass, tensor: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The elements of a tensor that are of a class; equal elements are found with the places that are told of them."""
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
            return nothing


def _tied_places(tensor: torch.Tensor, output: torch.Tensor, dim: object) -> torch.Tensor:
    """The places that an op's last output tells of elements which others on their line along ``dim`` equal."""
    if output.dtype is not torch.int64 or tensor.dim() == 0 or not isinstance(dim, int):
        return torch.zeros(output.shape, dtype=torch.bool)
    ordered, order = tensor.movedim(dim, -1).sort(-1)
    equal = ordered[..., 1:] == ordered[..., :-1]
    beside = torch.nn.functional.pad(equal, (1, 0)) | torch.nn.functional.pad(equal, (0, 1))
    tied = torch.zeros_like(beside).scatter(-1, order, beside).movedim(-1, dim)
    if output.dim() == tensor.dim():
        return tied.gather(dim, output)
    return tied.gather(dim, output.unsqueeze(dim)).squeeze(dim)
