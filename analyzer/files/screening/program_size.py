"""How many calls of ops a TorchScript archive comes to once PyTorch inlines its calls and unrolls its loops.

PyTorch copies a function or method to every place that calls it, and the body of a short loop as often as it runs.
Forty functions that call the one before twice are more than any machine holds, so that it is estimated before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, cast

import torch

from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.torchscript import times_unrolled

_MAX_NODES = 1 << 18
_SINGLE = frozenset({"prim::Constant", "prim::GetAttr", "prim::ListConstruct", "prim::TupleConstruct"})
"""Kinds of nodes that hold no blocks and call nothing of the archive."""


def screen_size(functions: Mapping[str, torch._C.Graph]) -> None:
    """Raise `SuspectError` where a function or method has too many nodes once all is inlined and unrolled."""
    sizes = _Sizes(functions)
    found = max((sizes.of(name) for name in functions), default=0)
    if found > _MAX_NODES:
        raise SuspectError(
            f"code whose functions and loops come to more than {_MAX_NODES:,} calls of ops", "a smaller program"
        )


class _Named(Protocol):
    def str(self) -> str: ...


class _Sizes:
    """The inlined sizes of functions and methods, each computed once."""

    def __init__(self, functions: Mapping[str, torch._C.Graph]) -> None:
        self._functions = functions
        self._known: dict[str, int] = {}
        self._by_last_name: dict[str, list[str]] = {}
        for name in functions:
            self._by_last_name.setdefault(name.rpartition(".")[2], []).append(name)

    def of(self, name: str) -> int:
        """The nodes of a function by its qualified name, those of all that it calls included."""
        if name not in self._known:
            # What calls itself, PyTorch refuses.
            self._known[name] = 0
            self._known[name] = self._nodes(self._functions[name].nodes())
        return self._known[name]

    def _nodes(self, nodes: Iterable[torch._C.Node]) -> int:
        size = 0
        for node in nodes:
            size += 1
            kind = node.kind()
            # Most nodes read a constant or an attribute, or call an op.
            if kind in _SINGLE or kind.startswith("aten::"):
                continue
            inside = sum(self._nodes(block.nodes()) for block in node.blocks())
            size += times_unrolled(node) * inside + max((self.of(name) for name in self._called(node)), default=0)
        return size

    def _called(self, node: torch._C.Node) -> Iterator[str]:
        """The functions that a node may call: one, or where only a name or an interface is known all that fit it."""
        called = next(iter(node.inputs()), None)
        if called is None or node.kind() not in ("prim::CallFunction", "prim::CallMethod"):
            return
        if node.kind() == "prim::CallFunction":
            yield from self._by_last_name.get(called.node().s("name"), ())
            return
        method = node.s("name")
        owner = cast("_Named", called.type()).str()
        name = f"{owner}.{method}"
        yield from [name] if name in self._functions else self._by_last_name.get(method, ())
