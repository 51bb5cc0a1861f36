"""In-place ops: made functional where nobody sees the difference, else followed so that no reader is out of order.

Aliases are those of the meta tensors that the walk computes with: two values share a storage there where they do
in a run. Where an in-place op stays, whatever reads the storage afterwards reads a new *version* of its value,
which the in-place op (or the control flow that holds it) puts out. So every order that matters is an edge of the
graph, and a value that is overwritten in place has no type that a lowering could build on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from analyzer.drafts import Draft, NodeDraft, drafts_in
from analyzer.graph import DynamicType
from analyzer.operations import Operation, operation_of


@dataclass(slots=True)
class Aliases:
    """Which values share a storage, and what wrote to it last."""

    _values: dict[int, list[torch._C.Value]] = field(default_factory=dict)
    _drafts: dict[int, list[Draft]] = field(default_factory=dict)
    _writers: dict[int, NodeDraft] = field(default_factory=dict)
    _versions: dict[tuple[int, int], Draft] = field(default_factory=dict)
    _seen: set[Draft] = field(default_factory=set)

    def add(self, value: torch._C.Value, item: object) -> None:
        """Remember that ``value`` is, or holds, the tensors in ``item``."""
        for draft in drafts_in(item):
            key = storage_of(draft)
            if key is None:
                continue
            self._drafts.setdefault(key, []).append(draft)
            if draft not in self._seen:
                self._seen.add(draft)
                # A view that is taken after a write is a view of what was written.
                writer = self._writers.get(key)
                if writer is not None:
                    self._versions[id(writer), id(draft)] = draft
            values = self._values.setdefault(key, [])
            if not values or values[-1] is not value:
                values.append(value)

    def is_read_elsewhere(self, draft: Draft, node: torch._C.Node) -> bool:
        """Whether, after ``node``, a value that shares the draft's storage is read, or the draft in another block."""
        block = node.owningBlock()
        key = storage_of(draft)
        for value in self._values.get(key, []) if key is not None else []:
            is_draft = value is draft.torch_value
            for use in value.uses():
                if not use.user.isAfter(node):
                    continue
                if not is_draft or use.user.owningBlock() is not block:
                    return True
        return False

    def forget_elements(self, target: Draft) -> None:
        """Keep only the types of all views of a constant that a run will overwrite with what is not known."""
        old = storage_of(target)
        if old is None or target.tensor is None or target.tensor.is_meta or target.tensor.is_quantized:
            return
        size = target.tensor.untyped_storage().nbytes() // target.tensor.element_size()
        base = torch.empty(size, dtype=target.tensor.dtype, device="meta")
        for draft in (*self._drafts.get(old, ()), target):
            view = draft.tensor
            if view is not None and view.dtype is base.dtype and not view.is_meta:
                draft.tensor = base.as_strided(view.shape, view.stride(), view.storage_offset())
        new = base.untyped_storage()._cdata
        self._values[new] = self._values.pop(old, [])
        self._drafts[new] = self._drafts.pop(old, [])
        if old in self._writers:
            self._writers[new] = self._writers.pop(old)

    def written(self, writer: NodeDraft, target: Draft) -> None:
        """Record that ``writer`` overwrote the storage of ``target``."""
        key = storage_of(target)
        if key is not None:
            self._writers[key] = writer
            for output in writer.outputs:
                self._versions[id(writer), id(output)] = output

    def move_writers(self, inner: set[int], outer: NodeDraft) -> None:
        """Say that what nodes inside control flow wrote is written by the node that holds them."""
        for key, writer in self._writers.items():
            if id(writer) in inner:
                self._writers[key] = outer

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
            return {key: self.read(part) for key, part in item.items()}
        return item

    def _current(self, draft: Draft) -> Draft:
        key = storage_of(draft)
        writer = self._writers.get(key) if key is not None else None
        if writer is None:
            return draft
        found = self._versions.get((id(writer), id(draft)))
        if found is not None:
            return found
        version = Draft(draft.torch_value, draft.type, draft.tensor, None, writer.is_constant, base=draft)
        if not writer.is_constant:
            become_overwritten(version, writer.op)
        writer.outputs.append(version)
        self._versions[id(writer), id(draft)] = version
        self._versions[id(writer), id(version)] = version
        if key is not None:
            self._drafts.setdefault(key, []).append(version)
        return version


def storage_of(draft: Draft) -> int | None:
    """A number that two drafts share when one is a view of the other."""
    return draft.tensor.untyped_storage()._cdata if draft.tensor is not None else None


def become_overwritten(draft: Draft, op: str) -> None:
    """Give a draft that is overwritten in place a type that says so; its shape stays known to the walk."""
    draft.type = DynamicType("writes to it in place", op)
    draft.is_constant = False


def functional_form(operation: Operation, node: torch._C.Node) -> Operation | None:
    """The op that computes what an in-place op writes, or None where PyTorch has none."""
    return functional_of(operation) if node.outputsSize() == 1 else None


def functional_of(operation: Operation) -> Operation | None:
    """The op that returns what an in-place op writes, or None where PyTorch has none.

    It takes the same kinds of arguments, which it may call otherwise (`dropout_` has `self`, `dropout` has `input`),
    and its overload may have another name (`pow_.Scalar` writes what `pow.Tensor_Scalar` returns).
    """
    if not operation.name.endswith("_") or operation.name.endswith("__"):
        return None
    kinds = [argument.kind for argument in operation.arguments]
    for schema in torch._C._jit_get_schemas_for_operator(operation.name[:-1]):
        functional = operation_of(str(schema))
        if functional.function is None or functional.is_mutable:
            continue
        if [argument.kind for argument in functional.arguments] == kinds:
            return functional
    return None


def make_functional(graph: torch._C.Graph, node: torch._C.Node, kind: str) -> torch._C.Node:
    """Put the functional op in the place of an in-place one; later readers of the overwritten value read its result."""
    target = node.inputsAt(0)
    made = graph.create(kind, list(node.inputs()), 1)
    made.insertBefore(node)
    made.copyMetadata(node)
    made.output().setType(node.output().type())
    node.output().replaceAllUsesWith(made.output())
    target.replaceAllUsesAfterNodeWith(node, made.output())
    node.destroy()
    return made
