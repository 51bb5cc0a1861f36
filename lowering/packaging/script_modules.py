"""Making TorchScript modules from attributes and source text, without a Python class behind them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Protocol, cast

import torch
import torch.jit

from nnapi_check.analyzer.torchscript import method_names, nested


@contextmanager
def without_deprecation_warnings() -> Iterator[None]:
    """Keep PyTorch's advice against TorchScript, which PyTorch Mobile needs, from the user's eyes."""
    with warnings.catch_warnings():
        for category in (FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, message=".*(torch.jit|Lite Interpreter).*")
        yield


class _EditableModule(Protocol):
    """What PyTorch's stubs leave out of ``torch._C.ScriptModule``."""

    def _register_attribute(self, name: str, kind: torch._C.JitType, value: object) -> None: ...

    def _type(self) -> torch._C.JitType: ...

    def hasattr(self, name: str) -> bool: ...

    def setattr(self, name: str, value: object) -> None: ...

    def _define(self, kind: object, source: str, resolve: Callable[[str], object]) -> None: ...


class _EditableGraph(Protocol):
    """What PyTorch's stubs leave out of ``torch._C.Graph``."""

    def createClone(  # noqa: N802  # PyTorch's name
        self, node: torch._C.Node, copy_of: Callable[[torch._C.Value], torch._C.Value]
    ) -> torch._C.Node: ...


def _editable(module: torch._C.ScriptModule) -> _EditableModule:
    return cast("_EditableModule", module)


def new_module(name: str) -> torch._C.ScriptModule:
    """An empty module whose TorchScript class is called ``name``."""
    make: Callable[..., torch._C.ScriptModule] = torch._C.ScriptModule
    return make(f"__torch__.nnapi_check.{name}", torch.jit._state._python_cu, True)


def add_attribute(module: torch._C.ScriptModule, name: str, kind: torch._C.JitType, value: object) -> None:
    """Add an attribute or a submodule to a module and to its class."""
    _editable(module)._register_attribute(name, kind, value)


def set_attribute(module: torch._C.ScriptModule, name: str, value: object) -> None:
    """Give a value to an attribute that a module's class has."""
    _editable(module).setattr(name, value)


def type_of(module: torch._C.ScriptModule) -> torch._C.JitType:
    """The TorchScript class of a module."""
    return _editable(module)._type()


def has_attribute(module: torch._C.ScriptModule, name: str) -> bool:
    """Whether a module has an attribute or a submodule of this name."""
    return _editable(module).hasattr(name)


def wrapped(module: torch._C.ScriptModule) -> torch.jit.ScriptModule:
    """The module as Python code calls it. Attributes that are added later are not seen."""
    wrap: Callable[[torch._C.ScriptModule], torch.jit.ScriptModule] = torch.jit._recursive.wrap_cpp_module
    return wrap(module)


def define(
    module: torch._C.ScriptModule, source: str, types: Mapping[str, torch._C.JitType] = MappingProxyType({})
) -> None:
    """Compile methods, which may name ``torch``, ``RuntimeError`` and ``types``, and add them to a module."""
    before = set(method_names(module))
    kind: Callable[[torch._C.JitType], object] = torch._C.ConcreteModuleType.from_jit_type
    names: dict[str, object] = {"torch": torch, "RuntimeError": RuntimeError}
    # PyTorch looks a type's name up as a class of Python, and then for the type that the class was compiled to.
    classes: dict[str, type] = {name: type(name, (), {}) for name in types}
    compiled: dict[type, object] = torch.jit._state.__dict__["_script_classes"]
    compiled.update({classes[name]: types[name] for name in types})
    try:
        with without_deprecation_warnings():
            _editable(module)._define(kind(type_of(module)), source, {**names, **classes}.get)
    finally:
        for made in classes.values():
            del compiled[made]
    for name in set(method_names(module)) - before:
        _forget_places(module._get_method(name).graph)


def named_type(name: str) -> torch._C.JitType:
    """A type by its name in op schemas (``Tensor[]``, ``__torch__.torch.classes._nnapi.Compilation?``)."""
    return torch._C.parse_schema(f"nnapi_check::named({name} x) -> ()").arguments[0].type


def clone_node(
    graph: torch._C.Graph, node: torch._C.Node, copy_of: Callable[[torch._C.Value], torch._C.Value]
) -> torch._C.Node:
    """A copy of a node for another graph, not inserted yet, whose inputs are what ``copy_of`` gives for its own."""
    return cast("_EditableGraph", graph).createClone(node, copy_of)


def reset_insert_point(graph: torch._C.Graph) -> None:
    """Insert at the graph's end from now on. PyTorch's passes end the process where the point's node is gone."""
    graph.setInsertPoint(graph.return_node())


def _forget_places(graph: torch._C.Graph) -> None:
    """Forget the places of nodes in their source text, all of which a file would tell, though it is nobody's own."""
    placeless = graph.create("prim::Constant", [], 1)
    for node in (*nested(graph.nodes()), graph.return_node()):
        node.copyMetadata(placeless)
    placeless.destroy()


def fold_plain_constants(graph: torch._C.Graph) -> None:
    """Compute what nodes make of constant numbers, drop branches that are never taken and nodes that nobody reads."""
    propagate: Callable[[torch._C.Graph], None] = torch._C.__dict__["_jit_pass_constant_propagation_immutable_types"]
    reset_insert_point(graph)
    propagate(graph)
    torch._C._jit_pass_dce(graph)
