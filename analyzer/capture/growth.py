"""How long lists and texts of constants become when PyTorch freezes a program.

PyTorch computes them without a bound. Forty lines that double what the line before made are more than any machine
holds, so that it is estimated before.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.torchscript import constant, times_unrolled

_MAX_LENGTH = 1 << 22
_MAKING = frozenset({"prim::ListConstruct", "prim::TupleConstruct"})
_JOINING = frozenset({"aten::add", "aten::add_", "aten::format", "aten::percentFormat", "aten::extend"})
_MULTIPLYING = frozenset({"aten::join", "aten::replace"})
_WITHOUT_LENGTH = frozenset({"BoolType", "DeviceObjType", "FloatType", "IntType", "NoneType", "TensorType"})
_MAX_DEPTH = 8


def refuse_exploding_constants(graph: torch._C.Graph, path: Path) -> None:
    """Raise an `InputError` where lists and texts that are constant become too long. Calls are inlined already."""
    _Lengths(path).follow(graph.nodes())


class _Lengths:
    """How long at most each list, tuple and text is that PyTorch knows before the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[int, int] = {}
        self._is_repeated = False

    def follow(self, nodes: Iterable[torch._C.Node]) -> None:
        """Go through nodes as they run, through short loops as often as PyTorch writes them down."""
        for node in nodes:
            match node.kind():
                case "prim::Loop":
                    self._follow_loop(node)
                case "prim::If":
                    branches = []
                    for block in node.blocks():
                        self.follow(block.nodes())
                        branches.append(self._of(block.outputs()))
                    self._set(node.outputs(), [max(both) for both in zip(*branches, strict=True)])
                case "prim::GetAttr":
                    # What a module holds is read when it runs.
                    pass
                case kind:
                    if not (kind == "prim::Constant" or kind.startswith("aten::")):
                        for block in node.blocks():
                            self.follow(block.nodes())
                    self._follow_node(node, kind)

    def _follow_loop(self, node: torch._C.Node) -> None:
        # A count and a condition stand before what the loop carries, and its body gives the condition first.
        carried = self._of(node.inputs())[2:]
        self._is_repeated = True
        body = next(iter(node.blocks()))
        for _ in range(times_unrolled(node)):
            self._set(list(body.inputs())[1:], carried)
            self.follow(body.nodes())
            carried = self._of(body.outputs())[1:]
        self._set(node.outputs(), carried)

    def _follow_node(self, node: torch._C.Node, kind: str) -> None:
        length = _length(node, kind, self._of(node.inputs()))
        if not length and not self._is_repeated:
            # Nothing else is said of its outputs.
            return
        if length > _MAX_LENGTH:
            # How long it becomes by doubling is hard to read; how often it is repeated, the code says.
            made = f"list of {length:,}" if kind == "aten::mul" else f"list or text of more than {_MAX_LENGTH:,}"
            raise InputError(
                f"{self._path} makes a {made} elements before it is run; make it in the run, or leave it out."
            )
        if kind == "aten::extend":
            self._known[next(iter(node.inputs())).unique()] = length
        outputs = list(node.outputs())
        self._set(outputs, [length] * len(outputs))

    def _of(self, values: Iterable[torch._C.Value]) -> list[int]:
        return [self._known.get(value.unique(), 0) for value in values]

    def _set(self, values: Iterable[torch._C.Value], lengths: Iterable[int]) -> None:
        self._known.update((value.unique(), length) for value, length in zip(values, lengths, strict=True))


def _length(node: torch._C.Node, kind: str, given: list[int]) -> int:
    """How long at most a list, tuple or text is that a node makes of others so long; 0 for what is none."""
    match kind:
        case "prim::Constant":
            if node.outputsSize() != 1 or node.output().type().kind() in _WITHOUT_LENGTH:
                return 0
            value = constant(node.output())
            return len(value) if isinstance(value, (str, list)) else 0
        case _ if kind in _MAKING:
            return len(given) + sum(given)
        case _ if not any(given):
            return 0
        case _ if kind in _JOINING:
            return sum(given)
        case "aten::join" if _items(node) is not None:
            separator, joined = given
            return separator * len(_items(node) or ()) + joined
        case "aten::mul" if _holds_items(node):
            return sum(given) * _times(node)
        case _ if kind in _MULTIPLYING:
            return prod(length for length in given if length)
        case _:
            return max(given) if _holds_items(node) else 0


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
