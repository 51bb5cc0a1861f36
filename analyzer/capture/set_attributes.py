"""Attributes that a model sets itself: what they surely hold, and which drafts they may hold."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nnapi_check.analyzer.capture.aliases import Aliases
from nnapi_check.analyzer.capture.containers.held_containers import put_in_place
from nnapi_check.analyzer.capture.containers.structure_ops import UNANSWERED
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.torchscript import nested, nodes_of_kind


class SetAttributes:
    """What is known, at one place of a walk, of the attributes that a graph sets somewhere."""

    def __init__(self, graph: torch._C.Graph, aliases: Aliases) -> None:
        self._names = frozenset(setter.s("name") for setter in nodes_of_kind(graph, "prim::SetAttr"))
        self._aliases = aliases
        self._known: dict[str, object] = {}
        self._held: dict[str, list[Draft]] = {}

    def are_called(self, name: str) -> bool:
        """Whether the graph sets an attribute of this name, of whichever object."""
        return name in self._names

    def known(self, path: str | None) -> object:
        """What the attribute of a module holds here; ``UNANSWERED`` where no run surely set it before."""
        return UNANSWERED if path is None else self._known.get(path, UNANSWERED)

    def set(self, path: str | None, item: object, *, surely: bool) -> None:
        """Say that the attribute of a module is set here, ``surely`` or in some runs."""
        if path is not None:
            self._known[path] = item if surely else UNANSWERED

    def doubt(self, body: torch._C.Block) -> None:
        """Say that what is set in a loop is not known in any turn of it."""
        names = {node.s("name") for node in nested(body.nodes()) if node.kind() == "prim::SetAttr"}
        for path in self._known:
            if path.rpartition(".")[2] in names:
                self._known[path] = UNANSWERED

    def put_in_place(self, places: dict[int, object]) -> None:
        """Let attributes hold others in the place of containers, by their ids."""
        for path, item in self._known.items():
            self._known[path] = item if item is UNANSWERED else put_in_place(item, places)

    def hold(self, name: str, drafts: Iterable[Draft]) -> None:
        """Say that attributes of a name may hold the drafts, whichever object they belong to."""
        held = self._held.setdefault(name, [])
        held.extend(drafts)
        self._aliases.join(held)
