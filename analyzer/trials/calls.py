"""Calls of a graph that an edit is for, with its code as it stands for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Absent, Node, Ref, RefList, TensorType
from nnapi_check.analyzer.quantities import NotKnown, Uses, holds, quantity
from nnapi_check.coverage_db.edits.edit import Edit, code_name, literal

_WORDS = re.compile(r"(?<![.\w])[a-z_]\w*")

Tensors = int | tuple[int | None, ...] | None
"""What stands for an argument: a value, a list of values with what is left out in it, or None where it is left out."""


@dataclass(frozen=True, slots=True)
class EditedCall:
    """A node and what to write in its place. ``tensors`` are the values that the code reads, by the names it gives
    them."""

    edit: Edit
    node: Node
    before: str
    after: str
    tensors: Mapping[str, Tensors]

    @property
    def values(self) -> tuple[int, ...]:
        """The values of all of them in order."""
        return tuple(value for item in self.tensors.values() for value in _values(item))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the code calls the results that it gives: of what nothing reads, it need not give any."""
        words = set(_WORDS.findall(self.after))
        return tuple(name for place in range(len(self.node.outputs)) if (name := f"y{place or ''}") in words)


def _values(item: Tensors) -> tuple[int, ...]:
    match item:
        case tuple():
            return tuple(value for value in item if value is not None)
        case None:
            return ()
        case _:
            return (item,)


def edited_calls(nodes: Sequence[Node], edits: Sequence[Edit], uses: Uses) -> Iterator[tuple[Edit, list[EditedCall]]]:
    """The edits that are for some of these nodes, each with its calls among them."""
    for edit in edits:
        found = [call for node in nodes if node.op in edit.ops for call in _applied(edit, node, uses)]
        if found:
            yield edit, found


def _applied(edit: Edit, node: Node, uses: Uses) -> Iterator[EditedCall]:
    """The call with its code: none where the edit is for other calls, or a tensor's type is not known."""
    values = (*node.inputs(), *node.outputs)
    if not all(_is_plain(value, uses) for value in values) or (edit.when and not holds(edit.when, node, uses)):
        return
    texts: dict[str, str] = {}
    for path in (*edit.before.quantities, *edit.after.quantities):
        text = _text(path, node, uses)
        if text is None:
            return
        texts[path] = text
    before, after = (code.filled(texts.__getitem__) for code in (edit.before, edit.after))
    yield EditedCall(edit, node, before, after, _named(node, after))


def _text(path: str, node: Node, uses: Uses) -> str | None:
    """A quantity as Python writes it: the name of a tensor, or a value. None where it is not known."""
    match node.arguments.get(path):
        case Ref():
            return code_name(path)
        case Absent():
            return literal(None)
        case _:
            found = quantity(path, node, uses)
            return None if isinstance(found, NotKnown) else literal(found)


def _is_plain(value: int, uses: Uses) -> bool:
    kind = uses.graph.type_of(value)
    return isinstance(kind, TensorType) and not kind.is_quantized


def _named(node: Node, code: str) -> dict[str, Tensors]:
    """The values that the code reads, by the names it gives them."""
    words = set(_WORDS.findall(code))
    found: dict[str, Tensors] = {}
    for name, argument in node.arguments.items():
        called = code_name(name)
        match argument:
            case Ref(value) if called in words:
                found[called] = value
            case RefList(values) if called in words:
                found[called] = values
            case Absent() if called in words:
                found[called] = None
            case _:
                pass
    return found
