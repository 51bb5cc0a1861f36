"""A plan in which layers have their scales equalized with the next, where that is chosen: what runs in one part alone.

It comes last, once it is known what runs together: what is divided between two layers may leave no part.
"""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.equalization import ENDS, Factors, equalized_bound, equalized_layers
from nnapi_check.analyzer.graph import Graph, Node
from nnapi_check.analyzer.judging.device_limits import Device
from nnapi_check.analyzer.judging.judge import Knowledge, NodeVerdict
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import WeightScales
from nnapi_check.coverage_db.spec import OperandType


def ends_since(knowledge: Knowledge, device: Device | None) -> int | None:
    """The feature level of the operation that ends channels; None where the device refuses it."""
    kind = OperandType.TENSOR_QUANT8_ASYMM
    if device is not None and device.profile.refuses(ENDS, kind):
        return None
    return knowledge.operation(ENDS).type_since(kind)


def equalized(plan: Plan, uses: Uses, since: int) -> Plan:
    """The plan with the factors of its layers, each with the bound that it then has, where its level reaches ``since``,
    that of what ends their channels.
    """
    if plan.level < since:
        return plan
    factors = _factors(plan, uses)
    told = {node: _told(plan.verdicts[node], node, found, uses.graph, since) for node, found in factors.items()}
    return replace(plan, verdicts={**plan.verdicts, **told}, factors=factors)


def _factors(plan: Plan, uses: Uses) -> dict[int, Factors]:
    parts: dict[int, list[Node]] = {}
    part_of = plan.partition.part_of()
    for node in (node for node in uses.graph.body.nodes if node.id in part_of):
        way = plan.verdicts[node.id].way
        if way is not None and way.weight_scales is WeightScales.ONE:
            parts.setdefault(part_of[node.id], []).append(node)
    found: dict[int, Factors] = {}
    for nodes in parts.values():
        found.update(equalized_layers(uses.graph, nodes, uses.readers))
    return found


def _told(verdict: NodeVerdict, node: int, factors: Factors, graph: Graph, since: int) -> NodeVerdict:
    given, (output, *_) = graph.by_id[node].arguments, graph.by_id[node].outputs
    x, weight, made = graph.tensor_of(given["input"]), graph.tensor_of(given["weight"]), graph.tensor_type(output)
    if verdict.way is None or x is None or weight is None or made is None:
        return verdict
    bound = equalized_bound(verdict.way.bound or Bound(), x, weight, made, factors)
    way = replace(verdict.way, bound=bound)
    level = max(verdict.level or since, since) if factors.divided else verdict.level
    return replace(verdict, way=way, level=level, status=way.status)
