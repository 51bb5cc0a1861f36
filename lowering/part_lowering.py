"""From a judged part of a graph to a validated NNAPI model. No weight is read: constants stay recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nnapi_check.analyzer.equalization import NO_FACTORS, Factors
from nnapi_check.analyzer.graph import Block, Graph, Node
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.planning.partition import Part
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Way
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.compositions.carrying import carried_outputs, carry_inputs
from nnapi_check.lowering.compositions.equalized_weights import ended
from nnapi_check.lowering.control_flow_lowering import lower_control_flow
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import Draft, FinishedModel, OperandId
from nnapi_check.lowering.emission.node_reader import RuleError
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.rule_table import Rulebook
from nnapi_check.lowering.fixups.fold_affine import fold_affine
from nnapi_check.lowering.fixups.fuse_activation import fuse_activation
from nnapi_check.lowering.fixups.leave_unread import leave_unread
from nnapi_check.lowering.fixups.merge_reshapes import merge_reshapes
from nnapi_check.lowering.fixups.merge_transposes import merge_transposes
from nnapi_check.lowering.fixups.share_moves import share_moves
from nnapi_check.lowering.fixups.sink_reshapes import sink_reshapes
from nnapi_check.lowering.fixups.turn_products import turn_products
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.validation.validate import validate


@dataclass(frozen=True, slots=True)
class PlannedGraph:
    """A graph, the verdicts on its nodes at one level, and the layout and the factors that were planned for it."""

    graph: Graph
    verdicts: Mapping[int, NodeVerdict]
    layout: LayoutPlan
    factors: Mapping[int, Factors] = field(default_factory=dict)

    def factors_of(self, node: Node) -> Factors:
        """By what the channels of a layer are divided and multiplied."""
        return self.factors.get(node.id, NO_FACTORS)


@dataclass(frozen=True, slots=True)
class Holder:
    """The operand of a part's model that holds a value of the graph, and in which order of dimensions."""

    value: int
    operand: int
    is_nhwc: bool


@dataclass(frozen=True, slots=True)
class LoweredPart:
    """One part as an NNAPI model.

    ``buffers`` are the recipes of the model's numbered buffers. ``held`` says which operand holds which value of the
    graph, for comparing node by node; values that a fixup folded away, or that are divided, are not in it. ``node_of``
    names, for each operation, the node it was emitted for, ``inner_node_of`` the same for each referenced model.
    ``level`` is the lowest feature level that has all of it.
    """

    part: Part
    model: Model
    buffers: tuple[Recipe, ...]
    inputs: tuple[Holder, ...]
    outputs: tuple[Holder, ...]
    held: tuple[Holder, ...]
    node_of: tuple[int, ...]
    level: int
    inner_node_of: tuple[tuple[int, ...], ...] = ()

    @property
    def transposes(self) -> int:
        """How many TRANSPOSE operations the model has."""
        return sum(1 for operation in self.model.operations if operation.kind == "TRANSPOSE")


def lower_part(part: Part, planned: PlannedGraph, rulebook: Rulebook) -> LoweredPart:
    """Lower a part, node by node, apply the fixups and validate. A promise that does not hold is a ``RuleError``."""
    emitter = Emitter(planned.graph, planned.layout)
    nodes = [planned.graph.by_id[node] for node in part.nodes]
    inside = {inner.id for node in nodes for block in node.blocks for inner in block.inner_nodes()}
    outer = (node for node in nodes if node.id not in inside)
    _Lowering(planned, rulebook).nodes(outer, emitter)
    outputs = dict(zip(part.outputs, emitter.as_outputs([emitter.made(value) for value in part.outputs]), strict=True))
    draft = emitter.draft
    draft.outputs.extend(outputs.values())
    for written in (draft, *draft.referenced):
        leave_unread(written)
        if _move_less(written):
            emitter.spare()
        merge_reshapes(written)
        sink_reshapes(written)
        merge_reshapes(written)
        fold_affine(written, rulebook.facts)
        fuse_activation(written, rulebook.facts)
    finished = draft.finish(relaxed=False)
    level = _kept_level(part, planned, finished.model, rulebook.facts, may_be_lower=emitter.has_spared)
    divided = {value for node in nodes if planned.factors_of(node).divided for value in node.outputs}
    held = {
        (value, is_nhwc): operand
        for (value, is_nhwc), operand in _holding(emitter.operands, draft).items()
        if operand in finished.operand_of and value not in planned.layout.features and value not in divided
    }
    made = {(value, value in planned.layout.nhwc_values): operand for value, operand in outputs.items()}
    return LoweredPart(
        part=part,
        model=finished.model,
        buffers=finished.buffers,
        inputs=_holders(emitter.inputs, finished),
        outputs=_holders(made, finished),
        held=_holders(held, finished),
        node_of=finished.node_of,
        level=level,
        inner_node_of=finished.inner_node_of,
    )


def _move_less(draft: Draft) -> bool:
    """Write what moves elements in fewer operations. True where some are left out, which may have decided the level."""
    if all(operation.kind != "TRANSPOSE" for _, operation in draft.live()):
        return False
    turn_products(draft)
    before = merge_transposes(draft)
    share_moves(draft)
    # What was shared may stand behind another.
    return merge_transposes(draft) or before


def promised_level(part: Part, verdicts: Mapping[int, NodeVerdict], layout: LayoutPlan) -> int:
    """The feature level that the verdicts of a part's nodes promise, its changes of layout included."""
    members = set(part.nodes)
    made_inside = [
        change
        for (node, value), change in layout.conflicts.items()
        if node in members and (value not in part.inputs or value in layout.given)
    ]
    made_inside += [change for node, plan in layout.nested() if node in members for change in plan.conflicts.values()]
    levels = [verdicts[node].level for node in part.nodes] + [change.since for change in made_inside]
    return max([1, *(level for level in levels if level is not None)])


def _holding(operands: Mapping[tuple[int, bool], OperandId], draft: Draft) -> dict[tuple[int, bool], OperandId]:
    """The computed operand that holds each value. Of values with the same elements, the one that was made first is told
    where a fixup made one operand of theirs: the others cannot be computed apart."""
    computed = {made for _, operation in draft.live() for made in operation.outputs}
    found = {value: operand for value, operand in operands.items() if operand in computed}
    known = set(found.values())
    for value, operand in operands.items():
        holder = draft.holder_of(operand)
        if holder in computed and holder not in known:
            found[value] = holder
            known.add(holder)
    return found


class _Lowering:
    """Writes nodes by their rules, and branches and loops with all that stands inside them."""

    def __init__(self, planned: PlannedGraph, rulebook: Rulebook) -> None:
        self._planned, self._rulebook = planned, rulebook

    @cached_property
    def _uses(self) -> Uses:
        return Uses(self._planned.graph)

    def nodes(self, nodes: Iterable[Node], emitter: Emitter) -> None:
        """Write nodes of one block, whose layout the emitter has."""
        for node in nodes:
            if node.blocks:
                lower_control_flow(node, self._way(node), self._uses, emitter, self._body)
            else:
                self._node(node, emitter)

    def _body(self, block: Block, emitter: Emitter) -> None:
        self.nodes((node for node in block.nodes if not node.is_constant), emitter)

    def _node(self, node: Node, emitter: Emitter) -> None:
        verdict, way = self._planned.verdicts[node.id], self._way(node)
        rule = self._rulebook.rules.get((node.op, way.name))
        if rule is None:
            raise RuleError(f"{node.op}: no rule is registered for the way {way.name!r}")
        reader = emitter.bind(node, way, self._planned.factors_of(node))
        if not way.emits and (verdict.level or 1) > 1:
            # The level is that of a copy, which only an output of the part needs.
            emitter.spare()
        if way.carried:
            carry_inputs(reader, emitter)
        made = rule(reader, emitter)
        emitter.spare_unread()
        operands: Sequence[OperandId] = (made,) if isinstance(made, int) else made
        # Outputs that a rule leaves out stand last, and its card demands that nothing reads them.
        if not 0 < len(operands) <= len(node.outputs):
            raise RuleError(f"{node.op}: its rule made {len(operands)} outputs, the node has {len(node.outputs)}")
        if emitter.factors.divided:
            operands = [ended(emitter, operand) for operand in operands]
        if way.carried:
            operands = carried_outputs(reader, emitter, operands)
        for value, operand in zip(node.outputs, operands, strict=False):
            emitter.set_output(value, operand)

    def _way(self, node: Node) -> Way:
        verdict = self._planned.verdicts[node.id]
        if verdict.way is None:
            raise RuleError(f"{node.op} at {node.source}: it is in a part, but its verdict is {verdict.status.value}")
        return verdict.way


def _kept_level(
    part: Part, planned: PlannedGraph, model: Model, facts: Mapping[str, OperationFacts], *, may_be_lower: bool
) -> int:
    """The level of a model that is legal, and runs at the level that was promised."""
    promised = promised_level(part, planned.verdicts, planned.layout)
    validation = validate(model, facts)
    if validation.faults:
        told = "; ".join(fault.message for fault in validation.faults[:3])
        raise RuleError(f"part {part.index} is not a legal model ({len(validation.faults)} faults): {told}")
    if validation.level > promised or (validation.level < promised and not may_be_lower):
        raise RuleError(f"part {part.index} needs feature level {validation.level}, its verdicts promised {promised}")
    return validation.level


def _holders(operands: Mapping[tuple[int, bool], OperandId], finished: FinishedModel) -> tuple[Holder, ...]:
    return tuple(Holder(value, finished.operand_of[operand], is_nhwc) for (value, is_nhwc), operand in operands.items())
