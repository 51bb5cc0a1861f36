"""Which values may share a storage, what wrote to it last, and who reads what was written.

Two values share a storage where the meta tensors that the walk computes with do. Of what is known only at run time the
schema of its op tells what it may share. Whatever reads a storage after it was written in place reads a new *version*
of its value, which the in-place op (or the control flow that holds it) puts out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from nnapi_check.analyzer.graph import OVERWRITTEN, BlockInput, DynamicType, OtherType, TensorType
from nnapi_check.analyzer.growing_graph import Draft, Fields, NodeDraft, drafts_in
from nnapi_check.analyzer.ops.calls import Operation
from nnapi_check.analyzer.torchscript import is_in, is_within, nodes_around

Item = TypeVar("Item")

# What nobody can write to.
_IMMUTABLE = frozenset({"int", "float", "bool", "str", "number", "NoneType", "Device"})

KEEPING = frozenset({"prim::SetAttr", "prim::CallMethod", "prim::CallFunction", "prim::fork"})
"""What they are given may be reached later by a way that the walk does not see."""
_MAX_COMPARED = 1 << 24
_OVERLAPS = 1
FOR_EACH = "aten::_foreach_"
"""How the names of ops begin that overwrite each tensor of a list."""


@dataclass(slots=True)
class Aliases:
    """Sets of values that may share a storage, each known by a number."""

    _parents: dict[int, int] = field(default_factory=dict)
    _numbers: dict[Draft, int] = field(default_factory=dict)
    _values: dict[int, list[torch._C.Value]] = field(default_factory=dict)
    _drafts: dict[int, list[Draft]] = field(default_factory=dict)
    _writers: dict[int, list[NodeDraft]] = field(default_factory=dict)
    _written: dict[NodeDraft, list[int]] = field(default_factory=dict)
    _versions: dict[tuple[int, int], Draft] = field(default_factory=dict)
    _seen: set[Draft] = field(default_factory=set)
    _escaped: set[int] = field(default_factory=set)
    # Storages are known by their address, which must not be used anew while they are known.
    _kept: list[torch.Tensor] = field(default_factory=list)

    def add(self, value: torch._C.Value, item: object) -> None:
        """Remember that ``value`` is, or holds, the tensors in ``item``."""
        for draft in drafts_in(item):
            number = self.set_of(draft)
            if number is None:
                continue
            self._drafts.setdefault(number, []).append(draft)
            if draft not in self._seen:
                self._seen.add(draft)
                # A view that is taken after a write is a view of what was written.
                writer = self._last_writer(number)
                if writer is not None:
                    self._versions[id(writer), id(draft)] = draft
            values = self._values.setdefault(number, [])
            if not values or values[-1] is not value:
                values.append(value)

    def set_of(self, draft: Draft) -> int | None:
        """The number of the set that a draft belongs to; None for what nobody can write to."""
        if isinstance(draft.type, OtherType) and draft.type.name.partition(" ")[0] in _IMMUTABLE:
            return None
        storage = self.storage_of(draft)
        return self._root(self._numbers.setdefault(draft, -1 - len(self._numbers)) if storage is None else storage)

    @staticmethod
    def storage_of(draft: Draft) -> int | None:
        """The address of the storage that the walk computes with; None for what is known only at run time."""
        return draft.tensor.untyped_storage()._cdata if draft.tensor is not None else None

    def join(self, drafts: Iterable[Draft]) -> None:
        """Say that the drafts may share a storage."""
        numbers = [number for draft in drafts if (number := self.set_of(draft)) is not None]
        for number in numbers[1:]:
            self._join(numbers[0], number)

    def escape(self, item: object) -> None:
        """Say that what cannot be seen here may reach the tensors in ``item`` from now on."""
        self._escaped.update(self.sets_in(item))

    def sets_in(self, item: object) -> set[int]:
        """The numbers of the sets of all drafts in an item."""
        return {number for draft in drafts_in(item) if (number := self.set_of(draft)) is not None}

    def values_with(self, draft: Draft) -> Iterator[torch._C.Value]:
        """Every value that may share the draft's storage, or holds one that may."""
        number = self.set_of(draft)
        if number is not None:
            yield from self._values.get(number, ())

    def drafts_with(self, draft: Draft) -> Iterator[Draft]:
        """Every draft that may share the draft's storage."""
        number = self.set_of(draft)
        if number is not None:
            yield from self._drafts.get(number, ())

    def has_escaped(self, draft: Draft) -> bool:
        """Whether what cannot be seen here may reach the draft's storage."""
        return self.set_of(draft) in {self._root(number) for number in self._escaped}

    def is_read_elsewhere(self, draft: Draft, node: torch._C.Node) -> bool:
        """Whether, after ``node``, a value that overlaps with the draft is read, or the draft in another block."""
        if self.has_escaped(draft):
            return True
        block = node.owningBlock()
        for value in self.values_with(draft):
            later = readers_after(value, node)
            if value is draft.torch_value:
                later = [user for user in later if not is_within(user, block)]
            if later and not self._is_apart(value, draft):
                return True
        return False

    def _is_apart(self, value: torch._C.Value, draft: Draft) -> bool:
        """Whether a value is one tensor that has no element in common with the draft, as pieces of a whole."""
        found = [other for other in self.drafts_with(draft) if other.torch_value is value]
        # A list holds pieces that are known by other values.
        is_tensor = value.type().kind() == "TensorType"
        return is_tensor and bool(found) and all(_are_apart(other.tensor, draft.tensor) for other in found)

    def forget_type(self, draft: Draft, kind: DynamicType) -> None:
        """Say that only a run knows a draft's type; it may share the storage that it did before."""
        number = self.set_of(draft)
        if draft.tensor is not None:
            self._kept.append(draft.tensor)
        draft.type, draft.tensor = kind, None
        later = self.set_of(draft)
        if number is not None and later is not None:
            self._join(number, later)

    def forget_elements(self, target: Draft) -> None:
        """Keep only the types of all views of a constant that a run will overwrite with what is not known."""
        number = self.set_of(target)
        if number is None or target.tensor is None or target.tensor.is_meta or target.tensor.is_quantized:
            return
        size = target.tensor.untyped_storage().nbytes() // target.tensor.element_size()
        base = torch.empty(size, dtype=target.tensor.dtype, device="meta")
        for draft in (*self._drafts.get(number, ()), target):
            view = draft.tensor
            if view is not None and view.dtype is base.dtype and not view.is_meta:
                self._kept.append(view)
                draft.tensor = base.as_strided(view.shape, view.stride(), view.storage_offset())
        self._join(number, base.untyped_storage()._cdata)

    def written(self, writer: NodeDraft, target: Draft) -> None:
        """Record that ``writer`` overwrote the storage of ``target``."""
        number = self.set_of(target)
        if number is not None:
            self._writers.setdefault(number, []).append(writer)
            self._written.setdefault(writer, []).append(number)
            for output in writer.outputs:
                self._versions[id(writer), id(output)] = output

    def record_writes(self, made: NodeDraft, operation: Operation, items: Sequence[object]) -> None:
        """Say what an op that was called with these items writes to."""
        made.has_effect = True
        for argument, item in zip(operation.arguments, items, strict=False):
            if not argument.is_written:
                continue
            for target in drafts_in(item):
                # What is written to a list replaces tensors in it, and overwrites none.
                if isinstance(target.type, OtherType) and not operation.name.startswith(FOR_EACH):
                    continue
                if not made.is_constant:
                    self.forget_elements(target)
                self.written(made, target)
        if not made.is_constant:
            for output in made.outputs:
                become_overwritten(output, made.op)

    def share_storage(self, results: Sequence[object], drafts: Sequence[Draft], items: Sequence[object]) -> None:
        """Say that results share the storage of arguments where they do, but are known by another tensor now."""
        found = [result for result in results if isinstance(result, torch.Tensor)]
        if len(found) != len(drafts):
            return
        for result, draft in zip(found, drafts, strict=True):
            if draft.tensor is not result:
                storage = result.untyped_storage()._cdata
                sources = (item for item in drafts_in(list(items)) if self.storage_of(item) == storage)
                self.join((draft, *sources))

    def share(
        self, node: torch._C.Node, operation: Operation | None, items: Sequence[object], outputs: Sequence[Draft]
    ) -> None:
        """Say what may share a storage with what, as far as the schema tells."""
        if operation is None:
            self.join((*drafts_in(list(items)), *outputs))
            if node.kind() in KEEPING:
                self.escape(list(items))
            return
        # What a list is extended with lies in it too, which the schema leaves out.
        is_put = puts_into_container(node, operation)
        shared = [item for arg, item in zip(operation.arguments, items, strict=False) if arg.is_shared or is_put]
        if operation.returns_shared or len(shared) > 1:
            self.join((*drafts_in(shared), *(outputs if operation.returns_shared else ())))

    def move_writers(self, inner: set[int], outer: NodeDraft) -> None:
        """Say that what nodes inside control flow wrote is written by the node that holds them."""
        for number, writers in self._writers.items():
            if any(id(writer) in inner for writer in writers):
                self._writers[number] = [writer for writer in writers if id(writer) not in inner] + [outer]

    def overwritten(self) -> dict[int, NodeDraft]:
        """The sets that are written in place in a run, each with its last writer.

        Constants of the model itself keep what was written from one run to the next, whatever it is computed from.
        """
        found: dict[int, NodeDraft] = {}
        for number, writers in self._writers.items():
            is_kept = any(draft.origin is not None for draft in self._drafts.get(number, ()))
            if is_kept or any(not writer.is_constant for writer in writers):
                found[number] = writers[-1]
        return found

    def sets_written_by(self, node: NodeDraft) -> set[int]:
        """The numbers of the sets that a node writes to itself, what its blocks write left out."""
        return {self._root(number) for number in self._written.get(node, ())}

    def members(self, number: int) -> tuple[Draft, ...]:
        """The drafts of a set, each once, in the order in which they came to be known."""
        return tuple(dict.fromkeys(self._drafts.get(number, ())))

    def read(self, item: object) -> object:
        """The item as it is now: tensors that were written in place as the writer's version of them."""
        if not self._writers:
            return item
        if isinstance(item, Draft):
            return self._current(item)
        if isinstance(item, list):
            return [self.read(part) for part in item]
        if isinstance(item, tuple):
            return tuple(self.read(part) for part in item)
        if isinstance(item, dict):
            kind = Fields if isinstance(item, Fields) else dict
            return kind((key, self.read(part)) for key, part in item.items())
        return item

    def _current(self, draft: Draft) -> Draft:
        number = self.set_of(draft)
        writer = self._last_writer(number)
        if number is None or writer is None:
            return draft
        found = self._versions.get((id(writer), id(draft)))
        if found is not None:
            return found
        version = Draft(draft.torch_value, draft.type, draft.tensor, None, writer.is_constant, base=draft)
        if draft.tensor is None:
            self._numbers[version] = number
        if not writer.is_constant:
            become_overwritten(version, writer.op)
        writer.outputs.append(version)
        self._versions[id(writer), id(draft)] = version
        self._versions[id(writer), id(version)] = version
        self._drafts.setdefault(number, []).append(version)
        return version

    def _last_writer(self, number: int | None) -> NodeDraft | None:
        writers = self._writers.get(number) if number is not None else None
        return writers[-1] if writers else None

    def _root(self, number: int) -> int:
        while (parent := self._parents.get(number, number)) != number:
            self._parents[number] = self._parents.get(parent, parent)
            number = parent
        return number

    def _join(self, first: int, second: int) -> None:
        kept, gone = self._root(first), self._root(second)
        if kept == gone:
            return
        self._parents[gone] = kept
        _move(self._values, gone, kept)
        _move(self._drafts, gone, kept)
        _move(self._writers, gone, kept)


def _are_apart(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    """Whether two views of one storage have no element in common; nothing is said of very large storages.

    What is known by storages of their own may still be one in a run.
    """
    if first is None or second is None or first.dtype is not second.dtype or first.is_quantized:
        return False
    if first.untyped_storage()._cdata != second.untyped_storage()._cdata:
        return False
    size = first.untyped_storage().nbytes() // first.element_size()
    if size > _MAX_COMPARED or torch._debug_has_internal_overlap(first) == _OVERLAPS:
        return False
    taken = torch.zeros(size, dtype=torch.bool)
    taken.as_strided(first.shape, first.stride(), first.storage_offset()).fill_(True)
    return not taken.as_strided(second.shape, second.stride(), second.storage_offset()).any()


def _move(lists: dict[int, list[Item]], gone: int, kept: int) -> None:
    moved = lists.pop(gone, [])
    if moved:
        lists.setdefault(kept, []).extend(moved)


def readers_after(value: torch._C.Value, node: torch._C.Node) -> list[torch._C.Node]:
    """The nodes that read a value after a node: in the same turn of the loops around it, or in a later one."""
    repeated = [
        found for found in nodes_around(node) if found.kind() == "prim::Loop" and not is_in(value.node(), found)
    ]
    users = [use.user for use in value.uses()]
    return [user for user in users if user.isAfter(node) or any(is_in(user, loop) for loop in repeated)]


def puts_into_container(node: torch._C.Node, operation: Operation) -> bool:
    """Whether an op writes to a list or a table: that replaces tensors in it, and overwrites none."""
    pairs = zip(operation.arguments, node.inputs(), strict=False)
    return not operation.name.startswith(FOR_EACH) and any(
        argument.is_written and value.type().kind() in ("ListType", "DictType") for argument, value in pairs
    )


def is_held(draft: Draft) -> bool:
    """Whether the caller or the module itself holds a value, and so sees what is written to it."""
    return draft.origin is not None and not isinstance(draft.origin, BlockInput)


def become_overwritten(draft: Draft, op: str) -> None:
    """Give a draft that is overwritten in place a type that says so; its shape stays known to the walk.

    Where its type was not known before, that stays the reason: new elements in another tensor would not help.
    """
    if isinstance(draft.type, TensorType):
        draft.type = DynamicType(OVERWRITTEN, op)
    draft.is_constant = False
