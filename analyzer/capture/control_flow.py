"""Conditions and loops in the typing walk.

A condition that shapes decide disappears: the branch that is taken becomes part of the block around it. A loop that
only computes numbers and lists, as often as shapes say, is carried out. Every other one becomes a node with blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch

from nnapi_check.analyzer.capture.aliases import Aliases
from nnapi_check.analyzer.capture.containers.held_containers import Container, HeldContainers, containers_in
from nnapi_check.analyzer.capture.containers.residue import Residue
from nnapi_check.analyzer.capture.containers.unrolled_loops import MAX_UNROLLED, reaches_outside
from nnapi_check.analyzer.capture.counted_turns import Following, turns_of
from nnapi_check.analyzer.capture.decided_branches import DecidedBranch
from nnapi_check.analyzer.capture.functional_ops import writes_in_place
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import BlockInput, DynamicType, OtherType, SourcePosition
from nnapi_check.analyzer.growing_graph import (
    BlockDraft,
    Draft,
    NodeDraft,
    cause_in,
    drafts_in,
    held_in,
    nested_drafts,
    with_held,
)
from nnapi_check.analyzer.tensor_types import lie_alike

MAX_NESTED = 64
"""Blocks of conditions and loops that may lie in one another."""

_MAX_TRIPS = 4096
# Steps of the program that are followed in loops, all together.
_MAX_STEPS = 1 << 16
# Nodes of PyTorch's graph that turns of one loop become, those of branches that are not taken and of numbers included.
_MAX_COPIED = 1 << 16
# Nodes that are typed again because a turn of a loop changes a type.
_MAX_RETYPED = 1 << 18
# A run with more turns of a loop than this does not come to an end in a time that anybody waits.
_MAX_TURNS = 10**8


@dataclass(slots=True)
class Repetition:
    """How much of a program is still followed or typed more than once, and how often a run comes to this place."""

    steps_left: int = field(default_factory=lambda: _MAX_STEPS)
    retyped_left: int = _MAX_RETYPED
    turns: int = 1
    ops_unrolled: int = 0
    is_carrying: bool = False

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """While it is entered, what is spent counts as steps of a loop that is carried out."""
        before, self.is_carrying = self.is_carrying, True
        try:
            yield
        finally:
            self.is_carrying = before

    def spend(self, steps: int) -> None:
        """Count steps of the program."""
        if self.is_carrying:
            self.steps_left -= steps

    def unrolls(self, ops: int) -> bool:
        """Whether a loop may be written down turn by turn, with so many ops, which are counted then.

        A turn that is carried out knows no more than its own count of what lies in it.
        """
        if self.is_carrying or self.ops_unrolled + ops > MAX_UNROLLED:
            return False
        self.ops_unrolled += ops
        return True

    def type_again(self, body: torch._C.Block) -> None:
        """Count the nodes of a block that is typed once more."""
        self.retyped_left -= _count(body)
        if self.retyped_left < 0:
            raise InputError("The model's loops change too many types in one another; write them flatter.")


class Walk(Protocol):
    """What control flow needs of the walk it is part of."""

    graph: torch._C.Graph
    aliases: Aliases
    known: dict[int, object]
    decided: list[DecidedBranch]
    growing: list[tuple[torch._C.Node, int]]
    depth: int
    repetition: Repetition
    containers: HeldContainers
    residue: Residue

    def uncertain(self) -> AbstractContextManager[None]:
        """While it is entered, a run may come here or not, and more than once."""
        ...

    def lose(self, values: Iterable[torch._C.Value]) -> None:
        """Say that the run alone knows who reaches the containers that these values are, or hold."""
        ...

    def doubt_attributes(self, body: torch._C.Block) -> None:
        """Say that the attributes that are set in a loop are not known in any turn of it."""
        ...

    def walk_block(self, block: torch._C.Block | torch._C.Graph) -> list[NodeDraft]:
        """Type every node of a block."""
        ...

    def item(self, value: torch._C.Value) -> object:
        """What is known of a value."""
        ...

    def know(self, value: torch._C.Value, item: object) -> None:
        """Say what is known of a value."""
        ...

    def position(self, node: torch._C.Node, arguments: dict[str, object]) -> SourcePosition:
        """Where a node comes from."""
        ...

    def run_time_value(self, value: torch._C.Value, kind: DynamicType) -> Draft:
        """A draft for a value that only the run will tell."""
        ...


def walk_if(walk: Walk, node: torch._C.Node, items: Sequence[object]) -> Iterable[NodeDraft]:
    """Type a condition: the taken branch alone where it is known, else both."""
    condition = items[0]
    blocks = list(node.blocks())
    if isinstance(condition, bool):
        taken = blocks[0] if condition else blocks[1]
        walk.decided.append(DecidedBranch(node, 0 if condition else 1))
        drafts = walk.walk_block(taken)
        for value, inner in zip(node.outputs(), taken.outputs(), strict=True):
            walk.know(value, walk.known[inner.unique()])
        return drafts
    bodies = []
    for block in blocks:
        with walk.uncertain():
            nodes = walk.walk_block(block)
            walk.lose(block.outputs())
        bodies.append(([walk.item(value) for value in block.outputs()], nodes))
    outputs = []
    for index, value in enumerate(node.outputs()):
        draft = _merged(walk, value, [results[index] for results, _ in bodies], "prim.If")
        walk.know(value, draft)
        outputs.append(draft)
    branches = [BlockDraft([], nodes, _read_in(results), results) for results, nodes in bodies]
    return (_control_flow(walk, node, {"condition": condition}, outputs, branches),)


def walk_loop(walk: Walk, node: torch._C.Node, items: Sequence[object]) -> Iterable[NodeDraft]:
    """Type a loop: carried out where it computes numbers only, else typed once with the types it begins with.

    One whose turns are counted is to be written down turn by turn, if they are not too many, and lists grow in it or no
    branch in it is decided by elements.
    """
    (body,) = node.blocks()
    _refuse_endless(walk, node, _known_trips(node, items) * _known_turns(body))
    trips, condition = items[:2]
    if not _touches_tensors(body) and _always_continues(body):
        is_counted = isinstance(trips, int) and trips <= _MAX_TRIPS and condition is True and not walk.depth
        held = [(item, _copy(item)) for item in containers_in(list(_outer_items(walk, body)))] if is_counted else []
        if isinstance(trips, int) and is_counted and _carry_out(walk, node, body, trips):
            return ()
        for item, before in held:
            _restore(item, before)
        return (_loop_node(walk, node, body, items),)
    following = Following(_MAX_COPIED)
    turns = None if walk.depth else turns_of(node, items, walk.item, following)
    made = _loop_node(walk, node, body, items)
    if turns is None or (following.meets_elements and not reaches_outside(node)):
        return (made,)
    count = max(turns.count, 1)
    ops = sum(1 for block in made.blocks for _ in nested_drafts(block.nodes))
    if count * _count(body) <= _MAX_COPIED and walk.repetition.unrolls(count * max(ops, 1)):
        walk.growing.append((node, turns.count))
    return (made,)


def _outer_items(walk: Walk, block: torch._C.Block) -> Iterator[object]:
    for node in block.nodes():
        for value in node.inputs():
            yield walk.known.get(value.unique())
        for inner in node.blocks():
            yield from _outer_items(walk, inner)


def _copy(item: Container) -> Container:
    return list(item) if isinstance(item, list) else dict(item)


def _restore(item: Container, before: Container) -> None:
    if isinstance(item, list):
        item[:] = before
    elif isinstance(before, dict):
        item.clear()
        item.update(before)


def _carry_out(walk: Walk, node: torch._C.Node, body: torch._C.Block, trips: int) -> bool:
    """Whether every turn of the loop came to be known."""
    counter, *inputs = body.inputs()
    _, *outputs = body.outputs()
    cost = _count(body)
    carried = [walk.known[value.unique()] for value in list(node.inputs())[2:]]
    with walk.repetition.carrying():
        for trip in range(trips):
            walk.repetition.spend(cost)
            if walk.repetition.steps_left < 0:
                return False
            walk.know(counter, trip)
            for value, item in zip(inputs, carried, strict=True):
                walk.know(value, item)
            if walk.walk_block(body):
                return False
            carried = [walk.known[value.unique()] for value in outputs]
    for value, item in zip(node.outputs(), carried, strict=True):
        walk.know(value, item)
    if not walk.repetition.is_carrying:
        walk.residue.answered(node, zip(node.outputs(), carried, strict=True))
    return True


def _count(block: torch._C.Block) -> int:
    """The nodes of a block, those in conditions and loops included."""
    return sum(1 + sum(_count(inner) for inner in node.blocks()) for node in block.nodes())


def _always_continues(body: torch._C.Block) -> bool:
    condition: object = next(iter(body.outputs())).toIValue()
    return condition is True


def _touches_tensors(body: torch._C.Block) -> bool:
    """Whether anything in a loop's body makes a tensor, writes to one or calls what is not an op."""
    for node in body.nodes():
        if any(_touches_tensors(block) for block in node.blocks()):
            return True
        if node.kind() in ("prim::CallMethod", "prim::CallFunction", "prim::SetAttr", "prim::RaiseException"):
            return True
        makes = any("Tensor" in value.type().annotation_str for value in node.outputs())
        if makes and node.kind() not in _MOVES:
            return True
    return False


_MOVES = frozenset({"aten::append", "aten::__getitem__", "prim::ListConstruct", "prim::TupleConstruct"})


def _loop_node(walk: Walk, node: torch._C.Node, body: torch._C.Block, items: Sequence[object]) -> NodeDraft:
    counter, *carried = body.inputs()
    walk.lose(list(node.inputs())[2:])
    inputs = [Draft(counter, OtherType("int"), None, BlockInput(0), is_constant=False)]
    walk.know(counter, inputs[0])
    for index, (value, initial) in enumerate(zip(carried, items[2:], strict=True), start=1):
        draft = _merged(walk, value, [initial], "prim.Loop")
        draft.origin = BlockInput(index)
        walk.know(value, draft)
        inputs.append(draft)
    outer_turns = walk.repetition.turns
    walk.repetition.turns *= _known_trips(node, items)
    walk.doubt_attributes(body)
    while True:
        mark, written = walk.containers.mark(), walk.residue.mark()
        with walk.uncertain():
            nodes = walk.walk_block(body)
            walk.lose(body.outputs())
        results = [walk.item(value) for value in body.outputs()]
        # What one turn leaves with another type than it found it in, is not known to any turn, nor is a list that a
        # later turn finds changed.
        has_changed = _forget_changed(walk, inputs[1:], results[1:])
        if not has_changed and not walk.containers.has_forgotten(mark):
            break
        walk.residue.drop(written)
        walk.repetition.type_again(body)
    walk.repetition.turns = outer_turns
    outputs = []
    for value, before, after in zip(node.outputs(), inputs[1:], results[1:], strict=True):
        draft = _merged(walk, value, [before, after], "prim.Loop")
        walk.know(value, draft)
        outputs.append(draft)
    arguments = {"max_trip_count": items[0], "condition": items[1]}
    arguments |= {f"carried{place}": item for place, item in enumerate(items[2:])}
    block = BlockDraft(inputs, nodes, _read_in(results), results)
    return _control_flow(walk, node, arguments, outputs, [block])


def _refuse_endless(walk: Walk, node: torch._C.Node, turns: int) -> None:
    turns *= walk.repetition.turns
    if turns > _MAX_TURNS:
        raise InputError(
            f"The model's loop at {walk.position(node, {})} takes {turns:,} turns, "
            "which no device ends in time; pass inputs of other shapes, or change the model."
        )


def _known_turns(block: torch._C.Block) -> int:
    """How many turns the loops in a block take together, as far as the graph itself tells."""
    found = 1
    for node in block.nodes():
        trips = _known_trips(node, [node.inputsAt(0).toIValue()]) if node.kind() == "prim::Loop" else 1
        for inner in node.blocks():
            found = max(found, _known_turns(inner) * trips)
    return found


def _known_trips(node: torch._C.Node, items: Sequence[object]) -> int:
    """How many turns a loop takes, where that is known; 1 where a condition may end it."""
    (body,) = node.blocks()
    trips = items[0]
    return max(trips, 1) if isinstance(trips, int) and _always_continues(body) else 1


def _forget_changed(walk: Walk, before: Sequence[Draft], after: Sequence[object]) -> bool:
    """Forget the types of carried values that a turn changes; whether there were any."""
    changed = [
        draft
        for draft, result in zip(before, after, strict=True)
        if draft.tensor is not None and not (isinstance(result, Draft) and _are_alike(walk, draft, result))
    ]
    for draft in changed:
        walk.aliases.forget_type(draft, DynamicType("it changes its shape or type", "prim.Loop"))
    return bool(changed)


def _merged(walk: Walk, value: torch._C.Value, items: Sequence[object], op: str) -> Draft:
    """What is known of a value that is one of the items, and shares its storage with each."""
    draft = _common(walk, value, items, op)
    walk.aliases.join((draft, *drafts_in(list(items))))
    return draft


def _common(walk: Walk, value: torch._C.Value, items: Sequence[object], op: str) -> Draft:
    drafts = [item for item in items if isinstance(item, Draft)]
    first = drafts[0] if drafts else None
    if first is None or first.tensor is None or len(drafts) != len(items):
        return walk.run_time_value(value, cause_in(items) or DynamicType("it is not known before the run", op))
    if not all(_are_alike(walk, first, draft) for draft in drafts):
        return walk.run_time_value(value, cause_in(items) or DynamicType("the type depends on the way taken", op))
    tensor = first.tensor if first.tensor.is_quantized else first.tensor.to("meta")
    return Draft(value, first.type, tensor, None, is_constant=False)


def _are_alike(walk: Walk, first: Draft, second: Draft) -> bool:
    """Whether two values have one known type, and where tensors are overwritten, lie in memory in one way.

    By their strides a later op gives a view of what is overwritten, or a copy.
    """
    if first.type != second.type or first.tensor is None or second.tensor is None:
        return False
    return lie_alike(first.tensor, second.tensor) or not writes_in_place(walk.graph)


def _read_in(results: list[object]) -> list[Draft]:
    return [*drafts_in(results), *held_in(results)]


def _control_flow(
    walk: Walk, node: torch._C.Node, arguments: dict[str, object], outputs: list[Draft], blocks: list[BlockDraft]
) -> NodeDraft:
    op = node.kind().replace("::", ".")
    arguments = with_held(arguments, list(arguments.values()))
    made = NodeDraft(node, op, arguments, outputs, walk.position(node, arguments), blocks, has_effect=True)
    inner = {id(draft) for block in blocks for draft in nested_drafts(block.nodes)}
    walk.aliases.move_writers(inner, made)
    return made
