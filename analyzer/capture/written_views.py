"""Writes to a view of a tensor as functional ops: what is written is put into the tensor.

`a[..., 2] = p` overwrites a view. Where nobody else sees the storage afterwards, `p` is scattered into the tensor that
the view was taken from, which all that comes later reads in its place. `a[:, 0].mul_(2)` is the same with what `mul`
makes of the view, and `a.view(-1).zero_()` with what is brought back to the shape of `a`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from nnapi_check.analyzer.capture.aliases import Aliases, is_held
from nnapi_check.analyzer.capture.functional_ops import functional_form, views_carried
from nnapi_check.analyzer.errors import OpError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.growing_graph import Draft
from nnapi_check.analyzer.ops.calls import Operation, evaluate
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import insert_constant, is_within, tensor_op

_SCATTER = {"aten::slice": ("aten::slice_scatter", 5), "aten::select": ("aten::select_scatter", 3)}
"""By the op that takes a part, what puts one there, and how many inputs the first has."""
_EXCHANGES = frozenset({"aten::transpose", "aten::swapaxes", "aten::t"})
"""Views that the same op undoes."""
_RESHAPES = frozenset(f"aten::{name}" for name in ("alias", "detach", "squeeze", "unflatten", "unsqueeze", "view"))
"""Views of all elements in their order, which a shape undoes. ``flatten`` and ``reshape`` may copy, by strides that a
run alone knows."""
_NO_OVERLAP = 0


def scattered_write(
    graph: torch._C.Graph,
    node: torch._C.Node,
    operation: Operation,
    items: Sequence[object],
    known: Mapping[int, object],
    aliases: Aliases,
) -> list[torch._C.Node] | None:
    """Put functional nodes in the place of an in-place one that writes to a view; None where somebody could tell."""
    target = items[0]
    if not isinstance(target, Draft) or not isinstance(target.type, TensorType):
        return None
    views = takers_of(node.inputsAt(0), node.owningBlock(), known)
    # What is read later may be a view itself.
    chains = (views[:count] for count in range(1, len(views) + 1))
    carried = views_carried(node)
    if carried is not None:
        takers = views[:carried]
    else:
        takers = next((part for part in chains if _is_unseen(part[-1].inputsAt(0), node, target, known, aliases)), [])
    if not takers or not is_read_at_once(node, takers[-1].inputsAt(0)):
        return None
    root = takers[-1].inputsAt(0)
    made = _written(graph, node, operation, items, target, aliases)
    if made is None:
        return None
    nodes, part = made
    if not _holds(root, takers, part):
        for taker in takers:
            nodes += _put(graph, node, taker, part, known)
            part = nodes[-1].output()
        root.replaceAllUsesAfterNodeWith(node, part)
    node.destroy()
    return nodes


def takers_of(value: torch._C.Value, block: torch._C.Block, known: Mapping[int, object]) -> list[torch._C.Node]:
    """The nodes that took a view of a view, the last one first, as far as they can be undone."""
    found: list[torch._C.Node] = []
    while value.node().owningBlock() is block and _can_be_undone(value.node(), known):
        found.append(value.node())
        value = value.node().inputsAt(0)
    return found


def _views_of(root: torch._C.Value, value: torch._C.Value) -> list[torch._C.Node]:
    """The same down to a root, of nodes that nothing is known of yet."""
    found: list[torch._C.Node] = []
    kinds, block = _SCATTER.keys() | _EXCHANGES | _RESHAPES | {"aten::narrow"}, root.node().owningBlock()
    while value.unique() != root.unique():
        if value.node().owningBlock() is not block or value.node().kind() not in kinds:
            return []
        found.append(value.node())
        value = value.node().inputsAt(0)
    return found


def _can_be_undone(taker: torch._C.Node, known: Mapping[int, object]) -> bool:
    kind = taker.kind()
    if kind in _SCATTER:
        return taker.inputsSize() == _SCATTER[kind][1]
    if kind == "aten::narrow":
        return all(isinstance(known.get(value.unique()), int) for value in list(taker.inputs())[1:])
    if kind in _RESHAPES:
        # An op of this name may read the elements as of another type.
        shapes = [_type_of(value, known) for value in (taker.inputsAt(0), taker.output())]
        first, second = shapes
        return first is not None and second is not None and first.dtype is second.dtype
    return kind in _EXCHANGES


def _type_of(value: torch._C.Value, known: Mapping[int, object]) -> TensorType | None:
    """The type of a tensor, also where it is not what it was, for it is overwritten."""
    found = known.get(value.unique())
    return tensor_type(found.tensor) if isinstance(found, Draft) and found.tensor is not None else None


def _is_unseen(
    root: torch._C.Value, node: torch._C.Node, target: Draft, known: Mapping[int, object], aliases: Aliases
) -> bool:
    """Whether after the write nothing but the whole tensor is read of its storage, and that in the same block."""
    whole, block = known.get(root.unique()), node.owningBlock()
    if not isinstance(whole, Draft) or whole.tensor is None or root.node().owningBlock() is not block:
        return False
    if aliases.has_escaped(target) or torch._debug_has_internal_overlap(whole.tensor) != _NO_OVERLAP:
        return False
    drafts = [*aliases.drafts_with(target), whole, target]
    # What the caller or the module itself holds keeps what was written.
    if any(is_held(draft) or not isinstance(draft.type, TensorType) for draft in drafts):
        return False
    if aliases.set_of(whole) != aliases.set_of(target):
        return False
    for value in aliases.values_with(target):
        later = [use.user for use in value.uses() if use.user.isAfter(node)]
        if later and (value.unique() != root.unique() or not all(is_within(user, block) for user in later)):
            return False
    return True


def is_read_at_once(node: torch._C.Node, root: torch._C.Value) -> bool:
    """Whether nothing reads what the write returns, or only an assignment to a view of the same tensor, before which
    nothing else is written: a trace holds `a[1:] += p` so."""
    uses = list(node.output().uses())
    if not uses:
        return True
    (user, offset), *others = ((use.user, use.offset) for use in uses)
    block = node.owningBlock()
    if others or user.kind() != "aten::copy_" or offset != 1 or user.owningBlock() is not block:
        return False
    takers = _views_of(root, user.inputsAt(0))
    if not takers or list(user.output().uses()):
        return False
    if any(len(list(taker.output().uses())) != 1 for taker in takers):
        return False
    later = [use.user for use in root.uses() if use.user.isAfter(node) and user.isAfter(use.user)]
    return all(found is takers[-1] for found in later)


def _holds(root: torch._C.Value, takers: Sequence[torch._C.Node], part: torch._C.Value) -> bool:
    """Whether the part was put into the tensor just before, by the same slices."""
    value = root
    for taker in reversed(takers):
        scatter = value.node()
        if taker.kind() not in _SCATTER or scatter.kind() != _SCATTER[taker.kind()][0]:
            return False
        pairs = zip(list(scatter.inputs())[2:], list(taker.inputs())[1:], strict=True)
        if not all(_is_same(first, second) for first, second in pairs):
            return False
        value = scatter.inputsAt(1)
    return value.unique() == part.unique()


def _is_same(first: torch._C.Value, second: torch._C.Value) -> bool:
    if first.unique() == second.unique():
        return True
    kinds = {first.node().kind(), second.node().kind()}
    return kinds == {"prim::Constant"} and first.toIValue() == second.toIValue()


def _written(
    graph: torch._C.Graph,
    node: torch._C.Node,
    operation: Operation,
    items: Sequence[object],
    target: Draft,
    aliases: Aliases,
) -> tuple[list[torch._C.Node], torch._C.Value] | None:
    """The nodes that give what is written to the view, and its value; None where PyTorch has none."""
    if operation.name in ("aten::copy_", "aten::fill_") and isinstance(items[1], Draft):
        # What overlaps is copied in an order that PyTorch does not state.
        is_apart = aliases.set_of(target) not in aliases.sets_in(items[1])
        return _assigned(graph, node, items[1], target) if is_apart else None
    if operation.name in ("aten::fill_", "aten::zero_"):
        number = 0 if operation.name == "aten::zero_" else items[1]
        if target.tensor is None or target.tensor.is_quantized or not isinstance(number, int | float):
            return None
        graph.setInsertPoint(node)
        filled = insert_constant(graph, torch.full((), number, dtype=target.tensor.dtype))
        graph.setInsertPoint(graph.return_node())
        expanded = _expanded(graph, node, filled, target)
        return [filled.node(), *expanded], expanded[-1].output()
    functional = functional_form(operation, node)
    try:
        result = None if functional is None else evaluate(functional, items)
    except OpError:
        return None
    if functional is None or not isinstance(result, torch.Tensor) or tensor_type(result) != target.type:
        return None
    made = _insert(graph, node, functional.name, list(node.inputs()))
    node.output().replaceAllUsesWith(made.output())
    return [made], made.output()


def _assigned(
    graph: torch._C.Graph, node: torch._C.Node, source: Draft, target: Draft
) -> tuple[list[torch._C.Node], torch._C.Value] | None:
    """The nodes that give what is assigned the shape of the part, and its value."""
    value, kind = node.inputsAt(1), target.type
    if not isinstance(source.type, TensorType) or not isinstance(kind, TensorType):
        return None
    if list(node.output().uses()) or source.type.quant != kind.quant or source.type.dtype is not kind.dtype:
        return None
    if source.type == kind:
        return [], value
    nodes = _expanded(graph, node, value, target)
    return nodes, nodes[-1].output()


def _expanded(graph: torch._C.Graph, node: torch._C.Node, value: torch._C.Value, target: Draft) -> list[torch._C.Node]:
    shape = target.type.shape if isinstance(target.type, TensorType) else ()
    sizes, is_implicit = _constants(graph, node, list(shape), False)
    made = _insert(graph, node, "aten::expand", [value, sizes, is_implicit])
    return [sizes.node(), is_implicit.node(), made]


def _put(
    graph: torch._C.Graph, node: torch._C.Node, taker: torch._C.Node, part: torch._C.Value, known: Mapping[int, object]
) -> list[torch._C.Node]:
    """The nodes that put a part into the tensor that it was taken from, or bring it back to its shape."""
    kind, (base, *rest) = taker.kind(), taker.inputs()
    if kind in _SCATTER:
        return [_insert(graph, node, _SCATTER[kind][0], [base, part, *rest])]
    if kind in _EXCHANGES:
        return [_insert(graph, node, kind, [part, *rest])]
    whole = _type_of(base, known)
    shape = whole.shape if whole is not None else ()
    if kind == "aten::narrow":
        dim, start, length = (found for value in rest if isinstance(found := known.get(value.unique()), int))
        first = start + shape[dim] if start < 0 else start
        places = _constants(graph, node, dim, first, first + length, 1)
        made = _insert(graph, node, "aten::slice_scatter", [base, part, *places])
        return [*(place.node() for place in places), made]
    (sizes,) = _constants(graph, node, list(shape))
    return [sizes.node(), _insert(graph, node, "aten::reshape", [part, sizes])]


def _constants(graph: torch._C.Graph, node: torch._C.Node, *numbers: object) -> list[torch._C.Value]:
    graph.setInsertPoint(node)
    found = [insert_constant(graph, number) for number in numbers]
    graph.setInsertPoint(graph.return_node())
    return found


def _insert(graph: torch._C.Graph, node: torch._C.Node, kind: str, inputs: Sequence[torch._C.Value]) -> torch._C.Node:
    made = tensor_op(graph, kind, inputs)
    made.insertBefore(node)
    made.copyMetadata(node)
    return made
