"""How large the constants of a program, and the program itself, become when PyTorch inlines and freezes it.

PyTorch computes lists and texts of constants without a bound, and copies a method to every place that calls it. Forty
lines that double what the line before made are more than any machine holds, so that it is estimated before.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import class_name, constant, has_method, submodule

_MAX_NODES = 1 << 22
_MAX_LENGTH = 1 << 22
_JOINING = frozenset({"aten::add", "aten::add_", "aten::format", "aten::percentFormat", "aten::extend"})
_MULTIPLYING = frozenset({"aten::join", "aten::replace"})
_MAX_DEPTH = 8


def refuse_exploding_calls(module: torch._C.ScriptModule, path: Path) -> None:
    """Raise an `InputError` where ``forward`` has too many nodes once every call of a method is inlined."""
    if _inlined_size(module, "forward", {}) > _MAX_NODES:
        raise InputError(f"{path} calls its methods so often that they come to more than {_MAX_NODES:,} calls of ops.")


def refuse_exploding_constants(graph: torch._C.Graph, path: Path) -> None:
    """Raise an `InputError` where lists and texts that are constant become too long. Calls are inlined already."""
    lengths: dict[int, int] = {}
    for node in _walk(graph.nodes()):
        length = _length(node, lengths)
        if length > _MAX_LENGTH:
            # How long it becomes by doubling is hard to read; how often it is repeated, the code says.
            made = f"list of {length:,}" if node.kind() == "aten::mul" else f"list or text of more than {_MAX_LENGTH:,}"
            raise InputError(f"{path} makes a {made} elements before it is run; make it in the run, or leave it out.")
        if node.kind() == "aten::extend":
            lengths[next(iter(node.inputs())).unique()] = length
        for output in node.outputs():
            lengths[output.unique()] = length


def _inlined_size(module: torch._C.ScriptModule, method: str, known: dict[tuple[str, str], int]) -> int:
    key = (class_name(module), method)
    if key not in known:
        # What calls itself, PyTorch refuses.
        known[key] = 0
        known[key] = sum(1 + _called_size(module, node, known) for node in _walk(_nodes_of(module, method)))
    return known[key]


def _nodes_of(module: torch._C.ScriptModule, method: str) -> Iterator[torch._C.Node]:
    return iter(module._get_method(method).graph.nodes())


def _called_size(module: torch._C.ScriptModule, node: torch._C.Node, known: dict[tuple[str, str], int]) -> int:
    if node.kind() != "prim::CallMethod":
        return 0
    called = _object(module, next(iter(node.inputs())))
    name = node.s("name")
    return 0 if called is None or not has_method(called, name) else _inlined_size(called, name, known)


def _object(module: torch._C.ScriptModule, value: torch._C.Value) -> torch._C.ScriptModule | None:
    """The module that a value is, read from ``self`` by attributes."""
    node = value.node()
    if node.kind() == "prim::Param":
        return module
    holder = _object(module, next(iter(node.inputs()))) if node.kind() == "prim::GetAttr" else None
    return None if holder is None else submodule(holder, node.s("name"))


def _walk(nodes: Iterator[torch._C.Node]) -> Iterator[torch._C.Node]:
    for node in nodes:
        for block in node.blocks():
            yield from _walk(block.nodes())
        yield node


def _length(node: torch._C.Node, lengths: dict[int, int]) -> int:
    """How long at most a list or text is that a node makes, where PyTorch knows it before the run; else 0."""
    given = [lengths.get(value.unique(), 0) for value in node.inputs()]
    match node.kind():
        case "prim::Constant":
            value = constant(node.output()) if node.outputsSize() == 1 else None
            return len(value) if isinstance(value, (str, list)) else 0
        case "prim::ListConstruct":
            return len(given) + sum(given)
        case kind if kind in _JOINING:
            return sum(given)
        case "aten::join" if _items(node) is not None:
            separator, joined = given
            return separator * len(_items(node) or ()) + joined
        case "aten::mul" if _holds_items(node):
            return sum(given) * _times(node)
        case kind if kind in _MULTIPLYING:
            return prod(length for length in given if length) if any(given) else 0
        case _:
            return max(given, default=0) if _holds_items(node) else 0


def _times(node: torch._C.Node) -> int:
    """How often a list or text is repeated; once where that is known in the run only."""
    numbers = [_number(value, 0) for value in node.inputs() if value.type().kind() == "IntType"]
    return max([number for number in numbers if number is not None], default=1)


def _number(value: torch._C.Value, depth: int) -> int | None:
    """The whole number that a value is, as far as constants, sums and products tell."""
    found: object = value.toIValue()
    if isinstance(found, int):
        return found
    if depth > _MAX_DEPTH or value.node().kind() not in ("aten::mul", "aten::add"):
        return None
    numbers = [_number(part, depth + 1) for part in value.node().inputs()]
    known = [number for number in numbers if number is not None]
    if len(known) != len(numbers):
        return None
    return prod(known) if value.node().kind() == "aten::mul" else sum(known)


def _items(node: torch._C.Node) -> list[torch._C.Value] | None:
    """The texts that are joined, where they are listed right there."""
    maker = list(node.inputs())[1].node()
    return list(maker.inputs()) if maker.kind() == "prim::ListConstruct" else None


def _holds_items(node: torch._C.Node) -> bool:
    return any(output.type().kind() in ("ListType", "StringType", "TupleType") for output in node.outputs())
