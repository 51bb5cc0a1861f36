"""Values and nodes while a graph is being captured, before they are numbered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.graph import (
    BlockInput,
    DynamicType,
    GraphInput,
    Literal,
    OtherType,
    Parameter,
    SourcePosition,
    ValueType,
)

KnownOrigin = GraphInput | Parameter | Literal | BlockInput


@dataclass(slots=True, eq=False)
class Draft:
    """A tensor, or an object known only at run time.

    ``tensor`` has the type and, where it is not on ``meta``, the elements; it is None where the type is not
    known. ``origin`` is None for what a node computes. ``part`` names a piece of ``torch_value`` that PyTorch's
    graph has no value of its own for, such as the weight in quantized packed parameters. ``base`` is the value
    that this one is a later version of, after something was written in place. ``reach`` is the greatest magnitude in a
    constant vector of floats. ``holds`` is what a list, table or object held before only the run knew what it holds:
    who reads it may read those.
    """

    torch_value: torch._C.Value
    type: ValueType
    tensor: torch.Tensor | None
    origin: KnownOrigin | None
    is_constant: bool
    part: str = ""
    base: Draft | None = None
    reach: float | None = None
    holds: tuple[Draft, ...] = ()

    @property
    def is_real(self) -> bool:
        """Whether the elements are known."""
        return self.tensor is not None and not self.tensor.is_meta


@dataclass(slots=True, eq=False)
class BlockDraft:
    """A block of control flow. ``results`` are what it hands over, ``outputs`` the drafts among them."""

    inputs: list[Draft]
    nodes: list[NodeDraft]
    outputs: list[Draft]
    results: list[object]


@dataclass(slots=True, eq=False)
class NodeDraft:
    """One call of an op. ``arguments`` hold what the walk knows: drafts, numbers, and lists of them.

    ``follows`` are nodes of the same block that it must stay behind, for one of both overwrites what the other reads.
    """

    torch_node: torch._C.Node
    op: str
    arguments: dict[str, object]
    outputs: list[Draft]
    source: SourcePosition
    blocks: list[BlockDraft] = field(default_factory=list)
    has_effect: bool = False
    is_constant: bool = False
    follows: list[NodeDraft] = field(default_factory=list)


class Fields(dict[object, object]):
    """An object of the model's own that the program makes: what its attributes hold, by their names."""


@dataclass(frozen=True, slots=True)
class ModulePath:
    """A module, by the attributes that lead to it from the root."""

    path: str
    module: torch._C.ScriptModule

    def path_of(self, name: str) -> str:
        """The path of the module's attribute of this name."""
        return f"{self.path}.{name}" if self.path else name


@dataclass(frozen=True, slots=True, eq=False)
class StoredObject:
    """An object of the model's own class that a module holds: the attributes that lead to it from there, by type."""

    owner: ModulePath
    way: tuple[tuple[str, torch._C.JitType], ...]

    @property
    def path(self) -> str:
        """The path from the root."""
        return self.owner.path_of(".".join(name for name, _ in self.way))


@dataclass(frozen=True, slots=True)
class ObjectAttribute:
    """An object that is neither module nor tensor nor number, such as quantized packed parameters.

    ``path`` is that of the attribute, or the name of the constant where it is none.
    """

    path: str
    value: torch._C.Value
    object: object
    is_attribute: bool = True


def drafts_in(item: object) -> Iterator[Draft]:
    """Every draft in an item, those in lists, tuples and dictionaries included, in order."""
    if isinstance(item, Draft):
        yield item
    elif isinstance(item, (list, tuple)):
        for part in item:
            yield from drafts_in(part)
    elif isinstance(item, dict):
        for part in item.values():
            yield from drafts_in(part)


def held_in(item: object) -> list[Draft]:
    """What the objects in an item, known only at run time, held before, each once."""
    found: dict[Draft, None] = {}
    waiting = list(drafts_in(item))
    while waiting:
        draft = waiting.pop()
        inner = (*draft.holds, *(() if draft.base is None else draft.base.holds))
        waiting += [held for held in inner if held not in found]
        found.update(dict.fromkeys(inner))
    return list(found)


def with_held(arguments: Mapping[str, object], items: Sequence[object]) -> dict[str, object]:
    """The arguments of a node that only the run follows, with what the objects among its items held before."""
    held = held_in(items)
    return {**arguments, **({"held": held} if held else {})}


def nested_drafts(nodes: Iterable[NodeDraft]) -> Iterator[NodeDraft]:
    """The nodes, each followed by those inside it."""
    for node in nodes:
        yield node
        for block in node.blocks:
            yield from nested_drafts(block.nodes)


def own_copy(item: object) -> object:
    """The item in lists and dictionaries of its own."""
    match item:
        case list():
            return [own_copy(part) for part in item]
        case tuple():
            return tuple(own_copy(part) for part in item)
        case Fields():
            return Fields((key, own_copy(part)) for key, part in item.items())
        case dict():
            return {key: own_copy(part) for key, part in item.items()}
        case _:
            return item


def cause_in(item: object) -> DynamicType | None:
    """Why the first thing in an item that is known only at run time is not known before."""
    for draft in drafts_in(item):
        match draft.type:
            case DynamicType() as cause:
                return cause
            case OtherType(cause=DynamicType() as cause):
                return cause
            case _:
                pass
    return None


def run_time_object(value: torch._C.Value, reason: str = "", cause: DynamicType | None = None) -> Draft:
    """A draft for what is no tensor and is known only at run time."""
    name = value.type().annotation_str
    return Draft(value, OtherType(f"{name} ({reason})" if reason else name, cause), None, None, is_constant=False)
