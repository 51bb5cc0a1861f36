"""Ops of the program around the tensors: TorchScript's lists, dictionaries and texts, whatever they hold.

They carry no cards, for there is one for each type of key and item, and all that can be said of them is the same: they
pass tensors on and compute none. What is known before execution is answered (``structure_ops.py``); what is
left stays with PyTorch.
"""

from __future__ import annotations

_CONTAINERS = frozenset(
    {
        "Delete",
        "__contains__",
        "__getitem__",
        "__is__",
        "__isnot__",
        "_set_item",
        "_unwrap_optional",
        "append",
        "clear",
        "dict",
        "extend",
        "get",
        "hash",
        "insert",
        "items",
        "keys",
        "len",
        "list",
        "pop",
        "popitem",
        "reverse",
        "setdefault",
        "sorted",
        "str",
        "update",
        "values",
    }
)
"""Names that no op of tensors has, but those in `_OF_TENSORS`."""

_OF_TENSORS = frozenset({"aten.values.default", "aten.len.Tensor"})

_OVERLOADS_OF_LISTS = frozenset({"t", "left_t", "right_", "any"})
"""Overloads for lists, under names that ops of tensors have too."""


def is_of_the_program(op: str) -> bool:
    """Whether an op only builds, reads or changes a list, dictionary or text, or is TorchScript's own (``prim``)."""
    namespace, _, call = op.partition(".")
    name, _, overload = call.partition(".")
    if namespace == "prim":
        return True
    if namespace != "aten" or op in _OF_TENSORS:
        return False
    return name in _CONTAINERS or overload in _OVERLOADS_OF_LISTS or overload.startswith("Dict_")
