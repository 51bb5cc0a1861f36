"""A judgement narrowed to what a device's driver accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.judging.emitted_operations import emitted_type
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.judging.judge import Judgement, Knowledge, NodeJudgement
from nnapi_check.analyzer.judging.nearest_ways import WayVerdict
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.device_profile import DeviceProfile
from nnapi_check.coverage_db.spec import FOREVER, OperandType, OperationFacts

REASON = "NNC802"
_LAYOUT = "TRANSPOSE"
# The types in which activations change their layout.
_LAYOUT_TYPES = (OperandType.TENSOR_FLOAT32, OperandType.TENSOR_QUANT8_ASYMM)


@dataclass(frozen=True, slots=True)
class Device:
    """A device's profile, and the nodes whose lowered operations turned out to be refused, with what is refused."""

    profile: DeviceProfile
    refused_nodes: Mapping[int, tuple[str, OperandType | None]]


@dataclass(frozen=True, slots=True)
class WithoutTranspose:
    """The registry for planning on a device that cannot transpose: as at level 1, layouts change outside NNAPI."""

    registry: Knowledge

    def has_card(self, op: str) -> bool:
        """Whether the registry has a card for an op."""
        return self.registry.has_card(op)

    def card(self, op: str) -> Card:
        """The card of an op that has one."""
        return self.registry.card(op)

    def operation(self, name: str) -> OperationFacts:
        """The facts of an NNAPI operation; of the one that transposes, that no level has it."""
        facts = self.registry.operation(name)
        return replace(facts, since=FOREVER) if name == _LAYOUT else facts


def planning_knowledge(knowledge: Knowledge, device: Device) -> Knowledge:
    """What a plan for the device is made with."""
    is_refused = any(device.profile.refuses(_LAYOUT, kind) for kind in _LAYOUT_TYPES)
    return WithoutTranspose(knowledge) if is_refused else knowledge


def narrowed(judgement: Judgement, device: Device) -> Judgement:
    """The judgement in which a way fits only where the driver accepts every operation that it emits."""
    return replace(
        judgement,
        nodes={
            number: _narrowed_node(judged, judgement.graph.by_id[number], judgement, device)
            for number, judged in judgement.nodes.items()
        },
    )


def _narrowed_node(judged: NodeJudgement, node: Node, judgement: Judgement, device: Device) -> NodeJudgement:
    ways = tuple(_narrowed_way(found, node, judgement, device) for found in judged.ways)
    return judged if ways == judged.ways else replace(judged, ways=ways)


def _narrowed_way(found: WayVerdict, node: Node, judgement: Judgement, device: Device) -> WayVerdict:
    refused = [
        (emission.operation, kind)
        for emission in found.way.emits
        if device.profile.refuses(emission.operation, kind := emitted_type(emission, node, judgement.uses))
    ]
    if node.id in device.refused_nodes:
        refused.append(device.refused_nodes[node.id])
    if not refused:
        return found
    failures = tuple(_failure(found.way.name, operation, kind, device.profile.device) for operation, kind in refused)
    return replace(found, failures=tuple(dict.fromkeys((*found.failures, *failures))))


def _failure(way: str, operation: str, kind: OperandType | None, device: str) -> Failure:
    where = f" of {kind.name}" if kind is not None else ""
    return Failure(
        reason=REASON,
        requirement="device",
        way=way,
        found=f"{operation}{where}",
        wanted=f"an operation that {device} accepts",
        because=f"The profile of {device} says that its driver refuses {operation}{where}.",
        fix="Use another op or element type here, or leave it to the CPU on this device.",
    )
