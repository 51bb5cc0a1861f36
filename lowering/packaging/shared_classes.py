"""Copies of a module whose parts have one TorchScript class for all that hold the same.

Tracing and freezing give every part a class of its own, and each takes two entries of a file, which for small models
come to a fifth of the weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

import torch

from nnapi_check.analyzer.torchscript import (
    attribute,
    children,
    class_name,
    contained_types,
    method_names,
    nodes_of_kind,
    submodule,
)
from nnapi_check.lowering.packaging.graph_copy import walk
from nnapi_check.lowering.packaging.script_modules import add_attribute, set_attribute, type_of

_NUMBERED = re.compile(r"___torch_mangle_\d+\.")
"""What PyTorch puts into names that it makes anew."""

_Class = tuple[str, tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]
"""A class's name, its parameters, its buffers, and its modules with their classes."""


class _Held(Protocol):
    """What PyTorch's stubs leave out of the tables of a module's parameters and buffers."""

    def items(self) -> list[tuple[str, torch.Tensor]]: ...


def with_shared_classes(module: torch._C.ScriptModule, graphs: Sequence[torch._C.Graph]) -> torch._C.ScriptModule:
    """A copy of a module that holds the same tensors, in parts of as few classes as can be.

    ``graphs`` are all that is to be run of it. Where one of them keeps something in a part, or does anything else with
    a part than to read of it, this is the module itself. The bodies of the copy's own methods must be given anew.
    """
    if not all(_only_reads(graph, module) for graph in graphs):
        return module
    classes: dict[_Class, torch._C.JitType] = {}
    return _with_children(module, [(name, _shared(child, classes)) for name, child in children(module)])


def retype_reads(graph: torch._C.Graph, module: torch._C.ScriptModule) -> None:
    """Give what a copied graph reads of its module the types that the module's parts have."""
    for value, part in _parts_read(graph, module):
        value.setType(type_of(part))


def _only_reads(graph: torch._C.Graph, module: torch._C.ScriptModule) -> bool:
    """Whether a graph reads attributes of its module's parts, and does nothing else with parts."""
    return not nodes_of_kind(graph, "prim::SetAttr") and all(
        use.user.kind() == "prim::GetAttr" for value, _ in _parts_read(graph, module) for use in value.uses()
    )


def _parts_read(
    graph: torch._C.Graph, module: torch._C.ScriptModule
) -> Iterator[tuple[torch._C.Value, torch._C.ScriptModule]]:
    """The values that are parts of a graph's module, with these."""
    held = {next(iter(graph.inputs())).unique(): module}
    for node in walk(graph):
        if node.kind() == "prim::GetAttr" and node.input().unique() in held:
            part = submodule(held[node.input().unique()], node.s("name"))
            if part is not None:
                held[node.output().unique()] = part
                yield node.output(), part


def _shared(module: torch._C.ScriptModule, classes: dict[_Class, torch._C.JitType]) -> torch._C.ScriptModule:
    """A part that holds the same, of the class in ``classes`` that is for such; added there if it is the first."""
    if method_names(module):
        return module
    before = children(module)
    found = [(name, _shared(child, classes)) for name, child in before]
    parameters, buffers = _names(torch._C.ParameterDict(module)), _names(torch._C.BufferDict(module))
    if len(contained_types(type_of(module))) > len(parameters) + len(buffers) + len(found):
        # What else it holds cannot be listed.
        return _with_children(module, found)
    name = _NUMBERED.sub("", class_name(module))
    key = (name, parameters, buffers, tuple((name, class_name(child)) for name, child in found))
    if key not in classes:
        made = module if _same_classes(before, found) else _with_children(module, found)
        classes[key] = type_of(made)
        return made
    make: Callable[[torch._C.JitType], torch._C.ScriptModule] = torch._C.__dict__["_create_module_with_type"]
    made = make(classes[key])
    for attribute_name in (*parameters, *buffers):
        set_attribute(made, attribute_name, attribute(module, attribute_name))
    for child_name, child in found:
        set_attribute(made, child_name, child)
    return made


def _names(held: object) -> tuple[str, ...]:
    """The names of a module's parameters, or of its buffers."""
    return tuple(name for name, _ in cast("_Held", held).items())


_Children = Sequence[tuple[str, torch._C.ScriptModule]]


def _same_classes(before: _Children, after: _Children) -> bool:
    return all(class_name(old) == class_name(new) for (_, old), (_, new) in zip(before, after, strict=True))


def _with_children(module: torch._C.ScriptModule, found: _Children) -> torch._C.ScriptModule:
    """A copy of a module, of a class of its own, that holds other modules by the same names."""
    clone: Callable[[torch._C.ScriptModule, list[str], list[str]], torch._C.ScriptModule] = torch._C.__dict__[
        "_hack_do_not_use_clone_module_with_class"
    ]
    for method in method_names(module):
        # PyTorch refuses to copy what reads of a value called "self" what the copy lacks.
        next(iter(module._get_method(method).graph.inputs())).setDebugName("module")
    made = clone(module, [], [name for name, _ in found])
    for name, child in found:
        add_attribute(made, name, type_of(child), child)
    return made
