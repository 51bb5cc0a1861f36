"""From drafts to the graph: dead constants dropped, values and nodes numbered in execution order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from nnapi_check.analyzer.capture.spellings import describe_object
from nnapi_check.analyzer.graph import (
    ABSENT,
    Argument,
    Block,
    DynamicType,
    Graph,
    Literal,
    Node,
    NodeOutput,
    OtherType,
    Ref,
    RefList,
    TensorType,
    Unknown,
    Value,
)
from nnapi_check.analyzer.growing_graph import Draft, ModulePath, NodeDraft, ObjectAttribute, StoredObject, drafts_in


@dataclass(frozen=True, slots=True)
class Numbered:
    """A graph with what each number stands for in PyTorch's graph."""

    graph: Graph
    nodes: tuple[NodeDraft, ...]
    values: tuple[Draft, ...]


@dataclass(slots=True)
class _Numbering:
    values: list[Value] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    nodes: list[NodeDraft] = field(default_factory=list)
    ids: dict[Draft, int] = field(default_factory=dict)
    node_ids: dict[NodeDraft, int] = field(default_factory=dict)
    makers: dict[Draft, NodeOutput] = field(default_factory=dict)

    def value(self, draft: Draft) -> int:
        found = self.ids.get(draft)
        if found is not None:
            return found
        number = len(self.values)
        self.ids[draft] = number
        # What no node makes, the program states: an enumeration's member, say.
        origin = draft.origin or self.makers.get(draft) or Literal(draft.torch_value.debugName(), None)
        self.values.append(Value(number, draft.type, origin, draft.is_constant, draft.reach))
        self.drafts.append(draft)
        return number

    def block(
        self,
        inputs: Sequence[Draft],
        nodes: Sequence[NodeDraft],
        outputs: Sequence[Draft],
        results: Sequence[object] = (),
    ) -> Block:
        input_ids = tuple(self.value(draft) for draft in inputs)
        numbered = tuple(self.node(node) for node in nodes)
        output_ids = tuple(self.value(draft) for draft in outputs)
        return Block(input_ids, numbered, output_ids, tuple(self.argument(item) for item in results))

    def node(self, draft: NodeDraft) -> Node:
        number = len(self.nodes)
        self.nodes.append(draft)
        self.node_ids[draft] = number
        # What a loop overwrites is read inside it, where the last turn's is meant, before its outputs are numbered.
        self.makers.update((output, NodeOutput(number, index)) for index, output in enumerate(draft.outputs))
        # What nothing reads was left out.
        follows = tuple(sorted({self.node_ids[node] for node in draft.follows if node in self.node_ids}))
        arguments = {name: self.argument(item) for name, item in draft.arguments.items()}
        blocks = tuple(self.block(block.inputs, block.nodes, block.outputs, block.results) for block in draft.blocks)
        outputs = tuple(self.value(output) for output in draft.outputs)
        is_constant = draft.is_constant
        return Node(number, draft.op, arguments, outputs, draft.source, blocks, is_constant, follows=follows)

    def argument(self, item: object) -> Argument:
        match item:
            case Draft():
                return self.single(item)
            case None:
                return ABSENT
            case bool() | int() | float() | str():
                return item
            case list() | tuple():
                return self.sequence(item)
            case ObjectAttribute():
                return Unknown(describe_object(item))
            case ModulePath():
                return Unknown(f"module {item.path}")
            case StoredObject():
                return Unknown(f"object {item.path}")
            case dict():
                return self.sequence([item])
            case _:
                return str(item)

    def single(self, draft: Draft) -> Argument:
        number = self.value(draft)
        return Unknown(_reason(draft), (number,)) if isinstance(draft.type, OtherType) else Ref(number)

    def sequence(self, items: Sequence[object]) -> Argument:
        drafts = [item for item in items if isinstance(item, Draft)]
        if any(isinstance(draft.type, OtherType) for draft in drafts) or not _is_flat(items):
            inner = list(drafts_in(items))
            reason = _reason(inner[0]) if inner else "a nested list"
            return Unknown(reason, tuple(self.value(draft) for draft in inner))
        if drafts and all(item is None or isinstance(item, Draft) for item in items):
            return RefList(tuple(self.value(item) if isinstance(item, Draft) else None for item in items))
        scalars = tuple(item for item in items if isinstance(item, (bool, int, float, str)))
        if len(scalars) == len(items):
            return scalars
        return Unknown("a list of mixed kinds", tuple(self.value(draft) for draft in drafts))


def _is_flat(items: Iterable[object]) -> bool:
    return not any(isinstance(item, (list, tuple, dict)) for item in items)


def _reason(draft: Draft) -> str:
    match draft.type:
        case OtherType(name):
            return f"{name} known only at run time"
        case DynamicType() as found:
            return str(found)
        case _:
            return "a tensor among numbers"


def number_graph(name: str, inputs: Sequence[Draft], nodes: Sequence[NodeDraft], outputs: Sequence[Draft]) -> Numbered:
    """Number what the walk found. Nodes that nothing reads and that have no effect are left out."""
    needed: set[Draft] = set(outputs)
    kept = _live(nodes, needed)
    numbering = _Numbering()
    body = numbering.block(inputs, kept, outputs)
    values = tuple(numbering.values)
    if not any(isinstance(value.type, TensorType) and value.type.is_quantized for value in values):
        # Of a model of floats a check reads no elements, and nothing asks how great they are.
        values = tuple(value if value.reach is None else replace(value, reach=None) for value in values)
    return Numbered(Graph(name, values, body), tuple(numbering.nodes), tuple(numbering.drafts))


def _live(nodes: Sequence[NodeDraft], needed: set[Draft]) -> list[NodeDraft]:
    kept: list[NodeDraft] = []
    for node in reversed(nodes):
        if not node.has_effect and needed.isdisjoint(node.outputs):
            continue
        for block in node.blocks:
            needed.update(block.outputs)
            block.nodes[:] = _live(block.nodes, needed)
        for item in node.arguments.values():
            needed.update(drafts_in(item))
        needed.update(output.base for output in node.outputs if output.base is not None)
        kept.append(node)
    kept.reverse()
    return kept
