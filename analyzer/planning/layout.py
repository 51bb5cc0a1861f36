"""The layout of every image and volume: PyTorch's order with channels second, or NNAPI's with channels last.

A value has one layout where a supported node makes it. A node that reads it in the other order has a *conflict*,
which costs a TRANSPOSE, or a RESHAPE where that is enough, or must lie on a boundary where NNAPI has none for it. What
crosses a boundary can have either order: the CPU permutes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

from nnapi_check.analyzer.graph import Block, Graph, Node, TensorType, read_values, taken_values
from nnapi_check.analyzer.held_axes import IMAGE_RANK, LAYOUT_RANKS, held_order, held_shape, named_axes, takes_axes
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.nnapi_types import operand_type
from nnapi_check.coverage_db.cards import Layout
from nnapi_check.coverage_db.spec import OperationFacts

NHWC_FROM_NCHW = (0, 2, 3, 1)
NCHW_FROM_NHWC = (0, 3, 1, 2)

CUT_COST = 1 << 40
"""What a cut costs, in elements: more than any tensor has."""


@dataclass(frozen=True, slots=True)
class LayoutChange:
    """What changes the order of a tensor's dimensions: an operation, and the level since which it takes the tensor."""

    operation: str
    since: int | None

    def is_possible(self, level: int) -> bool:
        """Whether a feature level has it."""
        return self.since is not None and self.since <= level


@dataclass(frozen=True, slots=True)
class LayoutChanges:
    """The facts of the two operations that change the order of dimensions."""

    reshape: OperationFacts
    transpose: OperationFacts

    def of(self, tensor: TensorType) -> LayoutChange:
        """The operation that makes NHWC from NCHW and back."""
        facts = self.reshape if is_trivial(tensor.shape) else self.transpose
        kind = operand_type(tensor)
        since = None if kind is None else facts.type_since(kind)
        return LayoutChange(facts.name, None if since is None else max(since, facts.since))


@dataclass(frozen=True, slots=True)
class LayoutPlan:
    """Which values are NHWC where they are made, which values each node reads as NHWC, and which reads conflict.

    ``conflicts``, by node and value, need the operation that they are given with; those in ``cuts`` cannot have it, so
    the value must cross a boundary there. Reads and values that are not named have PyTorch's order. ``features`` are
    rank-2 values that were flattened from NHWC: the (channels, height, width) that each row of them holds in the order
    height, width, channels.
    ``given`` are inputs of the graph that a model takes in NHWC order alone, though some nodes read them in PyTorch's.
    ``inside`` are the plans of the blocks of each node that is lowered with all that stands inside it, by its id: what
    goes into a block and comes out of it has PyTorch's order.
    """

    nhwc_values: frozenset[int]
    nhwc_reads: Mapping[int, Sequence[int]]
    conflicts: Mapping[tuple[int, int], LayoutChange]
    cuts: frozenset[tuple[int, int]]
    features: Mapping[int, tuple[int, int, int]]
    given: frozenset[int] = frozenset()
    inside: Mapping[int, tuple[LayoutPlan, ...]] = field(default_factory=dict)

    def reads_nhwc(self, node: int, value: int) -> bool:
        """Whether a node reads a value in NHWC order."""
        return value in self.nhwc_reads.get(node, ())

    def nested(self) -> Iterator[tuple[int, LayoutPlan]]:
        """The plans of all blocks inside, however deep, each with the id of the node that holds it."""
        for node, plans in self.inside.items():
            for plan in plans:
                yield node, plan
                yield from plan.nested()


def is_trivial(shape: tuple[int, ...]) -> bool:
    """Whether NCHW and NHWC hold the same numbers in the same order, so that a RESHAPE converts them."""
    return len(shape) not in LAYOUT_RANKS or shape[1] == 1 or all(size == 1 for size in shape[2:])


def plan_layout(
    graph: Graph,
    verdicts: Mapping[int, NodeVerdict],
    changes: LayoutChanges,
    level: int,
    *,
    gives_once: bool = False,
) -> LayoutPlan:
    """Choose the layout of every value that a supported node reads or makes. Linear in the number of nodes.

    Where the target ``gives_once`` what a model takes, an input that is read in both orders is changed inside.

    A supported node with blocks is lowered with all that stands inside, so each of its blocks is planned by itself.
    """

    def planned(members: Mapping[int, NodeVerdict], body: _Body | None) -> LayoutPlan:
        once = graph.body.inputs if gives_once and body is None else ()
        plan = _Planner(graph, members, changes, level, body).plan(once)
        own = [node for node in whole if node.id in members]
        return replace(plan, inside={node.id: tuple(inside(block, node) for block in node.blocks) for node in own})

    def inside(block: Block, holder: Node) -> LayoutPlan:
        members = {node.id: verdicts[node.id] for node in block.nodes if node.id in verdicts}
        return planned(members, _Body(block, holder))

    whole = [node for node in graph.holders if node.id in verdicts and verdicts[node.id].is_supported]
    held = {inner.id for node in whole for block in node.blocks for inner in block.inner_nodes()}
    return planned({id_: verdict for id_, verdict in verdicts.items() if id_ not in held}, None)


@dataclass(frozen=True, slots=True)
class _Body:
    """A block that is planned by itself, and the node that it belongs to, which reads what stands at its end."""

    block: Block
    holder: Node


class _Planner:
    def __init__(
        self,
        graph: Graph,
        verdicts: Mapping[int, NodeVerdict],
        changes: LayoutChanges,
        level: int,
        body: _Body | None,
    ) -> None:
        self._graph = graph
        self._body = body
        self._nodes = graph.by_id
        self._verdicts = verdicts
        self._changes = changes
        self._level = level
        given = () if body is None else (*body.block.inputs, *taken_values(body.holder))
        self._made: dict[int, bool] = dict.fromkeys(given, False)
        self._read: dict[int, Sequence[int]] = {}
        self._reads: dict[int, Sequence[int]] = {}
        self._features: dict[int, tuple[int, int, int]] = {}

    @cached_property
    def _readers(self) -> Mapping[int, Sequence[Node]]:
        """The nodes that read each value, those inside control flow as well."""
        found: dict[int, list[Node]] = {}
        for node in self._nodes.values():
            for value in node.inputs():
                found.setdefault(value, []).append(node)
        return found

    @cached_property
    def _block_outputs(self) -> Set[int]:
        blocks = (self._graph.body, *(block for node in self._nodes.values() for block in node.blocks))
        return {value for block in blocks for value in block.outputs}

    def plan(self, once: Sequence[int]) -> LayoutPlan:
        """The plan; values that are given ``once`` have one order, NHWC where something reads them so."""
        order = sorted(self._verdicts)
        wanted = self._wanted_downstream(order)
        for node_id in order:
            verdict = self._verdicts[node_id]
            if verdict.way is not None:
                self._place(self._nodes[node_id], verdict.way.layout, wanted)
        given = self._read_in_both_orders(once)
        self._made.update(dict.fromkeys(given, True))
        conflicts = self._conflicts()
        return LayoutPlan(
            nhwc_values=frozenset(value for value, is_nhwc in self._made.items() if is_nhwc),
            nhwc_reads=self._reads,
            conflicts=conflicts,
            cuts=frozenset(read for read, change in conflicts.items() if not change.is_possible(self._level)),
            features=self._features,
            given=given,
        )

    def _read_in_both_orders(self, once: Sequence[int]) -> frozenset[int]:
        orders: dict[int, set[bool]] = {value: set() for value in once if self._has_order(value)}
        for node, values in self._read.items() if orders else ():
            for value in values:
                if value in orders:
                    orders[value].add(value in self._reads.get(node, ()))
        return frozenset(value for value, found in orders.items() if len(found) > 1)

    def _conflicts(self) -> dict[tuple[int, int], LayoutChange]:
        read = list(self._read.items())
        if self._body is not None:
            read.append((self._body.holder.id, self._body.block.outputs))
        return {
            (node, value): self._changes.of(kind)
            for node, values in read
            for value in values
            if value in self._made and self._made[value] != (value in self._reads.get(node, ()))
            if isinstance(kind := self._graph.values[value].type, TensorType)
        }

    def _shape(self, value: int) -> tuple[int, ...]:
        kind = self._graph.values[value].type
        return kind.shape if isinstance(kind, TensorType) else ()

    def _activations(self, node: Node) -> list[int]:
        """The tensors that a node reads and that depend on an input, of any rank."""
        return [value for value in read_values(node) if not self._graph.values[value].is_constant]

    def _wanted_downstream(self, order: list[int]) -> Set[int]:
        """Values that are read as NHWC first, seen through nodes that take any layout."""
        wanted: dict[int, bool] = {}
        for node_id in reversed(order):
            verdict = self._verdicts[node_id]
            if verdict.way is None:
                continue
            node = self._nodes[node_id]
            wants = self._wants(node, verdict.way.layout, wanted)
            for value in self._activations(node):
                wanted[value] = wants
        return {value for value, is_wanted in wanted.items() if is_wanted}

    def _wants(self, node: Node, layout: Layout, wanted: Mapping[int, bool]) -> bool:
        match layout:
            case Layout.NHWC:
                return True
            case Layout.TORCH | Layout.FLATTEN | Layout.FEATURES | Layout.PERMUTATION:
                return False
            case Layout.ANY | Layout.AXES | Layout.REDUCTION:
                return any(wanted.get(value, False) for value in node.outputs)

    def _place(self, node: Node, layout: Layout, wanted: Set[int]) -> None:
        activations = self._activations(node)
        self._read[node.id] = activations
        if layout is Layout.PERMUTATION:
            self._permute(node, activations, wanted)
            return
        is_nhwc = self._runs_nhwc(node, layout, activations, wanted)
        if is_nhwc:
            self._reads[node.id] = [value for value in activations if self._has_order(value)]
        for value in node.outputs:
            self._made[value] = is_nhwc and self._has_order(value)
        if layout is Layout.FLATTEN and is_nhwc:
            _, height, width, channels = held_shape(self._shape(activations[0]), nhwc=True)
            self._features[node.outputs[0]] = (channels, height, width)
        elif layout is Layout.ANY and activations and activations[0] in self._features:
            self._features.update(dict.fromkeys(node.outputs, self._features[activations[0]]))

    def _permute(self, node: Node, activations: Sequence[int], wanted: Set[int]) -> None:
        """A permutation takes its input as it was made, and makes the order that is wanted next."""
        self._reads[node.id] = [value for value in activations if self._made.get(value, False)]
        for value in node.outputs:
            self._made[value] = value in wanted and self._has_order(value)

    def _runs_nhwc(self, node: Node, layout: Layout, activations: list[int], wanted: Set[int]) -> bool:
        match layout:
            case Layout.NHWC:
                return True
            case Layout.TORCH | Layout.FEATURES | Layout.PERMUTATION:
                return False
            case Layout.FLATTEN:
                return self._flattens_nhwc(node)
            case Layout.ANY | Layout.AXES:
                values = [*activations, *node.outputs]
                ranks = {len(self._shape(value)) for value in values}
                if len(ranks) != 1 or not ranks <= LAYOUT_RANKS:
                    return False
                return self._chosen(node, layout, activations, wanted)
            case Layout.REDUCTION:
                if not all(self._has_order(value) for value in activations) or not self._keeps_order(node):
                    return False
                return self._chosen(node, layout, activations, wanted)

    def _chosen(self, node: Node, layout: Layout, activations: list[int], wanted: Set[int]) -> bool:
        """Whether a node that could run in both orders runs in NHWC: the one that it needs, or else the cheaper one."""
        shape = self._shape(activations[0]) if activations else ()
        if len(shape) > IMAGE_RANK and layout is not Layout.ANY:
            made = self._shape(node.outputs[0])
            possible = [nhwc for nhwc in (False, True) if takes_axes(node, shape, made, nhwc=nhwc)]
            if len(possible) == 1:
                return possible[0]
        return self._prefers_nhwc(activations, wanted)

    def _flattens_nhwc(self, node: Node) -> bool:
        """Whether a node merges all axes but the first of an NHWC value, and only takes-any-order readers follow."""
        (value,) = self._activations(node)
        shape = self._shape(value)
        is_flat = len(shape) in LAYOUT_RANKS and self._shape(node.outputs[0]) == (shape[0], prod(shape[1:]))
        if not is_flat or is_trivial(shape) or not self._made.get(value, False):
            return False
        return self._takes_any_order(node.outputs[0])

    def _takes_any_order(self, features: int) -> bool:
        """Whether everything that reads a value, seen through elementwise nodes, can order its weights to suit it."""
        waiting = [features]
        while waiting:
            value = waiting.pop()
            if value in self._block_outputs:
                return False
            for node in self._readers.get(value, ()):
                verdict = self._verdicts.get(node.id)
                way = None if verdict is None else verdict.way
                if way is None or self._activations(node) != [value]:
                    return False
                if way.layout is Layout.ANY and all(
                    self._numel(other) == 1 for other in node.inputs() if other != value
                ):
                    waiting.extend(node.outputs)
                elif way.layout is not Layout.FEATURES:
                    return False
        return True

    def _prefers_nhwc(self, activations: list[int], wanted: Set[int]) -> bool:
        """Follow the larger share of what the inputs already have; where all are free, what is wanted next."""
        made = [value for value in activations if value in self._made]
        orders = {self._made[value] for value in made}
        is_wanted = any(value in wanted for value in activations)
        if orders == {True} or (orders == {False} and not is_wanted):
            return orders == {True}
        balance = sum(self._cost_of_change(value) * (1 if self._made[value] else -1) for value in made)
        if balance:
            return balance > 0
        return True in orders or is_wanted

    def _cost_of_change(self, value: int) -> int:
        """What it costs to read a value in the other order: nothing, its elements, or a boundary that cuts the part."""
        kind = self._graph.values[value].type
        if not isinstance(kind, TensorType):
            return 0
        change = self._changes.of(kind)
        if not change.is_possible(self._level):
            return max(1, kind.numel) + CUT_COST
        return 0 if is_trivial(kind.shape) else max(1, kind.numel)

    def _numel(self, value: int) -> int:
        kind = self._graph.values[value].type
        return kind.numel if isinstance(kind, TensorType) else 0

    def _has_order(self, value: int) -> bool:
        return len(self._shape(value)) in LAYOUT_RANKS

    def _keeps_order(self, node: Node) -> bool:
        """Whether what is left after a reduction stands in PyTorch's order, also when reduced as NHWC."""
        rank = len(self._shape(self._activations(node)[0]))
        if len(self._shape(node.outputs[0])) == rank:
            return True
        axes = named_axes(node, rank)
        left = [axis for axis in held_order(rank, nhwc=True) if axis not in axes]
        return bool(axes) and left == sorted(left)
