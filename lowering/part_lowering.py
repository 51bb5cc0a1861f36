"""From a judged part of a graph to a validated NNAPI model. No weight is read: constants stay recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Graph, Node
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.planning.partition import Part
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.emission.emitter import Emitter, RuleError
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.rule_table import Rule
from nnapi_check.lowering.fixups.fold_affine import fold_affine
from nnapi_check.lowering.fixups.fuse_activation import fuse_activation
from nnapi_check.lowering.fixups.merge_reshapes import merge_reshapes
from nnapi_check.lowering.nnapi.model import Computed, Model
from nnapi_check.lowering.nnapi.validation.validate import validate


@dataclass(frozen=True, slots=True)
class Crossing:
    """A value that crosses a part's boundary: the model's input or output that carries it, and in which order."""

    value: int
    operand: int
    is_nhwc: bool


@dataclass(frozen=True, slots=True)
class LoweredPart:
    """One part as an NNAPI model.

    ``buffers`` are the recipes of the model's numbered buffers. ``held`` says which operand holds which value of the
    graph, for comparing node by node; values that a fixup folded away are not in it. ``node_of`` names, for each
    operation, the node it was emitted for. ``level`` is the lowest feature level that has all of it.
    """

    part: Part
    model: Model
    buffers: tuple[Recipe, ...]
    inputs: tuple[Crossing, ...]
    outputs: tuple[Crossing, ...]
    held: tuple[Crossing, ...]
    node_of: tuple[int, ...]
    level: int

    @property
    def transposes(self) -> int:
        """How many TRANSPOSE operations the model has."""
        return sum(1 for operation in self.model.operations if operation.kind == "TRANSPOSE")


def lower_part(
    part: Part,
    graph: Graph,
    nodes: Mapping[int, Node],
    verdicts: Mapping[int, NodeVerdict],
    layout: LayoutPlan,
    facts: Mapping[str, OperationFacts],
    rules: Mapping[tuple[str, str], Rule],
) -> LoweredPart:
    """Lower a part, node by node, apply the fixups and validate. A promise that does not hold is a ``RuleError``."""
    emitter = Emitter(graph, layout)
    for node_id in part.nodes:
        _lower_node(nodes[node_id], verdicts[node_id], emitter, rules)
    outputs = _outputs(part, emitter)
    emitter.draft.outputs.extend(operand for _, operand in outputs)
    merge_reshapes(emitter)
    fold_affine(emitter, facts)
    fuse_activation(emitter, facts)
    return _finished(part, emitter, outputs, layout, facts, promised_level(part, verdicts, layout))


def promised_level(part: Part, verdicts: Mapping[int, NodeVerdict], layout: LayoutPlan) -> int:
    """The feature level that the verdicts of a part's nodes promise, its changes of layout included."""
    members = set(part.nodes)
    made_inside = [
        change for read, change in layout.conflicts.items() if read[0] in members and read[1] not in part.inputs
    ]
    levels = [verdicts[node].level for node in part.nodes] + [change.since for change in made_inside]
    return max([1, *(level for level in levels if level is not None)])


def _lower_node(node: Node, verdict: NodeVerdict, emitter: Emitter, rules: Mapping[tuple[str, str], Rule]) -> None:
    if verdict.way is None:
        raise RuleError(f"{node.op} at {node.source}: it is in a part, but its verdict is {verdict.status.value}")
    rule = rules.get((node.op, verdict.way.name))
    if rule is None:
        raise RuleError(f"{node.op}: no rule is registered for the way {verdict.way.name!r}")
    emitter.bind(node, verdict.way)
    if not verdict.way.emits and (verdict.level or 1) > 1:
        # The level is that of a copy, which only an output of the part needs.
        emitter.spare()
    made = rule(node, emitter)
    operands: Sequence[OperandId] = (made,) if isinstance(made, int) else made
    # Outputs that a rule leaves out stand last, and its card demands that nothing reads them.
    if not 0 < len(operands) <= len(node.outputs):
        raise RuleError(f"{node.op}: its rule made {len(operands)} outputs, the node has {len(node.outputs)}")
    for value, operand in zip(node.outputs, operands, strict=False):
        emitter.set_output(value, operand)


def _outputs(part: Part, emitter: Emitter) -> list[tuple[int, OperandId]]:
    """The operands of the part's outputs; one that is not computed, or also another output, is copied."""
    taken: set[OperandId] = set()
    found: list[tuple[int, OperandId]] = []
    for value in part.outputs:
        operand = emitter.made(value)
        if operand in taken or not isinstance(emitter.draft.operands[operand].source, Computed):
            operand = emitter.copied(operand)
        taken.add(operand)
        found.append((value, operand))
    return found


def _finished(
    part: Part,
    emitter: Emitter,
    outputs: Sequence[tuple[int, OperandId]],
    layout: LayoutPlan,
    facts: Mapping[str, OperationFacts],
    promised: int,
) -> LoweredPart:
    finished = emitter.draft.finish(relaxed=False)
    validation = validate(finished.model, facts)
    if validation.faults:
        told = "; ".join(fault.message for fault in validation.faults[:3])
        raise RuleError(f"part {part.index} is not a legal model ({len(validation.faults)} faults): {told}")
    if validation.level > promised or (validation.level < promised and not emitter.has_spared):
        raise RuleError(f"part {part.index} needs feature level {validation.level}, its verdicts promised {promised}")
    computed = {made for _, operation in emitter.draft.live() for made in operation.outputs}
    return LoweredPart(
        part=part,
        model=finished.model,
        buffers=finished.buffers,
        inputs=tuple(
            Crossing(value, finished.operand_of[operand], is_nhwc)
            for (value, is_nhwc), operand in emitter.inputs.items()
        ),
        outputs=tuple(
            Crossing(value, finished.operand_of[operand], value in layout.nhwc_values) for value, operand in outputs
        ),
        held=tuple(
            Crossing(value, finished.operand_of[operand], is_nhwc)
            for (value, is_nhwc), operand in emitter.operands.items()
            if operand in computed and operand in finished.operand_of and value not in layout.features
        ),
        node_of=finished.node_of,
        level=validation.level,
    )
