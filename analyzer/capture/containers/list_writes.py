"""TorchScript's nodes that change a list or dictionary: the walk changes what it knows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from nnapi_check.analyzer.capture.containers.structure_ops import MAX_LISTED, UNANSWERED, weight

ListWrite = Callable[[object, Sequence[object]], Sequence[object]]


def _append(held: object, items: Sequence[object]) -> Sequence[object]:
    if not isinstance(held, list) or len(held) >= MAX_LISTED:
        return UNANSWERED
    held.append(items[0])
    return (held,)


def _extend(held: object, items: Sequence[object]) -> Sequence[object]:
    more = items[0]
    if not isinstance(held, list) or not isinstance(more, list) or weight(held) + weight(more) > MAX_LISTED:
        return UNANSWERED
    held.extend(more)
    return ()


def _extended(held: object, items: Sequence[object]) -> Sequence[object]:
    answer = _extend(held, items)
    return answer if answer is UNANSWERED else (held,)


def _insert(held: object, items: Sequence[object]) -> Sequence[object]:
    index, item = items
    if not isinstance(held, list) or not isinstance(index, int) or len(held) >= MAX_LISTED:
        return UNANSWERED
    held.insert(index, item)
    return ()


def _set_item(held: object, items: Sequence[object]) -> Sequence[object]:
    key, item = items
    if isinstance(held, list) and isinstance(key, int) and -len(held) <= key < len(held):
        held[key] = item
        return (held,)
    if isinstance(held, dict) and isinstance(key, (str, int)):
        held[key] = item
        return ()
    return UNANSWERED


def _pop(held: object, items: Sequence[object]) -> Sequence[object]:
    index = items[0] if items else -1
    if isinstance(held, list) and isinstance(index, int) and -len(held) <= index < len(held):
        return (held.pop(index),)
    return UNANSWERED


def _clear(held: object, _items: Sequence[object]) -> Sequence[object]:
    if not isinstance(held, (list, dict)):
        return UNANSWERED
    held.clear()
    return ()


def _left_to_the_run(_held: object, _items: Sequence[object]) -> Sequence[object]:
    return UNANSWERED


def _reverse(held: object, _items: Sequence[object]) -> Sequence[object]:
    if not isinstance(held, list):
        return UNANSWERED
    held.reverse()
    return ()


def _delete(held: object, items: Sequence[object]) -> Sequence[object]:
    (key,) = items
    if isinstance(held, list) and isinstance(key, int) and -len(held) <= key < len(held):
        del held[key]
        return ()
    if isinstance(held, dict) and isinstance(key, (str, int)) and key in held:
        del held[key]
        return ()
    return UNANSWERED


def _update(held: object, items: Sequence[object]) -> Sequence[object]:
    (more,) = items
    if not isinstance(held, dict) or not isinstance(more, dict):
        return UNANSWERED
    held.update(more)
    return ()


def _set_default(held: object, items: Sequence[object]) -> Sequence[object]:
    key, item = items
    if not isinstance(held, dict) or not isinstance(key, (str, int)):
        return UNANSWERED
    return (held.setdefault(key, item),)


LIST_WRITES: dict[str, ListWrite] = {
    "aten::append": _append,
    "aten::extend": _extend,
    "aten::insert": _insert,
    "aten::_set_item": _set_item,
    "aten::pop": _pop,
    "aten::clear": _clear,
    "aten::reverse": _reverse,
    "aten::Delete": _delete,
    "aten::update": _update,
    "aten::setdefault": _set_default,
    "aten::add_": _extended,
    **dict.fromkeys(("aten::mul_", "aten::sort", "aten::remove", "aten::popitem"), _left_to_the_run),
}
"""Nodes that change a list or dictionary; each changes what the walk knows and answers the node's outputs."""


def writes_container(node: torch._C.Node) -> bool:
    """Whether a node changes a list, a dictionary or an object."""
    if node.kind() == "prim::SetAttr":
        return True
    return node.kind() in LIST_WRITES and node.inputsAt(0).type().kind() in ("ListType", "DictType")
