"""The judgement of every node: each way of its card, the level it needs and every requirement it fails.

Nodes that are alike are judged once, for all feature levels; ``Judgement.at`` then picks, for one level, the first way
that fits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from nnapi_check.analyzer.capture.program_ops import is_of_the_program
from nnapi_check.analyzer.graph import (
    ElementType,
    Graph,
    Node,
    OtherType,
    PerChannel,
    TensorType,
)
from nnapi_check.analyzer.judging.alike import call_of
from nnapi_check.analyzer.judging.arithmetic import Arithmetic, StandsFor, arithmetic, stands_for, takes_quantized
from nnapi_check.analyzer.judging.carried_ways import carried_ways
from nnapi_check.analyzer.judging.control_flow import control_flow_way, what_stands_inside
from nnapi_check.analyzer.judging.emitted_operations import emitted_operations, emitted_type, result_refused
from nnapi_check.analyzer.judging.failures import (
    Failure,
    control_flow,
    no_way,
    of_the_program,
    reason_of,
    tensor_failures,
    unknown_op,
)
from nnapi_check.analyzer.judging.folded_ranks import folded_failures
from nnapi_check.analyzer.judging.halves import with_halves
from nnapi_check.analyzer.judging.nearest_ways import (
    WayVerdict,
    between_steps,
    other_steps,
    why_in_floats,
    worth_telling,
)
from nnapi_check.analyzer.judging.number_limits import number_failures
from nnapi_check.analyzer.judging.products import with_two_roundings
from nnapi_check.analyzer.judging.quantization_limits import quantization_failures
from nnapi_check.analyzer.judging.rounded_bounds import FLOATS_BETWEEN_STEPS, rounded_bound, with_rounding
from nnapi_check.analyzer.judging.run_time_numbers import with_numbers_as_tensors
from nnapi_check.analyzer.magnitudes import held_by_floats
from nnapi_check.analyzer.quantities import Uses, found_words, holds, what_fails
from nnapi_check.analyzer.scale_groups import rounding_bound, scale_groups, whole_group
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Card, Status, Way, WeightScales
from nnapi_check.coverage_db.checks import wording
from nnapi_check.coverage_db.levels import feature_levels
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.targets import PER_CHANNEL, PerChannelChoice, Target

LEVELS = feature_levels()


class Knowledge(Protocol):
    """What the judgement reads of the registry."""

    def has_card(self, op: str) -> bool:
        """Whether the registry has a card for an op."""

    def card(self, op: str) -> Card:
        """The card of an op that has one."""

    def operation(self, name: str) -> OperationFacts:
        """The facts of an NNAPI operation."""


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """What is said of a node at one feature level, and of all that are like it.

    ``way`` is set, and ``level`` the lowest level that the way needs, when the node can run on NNAPI.
    Otherwise ``failures`` holds all that is in the way. ``family`` is that of the op's card, if it has one.
    ``arithmetic`` is what the way computes in. Where that is floats though the call reads quantized tensors,
    ``in_floats`` says why: it is empty for every other node.
    """

    op: str
    status: Status
    way: Way | None
    level: int | None
    failures: tuple[Failure, ...]
    family: str = ""
    arithmetic: Arithmetic = Arithmetic.NONE
    in_floats: tuple[Failure, ...] = ()

    def refused(self, failures: tuple[Failure, ...]) -> NodeVerdict:
        """This verdict where something is in the way after all."""
        return NodeVerdict(self.op, Status.CPU, None, None, failures, self.family)

    @property
    def is_supported(self) -> bool:
        """Whether the node can run on NNAPI."""
        return self.way is not None


@dataclass(frozen=True, slots=True)
class NodeJudgement:
    """A node's ways in the card's order, which all have that are like it; ``failures`` where there is none at all.

    ``is_quantized`` is whether the call, which a way may be for, reads a quantized tensor, ``stands_for`` what it reads
    where exported programs write such calls in floats.
    """

    op: str
    ways: tuple[WayVerdict, ...]
    failures: tuple[Failure, ...]
    status_without_way: Status
    family: str = ""
    is_quantized: bool = False
    stands_for: StandsFor = StandsFor.FLOATS

    def at(self, level: int) -> NodeVerdict:
        """The verdict at a feature level: the first way that fits, or what is in the way of the nearest ones."""
        for found in self.ways:
            if found.fits(level):
                return self._taken(found, level)
        failures = self.failures or worth_telling(self.ways, level)
        return NodeVerdict(self.op, self.status_without_way, None, None, failures)

    def _taken(self, found: WayVerdict, level: int) -> NodeVerdict:
        why: tuple[Failure, ...] = ()
        if found.arithmetic is Arithmetic.FLOATS and self.is_quantized:
            why = why_in_floats(found.way, self.ways, level)
        elif found.arithmetic is Arithmetic.FLOATS and self.stands_for is not StandsFor.FLOATS:
            say = between_steps if self.stands_for is StandsFor.INTEGERS else other_steps
            why = (say(self.op, found.way),)
        return NodeVerdict(
            op=self.op,
            status=found.way.status,
            way=found.way,
            level=found.level,
            failures=(),
            family=self.family,
            arithmetic=found.arithmetic,
            in_floats=why,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of a whole graph: an entry for every node that depends on an input, by node id."""

    graph: Graph
    uses: Uses
    nodes: dict[int, NodeJudgement]

    def at(self, level: int) -> Mapping[int, NodeVerdict]:
        """The verdicts at a feature level, by node id. A branch or loop runs on NNAPI with all that stands inside."""
        return next(verdicts for _, verdicts in self.at_levels((level,)))

    def at_levels(self, levels: Iterable[int]) -> Iterator[tuple[int, Mapping[int, NodeVerdict]]]:
        """The verdicts at each of these levels: the very same mapping where two that follow each other agree."""
        distinct = {id(judged): judged for judged in self.nodes.values()}
        before: dict[int, NodeVerdict] | None = None
        found: dict[int, NodeVerdict] = {}
        for level in levels:
            told = {key: judged.at(level) for key, judged in distinct.items()}
            if told != before:
                found = with_insides(self.graph, {node: told[id(judged)] for node, judged in self.nodes.items()})
            before = told
            yield level, found


def judge(graph: Graph, knowledge: Knowledge, target: Target, per_channel: PerChannelChoice = PER_CHANNEL) -> Judgement:
    """Judge every node of a graph that depends on an input's values. Linear in the number of nodes.

    For a target that carries control flow, the judged graph has tensors for the numbers that only a run knows.
    """
    # What computes numbers is an op of numbers still where some of them are tensors now.
    of_numbers = {node.id for node in graph.nodes() if _has_no_tensor(node, graph)}
    if target.carries_models:
        graph = with_numbers_as_tensors(graph)
    cards = {op: knowledge.card(op) for op in {node.op for node in graph.nodes()} if knowledge.has_card(op)}
    uses = Uses(graph, per_channel, held_by_floats(graph, cards))
    judged: dict[int, NodeJudgement] = {}
    alike: dict[Hashable, NodeJudgement] = {}
    for node in graph.nodes():
        if node.is_constant:
            continue
        if node.blocks:
            judged[node.id] = _judge_control_flow(node, uses, target)
            continue
        has_no_tensor = node.id in of_numbers
        call = (has_no_tensor, call_of(node, uses))
        if call not in alike:
            alike[call] = _judge_call(node, uses, knowledge, target, has_no_tensor=has_no_tensor)
        judged[node.id] = alike[call]
    return Judgement(graph, uses, judged)


def _judge_control_flow(node: Node, uses: Uses, target: Target) -> NodeJudgement:
    whole = control_flow_way(node, uses, target)
    if whole is None:
        return _without_way(node, Status.CPU, control_flow(node, target))
    return NodeJudgement(node.op, (whole,), (), Status.CPU)


def _mended_at_cause(failure: Failure, knowledge: Knowledge) -> Failure:
    """A failure whose fix is that of the op it comes from, where no NNAPI operation could ever compute that."""
    card = knowledge.card(failure.cause) if failure.cause and knowledge.has_card(failure.cause) else None
    return failure if card is None or card.gap is None or not card.fix else replace(failure, fix=card.fix)


def _judge_call(node: Node, uses: Uses, knowledge: Knowledge, target: Target, *, has_no_tensor: bool) -> NodeJudgement:
    """Judge a node without blocks: each way with the level it needs, or with every failure."""
    if not knowledge.has_card(node.op):
        if has_no_tensor:
            return _without_way(node, Status.CPU, of_the_program(node))
        return _without_way(node, Status.UNKNOWN, unknown_op(node))
    card = knowledge.card(node.op)
    if not card.ways:
        return _without_way(node, Status.CPU, no_way(card))
    general = (
        *(_mended_at_cause(failure, knowledge) for failure in tensor_failures(node, uses, target)),
        *quantization_failures(node, uses),
    )
    if any(failure.is_without_type for failure in general):
        # Of a tensor without a type, a way could only say that it does not know it.
        return NodeJudgement(node.op, (), general, Status.CPU)
    ways = tuple(_judge_way(way, node, uses, knowledge, target, general) for way in card.ways)
    ways += tuple(_carried_ways(card, node, uses, knowledge, target))
    is_quantized = takes_quantized(node, uses)
    return NodeJudgement(node.op, ways, (), Status.CPU, card.family, is_quantized, stands_for(node, uses))


def _carried_ways(card: Card, node: Node, uses: Uses, knowledge: Knowledge, target: Target) -> Iterator[WayVerdict]:
    """The ways in which floats carry truth values and whole numbers exactly, where they fit."""
    kinds, ways = carried_ways(card, node, uses.graph)
    # To real numbers PyTorch itself converts whole ones, however great.
    makes_whole = any(value in kinds for value in node.outputs)
    if not ways or (makes_whole and not uses.counted.issuperset(kinds)):
        return
    carried = uses.retyped(kinds)
    general = tuple(tensor_failures(node, carried, target))
    found = (_judge_way(way, node, carried, knowledge, target, general) for way in ways)
    yield from (verdict for verdict in found if not verdict.failures)


def with_insides(graph: Graph, verdicts: Mapping[int, NodeVerdict]) -> dict[int, NodeVerdict]:
    """The verdicts where each branch or loop that runs on NNAPI needs all that stands inside it, innermost first."""
    found = dict(verdicts)
    for node in reversed(graph.holders):
        if node.id in found and found[node.id].is_supported:
            found[node.id] = _with_inside(node, found)
    return found


def _with_inside(node: Node, found: Mapping[int, NodeVerdict]) -> NodeVerdict:
    """The verdict on a branch or loop whose bodies are judged: their level too, or what of them stays on the CPU."""
    inside = [inner.id for block in node.blocks for inner in block.nodes if inner.id in found]
    failures = tuple(what_stands_inside(node, {id_: found[id_].is_supported for id_ in inside}))
    if failures:
        return found[node.id].refused(failures)
    levels = (found[id_].level for id_ in (node.id, *inside))
    return replace(found[node.id], level=max(level for level in levels if level is not None))


def met_differences(way: Way, node: Node, graph: Graph) -> tuple[str, ...]:
    """The differences that a way bridges at a node: its own, and those of what the node's tensors hold."""
    kinds = (graph.values[value].type for value in (*node.inputs(), *node.outputs))
    is_wide = any(isinstance(kind, TensorType) and kind.dtype is ElementType.INT64 for kind in kinds)
    is_rounded = way.weight_scales is not WeightScales.OWN and way.bound is not None
    met = {"int64": is_wide, "rounded-scales": is_rounded}
    return tuple(dict.fromkeys((*way.differences, *(difference for difference, is_met in met.items() if is_met))))


def _without_way(node: Node, status: Status, failure: Failure) -> NodeJudgement:
    return NodeJudgement(node.op, (), (failure,), status)


def _has_no_tensor(node: Node, graph: Graph) -> bool:
    """Whether a node only passes values on, as ops of lists do, or has to do with no tensor."""
    kinds = (graph.type_of(value) for value in (*node.inputs(), *node.outputs))
    return is_of_the_program(node.op) or all(isinstance(kind, OtherType) for kind in kinds)


def _judge_way(
    way: Way, node: Node, uses: Uses, knowledge: Knowledge, target: Target, general: tuple[Failure, ...]
) -> WayVerdict:
    emitted = emitted_operations(way, node, uses, knowledge, target)
    of_tensors = folded_failures(way, node, uses, general) if way.folded else general
    failures, level = [*of_tensors, *number_failures(way, node, uses), *emitted.failures], emitted.level
    is_for_others = False
    raised: Requirement | None = None
    for requirement in way.requires:
        if holds(requirement.check, node, uses):
            continue
        if requirement.until is None:
            failures.append(_failed(requirement, way, node, uses))
            is_for_others = is_for_others or requirement.selects
        elif level <= requirement.until:
            level, raised = requirement.until + 1, requirement
    failures = failures or list(result_refused(way, node, uses, knowledge))
    told = tuple(dict.fromkeys(failures))
    # Of scales that none may have, no bound can be told.
    bounded = way if told else _bounded(way, node, uses)
    return WayVerdict(bounded, level, told, is_for_others, raised, _arithmetic(way, node, uses))


def _arithmetic(way: Way, node: Node, uses: Uses) -> Arithmetic:
    return arithmetic((emission.operation, emitted_type(emission, node, uses)) for emission in way.emits)


def _bounded(way: Way, node: Node, uses: Uses) -> Way:
    """The way with the bound that holds for what this node gives."""
    rounded = rounded_bound(node, uses.graph)
    found = with_halves(_bounded_on_integers(way, node, uses), node, uses, is_rounded=rounded is not None)
    found = with_two_roundings(
        found, node, uses, [(part.operation, emitted_type(part, node, uses)) for part in way.emits]
    )
    if rounded is None:
        return found
    bound = with_rounding(found.bound or Bound(), rounded)
    return replace(found, bound=bound, differences=(*found.differences, FLOATS_BETWEEN_STEPS))


def _bounded_on_integers(way: Way, node: Node, uses: Uses) -> Way:
    """The same beside PyTorch's own op on integers."""
    kind = uses.graph.tensor_type(node.outputs[0]) if node.outputs else None
    if kind is None or not kind.is_quantized:
        return way
    if way.weight_scales is not WeightScales.OWN:
        return replace(way, bound=_rounding_bound(way, node, kind, uses))
    return way if way.quantized_bound is None else replace(way, bound=way.quantized_bound)


def _rounding_bound(way: Way, node: Node, made: TensorType, uses: Uses) -> Bound | None:
    """The bound of a way that may round a weight's integers to other scales: None where it has no need to."""
    weight, x = (uses.graph.tensor_of(node.arguments.get(name)) for name in ("weight", "input"))
    if weight is None or x is None or not isinstance(weight.quant, PerChannel):
        return None
    is_grouped = way.weight_scales is WeightScales.GROUPS
    groups = scale_groups(weight.quant) if is_grouped else (whole_group(weight.quant),)
    return rounding_bound(groups, x, weight, made)


def _failed(requirement: Requirement, way: Way, node: Node, uses: Uses) -> Failure:
    failing = what_fails(requirement.check, node, uses)
    return Failure(
        reason=requirement.reason or reason_of(requirement.check),
        requirement=requirement.id,
        way=way.name,
        found=found_words(failing, node, uses),
        wanted=requirement.wanted or wording(failing),
        because=requirement.because,
        fix=requirement.fix,
    )
