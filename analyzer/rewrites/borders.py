"""Paddings with a tensor's own cells as decompositions write them: one dimension after another, or slice by slice.

Circular padding is written into a new tensor, which is a constant: first the middle, then the border at each side from
the opposite side. What stood there before does not matter where all of it is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.graph import ABSENT, Argument, Node, Ref, is_ints
from nnapi_check.analyzer.ops.border_pads import border_pads
from nnapi_check.analyzer.rewrites.rewrite import Match, Rewrite, Surroundings, in_place_of_last

PAD = "aten.pad.default"
_MOST_NODES = 32


@dataclass(frozen=True, slots=True)
class _Places:
    """A tensor of elements of another one: for each dimension the places that they have there, None where not set."""

    source: int
    rows: tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True, slots=True)
class _Unset:
    """A constant: none of its elements is one of another tensor."""


def _joined_match(first: Node, around: Surroundings) -> Match | None:
    """The one padding that ``first`` and the paddings that follow it are together."""
    source, pads = first.arguments.get("self"), _pads(first)
    kind = around.graph.tensor_of(source)
    if pads is None or kind is None:
        return None
    borders, nodes, mode = _borders(pads, kind.rank), [first], first.arguments["mode"]
    while (node := around.only_reader(nodes[-1].outputs[0])) is not None:
        more = _pads(node)
        found = _borders(more or (), kind.rank)
        is_alike = not borders or not found or node.arguments["mode"] == mode
        if more is None or not is_alike or not borders.keys().isdisjoint(found):
            break
        # Without a border every mode is alike.
        mode = mode if borders else node.arguments["mode"]
        borders |= found
        nodes.append(node)
    joined = border_pads(kind.rank, borders)
    if len(nodes) == 1 or joined is None:
        return None
    return in_place_of_last(PAD, {**first.arguments, "pad": joined, "mode": mode}, nodes)


def _pads(node: Node) -> tuple[int, ...] | None:
    """The argument of a padding that continues the tensor's own cells."""
    pads = node.arguments.get("pad")
    is_own = node.op == PAD and node.arguments["mode"] != "constant"
    return tuple(pads) if is_own and is_ints(pads) else None


def _borders(pads: tuple[int, ...], rank: int) -> dict[int, tuple[int, int]]:
    """The borders by dimensions; pads are written from the last one on."""
    found = {rank - 1 - place: (pads[2 * place], pads[2 * place + 1]) for place in range(len(pads) // 2)}
    return {dim: border for dim, border in found.items() if any(border)}


def _circular_match(last: Node, around: Surroundings) -> Match | None:
    """The circular padding that ``last`` writes the last side of, if it does."""
    if last.op != "aten.slice_scatter.default":
        return None
    walk = _Walk(around)
    found = walk.of(last.outputs[0])
    if not isinstance(found, _Places):
        return None
    kind = around.graph.tensor_type(found.source)
    borders = None if kind is None else _wrapped(found, kind.shape)
    pads = border_pads(len(found.rows), borders) if borders is not None else None
    nodes = tuple(walk.nodes[number] for number in sorted(walk.nodes))
    inside = {node.id for node in nodes}
    is_alone = all(inside.issuperset(around.readers[node.outputs[0]]) for node in nodes if node.id != last.id)
    if pads is None or not is_alone or nodes[-1].id != last.id:
        return None
    arguments: dict[str, Argument] = {"self": Ref(found.source), "pad": pads, "mode": "circular", "value": ABSENT}
    return in_place_of_last(PAD, arguments, nodes)


def _wrapped(places: _Places, shape: tuple[int, ...]) -> dict[int, tuple[int, int]] | None:
    """The borders by dimensions where every dimension continues at its opposite side."""
    borders: dict[int, tuple[int, int]] = {}
    for dim, (row, size) in enumerate(zip(places.rows, shape, strict=True)):
        # A border as wide as the tensor itself begins where the tensor does.
        added = len(row) - size
        before = next((i for i in range(max(added - size, 0), min(added, size) + 1) if row[i] == 0), None)
        if before is None or row != tuple((place - before) % size for place in range(len(row))):
            return None
        if added:
            borders[dim] = (before, added - before)
    return borders


class _Walk:
    """What values are made of, followed back through the nodes that write them."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._graph = around.graph
        self._known: dict[int, _Places | _Unset | None] = {}
        self.nodes: dict[int, Node] = {}

    def of(self, value: int) -> _Places | _Unset | None:
        """What a value is made of; None where that cannot be said."""
        if value not in self._known:
            self._known[value] = self._found(value)
        return self._known[value]

    def _found(self, value: int) -> _Places | _Unset | None:
        kind, node = self._graph.tensor_type(value), self._around.maker(value)
        if kind is None or len(self.nodes) > _MOST_NODES:
            return None
        if self._graph.values[value].is_constant:
            return _Unset()
        if node is not None and node.op in _MOVES:
            self.nodes[node.id] = node
            return _MOVES[node.op](self, node)
        return _Places(value, tuple(tuple(range(size)) for size in kind.shape))

    def _argument(self, node: Node, name: str) -> _Places | _Unset | None:
        argument = node.arguments[name]
        return self.of(argument.value) if isinstance(argument, Ref) else None

    def sliced(self, node: Node) -> _Places | _Unset | None:
        """A part of one dimension."""
        found, cut = self._argument(node, "self"), self._cut(node)
        if cut is None or not isinstance(found, _Places):
            return found
        dim, places = cut
        row = tuple(found.rows[dim][place] for place in places)
        return _Places(found.source, (*found.rows[:dim], row, *found.rows[dim + 1 :]))

    def copied(self, node: Node) -> _Places | _Unset | None:
        """Another tensor of the same type."""
        target, source = node.arguments["self"], node.arguments["src"]
        if not isinstance(target, Ref) or not isinstance(source, Ref):
            return None
        is_same = self._graph.type_of(target.value) == self._graph.type_of(source.value)
        self.of(target.value)
        return self.of(source.value) if is_same else None

    def written(self, node: Node) -> _Places | _Unset | None:
        """A tensor with a part of one dimension replaced."""
        base, source, cut = self._argument(node, "self"), self._argument(node, "src"), self._cut(node)
        if cut is None or base is None or not isinstance(source, _Places):
            return None
        dim, places = cut
        kind = self._graph.tensor_of(node.arguments["self"])
        size = 0 if kind is None else kind.shape[dim]
        row: list[int | None] = [None] * size
        if isinstance(base, _Places):
            is_row = [one == other for one, other in zip(base.rows, source.rows, strict=True)]
            if base.source != source.source or not all((*is_row[:dim], *is_row[dim + 1 :])):
                return None
            row = list(base.rows[dim])
        for place, cell in zip(places, source.rows[dim], strict=True):
            row[place] = cell
        return _Places(source.source, (*source.rows[:dim], tuple(row), *source.rows[dim + 1 :]))

    def _cut(self, node: Node) -> tuple[int, range] | None:
        """The dimension and the places of it that a slice takes."""
        kind, dim = self._graph.tensor_of(node.arguments["self"]), node.arguments["dim"]
        bounds = [node.arguments[name] for name in ("start", "end", "step")]
        given = [None if bound == ABSENT else bound for bound in bounds]
        if kind is None or not kind.rank or not isinstance(dim, int):
            return None
        if not is_ints([bound for bound in given if bound is not None]):
            return None
        size = kind.shape[dim % kind.rank]
        start, end, step = (bound if isinstance(bound, int) else None for bound in given)
        return dim % kind.rank, range(*slice(start, end, step).indices(size))


_MOVES: Mapping[str, Callable[[_Walk, Node], _Places | _Unset | None]] = {
    "aten.slice.Tensor": _Walk.sliced,
    "aten.copy.default": _Walk.copied,
    "aten.slice_scatter.default": _Walk.written,
}


JOINED_BORDERS = Rewrite(
    name="joined-borders",
    title="a padding of several dimensions",
    begins=frozenset({PAD}),
    makes=frozenset({PAD}),
    match=_joined_match,
)

CIRCULAR_BORDER = Rewrite(
    name="circular-border",
    title="a circular padding",
    begins=frozenset(_MOVES),
    makes=frozenset({PAD}),
    match=_circular_match,
)
