"""What a walk found out of containers, written into the graph: who reads an item of one reads the item itself.

Lists, dictionaries and objects that nobody reads any more are taken out. What is left of them is what only a run knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch

from nnapi_check.analyzer.capture.containers.held_containers import Container
from nnapi_check.analyzer.capture.containers.list_writes import writes_container
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.torchscript import comes_before, insert_constant, nested

_KIND_OF: dict[type, str] = {bool: "BoolType", int: "IntType", float: "FloatType", str: "StringType"}
_MAKERS = frozenset({"prim::ListConstruct", "prim::DictConstruct", "prim::CreateObject", "aten::dict", "aten::list"})
_TELLING = frozenset({"prim::Print", "prim::RaiseException", "aten::warn"})

Home = Callable[[Container], "torch._C.Value | None"]


@dataclass(slots=True)
class Residue:
    """What is to be written into a graph once all of it is known, in the order in which a walk came to know it."""

    _answers: list[tuple[torch._C.Value, object]] = field(default_factory=list)
    _nodes: list[torch._C.Node] = field(default_factory=list)
    _reads: list[tuple[torch._C.Node, int, tuple[object, ...]]] = field(default_factory=list)

    def mark(self) -> tuple[int, int, int]:
        """A place in the walk, for `drop`."""
        return len(self._answers), len(self._nodes), len(self._reads)

    def drop(self, mark: tuple[int, int, int]) -> None:
        """Say that what was found out since then is not so."""
        answers, nodes, reads = mark
        del self._answers[answers:], self._nodes[nodes:], self._reads[reads:]

    def answered(self, node: torch._C.Node, answers: Iterable[tuple[torch._C.Value, object]] = ()) -> None:
        """Say that all that a node does is known, as every turn of a loop is, and what its outputs are."""
        self._nodes.append(node)
        self._answers.extend(answers)

    def reads(self, node: torch._C.Node, items: Sequence[object]) -> None:
        """Say what an op reads: the lists among it, as they are when it reads them."""
        for place, (value, item) in enumerate(zip(node.inputs(), items, strict=False)):
            if isinstance(item, list) and value.type().kind() == "ListType":
                self._reads.append((node, place, tuple(item)))

    def write(self, graph: torch._C.Graph, known: dict[int, object], home: Home) -> None:
        """Write all of it into the graph. ``home`` is the value that a container was made as."""
        kept: set[int] = set()
        for value, answer in self._answers:
            if isinstance(answer, Draft) and answer.torch_value.unique() == value.unique():
                kept.add(value.unique())
            elif list(value.uses()):
                _forward(graph, value, answer, known, home)
        for node, place, items in self._reads:
            _read_anew(graph, node, place, items, known)
        self._take_out(kept)
        graph.setInsertPoint(graph.return_node())

    def _take_out(self, kept: set[int]) -> None:
        """Take out what computes nothing that is read, the last nodes first, until there is no more of it."""
        # A list, for nodes are told apart by the objects that stand for them here.
        inner = [found for found in nested(self._nodes) if writes_container(found)]
        known = {id(node) for node in (*self._nodes, *inner)}
        waiting = self._nodes
        while True:
            left = []
            for node in reversed(waiting):
                is_read = any(output.unique() in kept or list(output.uses()) for output in node.outputs())
                if is_read or _tells(node, known):
                    left.append(node)
                else:
                    known.difference_update(map(id, nested([node])))
                    node.destroy()
            if len(left) == len(waiting):
                return
            waiting = left[::-1]


def _tells(node: torch._C.Node, known: set[int]) -> bool:
    """Whether a node does more than to compute its outputs and to write to containers that nobody reads."""
    return any(
        found.kind() in _TELLING or (writes_container(found) and not _is_unread(found, known))
        for found in nested([node])
    )


def _is_unread(write: torch._C.Node, known: set[int]) -> bool:
    """Whether a container is made by a node that is known, and is but written to by such nodes."""
    container = write.inputsAt(0)
    if container.node().kind() not in _MAKERS:
        return False
    return all(
        use.offset == 0
        and writes_container(use.user)
        and id(use.user) in known
        and not any(list(output.uses()) for output in use.user.outputs())
        for use in container.uses()
    )


def _forward(
    graph: torch._C.Graph, value: torch._C.Value, answer: object, known: dict[int, object], home: Home
) -> None:
    """Let who reads a value read what it is."""
    node, kind = value.node(), value.type().kind()
    if kind == _KIND_OF.get(type(answer)):
        if not isinstance(answer, float) or isfinite(answer):
            graph.setInsertPoint(node)
            made = insert_constant(graph, answer)
            known[made.unique()] = answer
            value.replaceAllUsesWith(made)
        return
    target: torch._C.Value | None = None
    if isinstance(answer, Draft) and not answer.part and kind == "TensorType":
        target = answer.torch_value
    elif isinstance(answer, (list, dict)):
        target = home(answer)
    if target is None or target.unique() == value.unique() or str(target.type()) != str(value.type()):
        return
    if comes_before(target, node):
        value.replaceAllUsesWith(target)


def _read_anew(
    graph: torch._C.Graph, node: torch._C.Node, place: int, items: Sequence[object], known: dict[int, object]
) -> None:
    """Let an op read a list of its own in the place of one that is written to, itself or in its tensors.

    PyTorch drops what is written to a tensor that only a list made before is read of.
    """
    old = node.inputsAt(place)
    is_as_made = old.node().kind() == "prim::ListConstruct" and not any(
        writes_container(use.user) for use in old.uses()
    )
    if is_as_made and not any(isinstance(item, Draft) and item.base is not None for item in items):
        return
    values = []
    for item in items:
        if not isinstance(item, Draft) or item.part or item.torch_value.type().kind() != "TensorType":
            return
        if not comes_before(item.torch_value, node):
            return
        values.append(item.torch_value)
    made = graph.create("prim::ListConstruct", values, 1)
    made.output().setType(old.type())
    made.insertBefore(node)
    node.replaceInput(place, made.output())
    known[made.output().unique()] = list(items)
