"""PyTorch's TorchScript functions with the types that its stubs leave out."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast
from unittest.mock import patch

import torch

_OWN_NAMES = "__torch__."
_BOUND_CLASSES = "__torch__.torch.classes."
"""Classes that C++ brings along, such as those of quantized packed parameters."""


_UNROLLED_WHOLE, _UNROLLED_STEPS = 64, 8
"""Loops of fewer steps are unrolled as a whole, longer ones by so many steps, with one more for the rest."""


class _Module(Protocol):
    def getattr(self, name: str) -> object: ...

    def hasattr(self, name: str) -> bool: ...

    def _has_method(self, name: str) -> bool: ...

    def _method_names(self) -> list[str]: ...


class _Type(Protocol):
    def containedTypes(self) -> list[torch._C.JitType]: ...  # noqa: N802 - PyTorch's own name


class _Submodules(Protocol):
    def contains(self, name: str) -> bool: ...


class _Graph(Protocol):
    def findAllNodes(self, kind: str) -> list[torch._C.Node]: ...  # noqa: N802 - PyTorch's own name


class _Function(Protocol):
    qualified_name: str
    graph: torch._C.Graph


class _CompilationUnit(Protocol):
    def get_functions(self) -> list[_Function]: ...


class _Binding(Protocol):
    def import_ir_module(
        self, unit: object, path: str, device: torch.device | None, extra: dict[str, object], shapes: bool
    ) -> torch._C.ScriptModule: ...

    def import_ir_module_from_buffer(
        self, unit: object, data: bytes, device: torch.device | None, extra: dict[str, object], shapes: bool
    ) -> torch._C.ScriptModule: ...


class _Aliases(Protocol):
    """What PyTorch's stubs leave out of the aliases of a graph."""

    def may_contain_alias(self, first: torch._C.Value, second: torch._C.Value) -> bool: ...


class _EditableGraph(Protocol):
    def insertConstant(self, value: object) -> torch._C.Value: ...  # noqa: N802 - PyTorch's own name

    def createClone(  # noqa: N802 - PyTorch's own name
        self, node: torch._C.Node, names: Callable[[torch._C.Value], torch._C.Value]
    ) -> torch._C.Node: ...


class _EditableBlock(Protocol):
    """What PyTorch's stubs leave out of ``torch._C.Block``."""

    def addInputToBlock(self) -> torch._C.Value: ...  # noqa: N802 - PyTorch's own name


class _EditableNode(Protocol):
    """What PyTorch's stubs say otherwise of ``torch._C.Node``."""

    def addInput(self, value: torch._C.Value) -> torch._C.Value: ...  # noqa: N802 - PyTorch's own name


def attribute(module: torch._C.ScriptModule, name: str) -> object:
    """The attribute of a module called ``name``."""
    return cast("_Module", module).getattr(name)


def has_method(module: torch._C.ScriptModule, name: str) -> bool:
    """Whether a module has a method called ``name``."""
    return cast("_Module", module)._has_method(name)


def has_attribute(module: torch._C.ScriptModule, name: str) -> bool:
    """Whether a module has an attribute called ``name``."""
    return cast("_Module", module).hasattr(name)


def method_names(module: torch._C.ScriptModule) -> list[str]:
    """The names of a module's methods."""
    return cast("_Module", module)._method_names()


def children(module: torch._C.ScriptModule) -> list[tuple[str, torch._C.ScriptModule]]:
    """The modules that are attributes of a module, with their names."""
    return list(torch._C.ModuleDict(module).items())


def graphs_of(module: torch._C.ScriptModule) -> Iterator[torch._C.Graph]:
    """The graphs of all methods of a module and of the modules in it."""
    yield from (module._get_method(name).graph for name in method_names(module))
    for _, child in children(module):
        yield from graphs_of(child)


def contained_types(kind: torch._C.JitType) -> list[torch._C.JitType]:
    """The types of what a container of this type holds."""
    return cast("_Type", kind).containedTypes()


def submodule(module: torch._C.ScriptModule, name: str) -> torch._C.ScriptModule | None:
    """The module that is the attribute called ``name``; None where that is no module, or there is none."""
    if not cast("_Submodules", torch._C.ModuleDict(module)).contains(name):
        return None
    found = attribute(module, name)
    return found if isinstance(found, torch._C.ScriptModule) else None


def is_readable(kind: torch._C.JitType) -> bool:
    """Whether Python can read what has this type: objects of the model's own classes and enumerations it cannot.

    PyTorch would look for the Python class that they were compiled from, which a file does not bring along.
    """
    match kind.kind():
        case "ClassType":
            return kind.annotation_str.startswith(_BOUND_CLASSES)
        case "EnumType" | "InterfaceType":
            return False
        case "TupleType" if kind.annotation_str.startswith(_OWN_NAMES):
            return False
        case _:
            return all(map(is_readable, contained_types(kind)))


def is_own_class(kind: torch._C.JitType) -> bool:
    """Whether a type is a class of the model's own, which is no module."""
    return kind.kind() == "ClassType" and not kind.annotation_str.startswith(_BOUND_CLASSES)


def constant(value: torch._C.Value) -> object:
    """What a value is as a constant; None where it is none, or is none that Python can read."""
    return value.toIValue() if is_readable(value.type()) else None


def class_name(module: torch._C.ScriptModule) -> str:
    """The qualified name of a module's class in TorchScript."""
    return str(module._type().qualified_name())


def nodes_of_kind(graph: torch._C.Graph, kind: str) -> list[torch._C.Node]:
    """All nodes of a kind, those inside control flow included."""
    return cast("_Graph", graph).findAllNodes(kind)


def nested(nodes: Iterable[torch._C.Node]) -> Iterator[torch._C.Node]:
    """The nodes, each followed by those inside it."""
    for node in nodes:
        yield node
        for block in node.blocks():
            yield from nested(block.nodes())


def aliases_known(graph: torch._C.Graph) -> Callable[[torch._C.Value, torch._C.Value], bool]:
    """What PyTorch itself knows of a graph as it is now: whether two values may be, or hold, the same storage."""
    return cast("_Aliases", graph.alias_db()).may_contain_alias


def nodes_around(node: torch._C.Node) -> Iterator[torch._C.Node]:
    """The branches and loops that a node lies in, the innermost first."""
    while (outer := node.owningBlock().owningNode()) is not None:
        yield outer
        node = outer


def is_in(node: torch._C.Node, outer: torch._C.Node) -> bool:
    """Whether a node lies in a branch or loop."""
    return any(found is outer for found in nodes_around(node))


def is_within(node: torch._C.Node, block: torch._C.Block) -> bool:
    """Whether a node lies in a block, or in a branch or loop that does."""
    return any(found.owningBlock() is block for found in (node, *nodes_around(node)))


def comes_before(value: torch._C.Value, node: torch._C.Node) -> bool:
    """Whether a value is there wherever a node is run."""
    maker = value.node()
    for outer in (node, *nodes_around(node)):
        if outer.owningBlock() is maker.owningBlock():
            return maker.kind() == "prim::Param" or maker.isBefore(outer)
    return False


def times_unrolled(node: torch._C.Node) -> int:
    """How often PyTorch's freezing writes down what is inside a node: more than once for loops of a known length."""
    if node.kind() != "prim::Loop":
        return 1
    count = constant(next(iter(node.inputs())))
    if not isinstance(count, int):
        return 1
    return max(count, 0) if count < _UNROLLED_WHOLE else _UNROLLED_STEPS + 1


def tensor_op(graph: torch._C.Graph, kind: str, inputs: Iterable[torch._C.Value]) -> torch._C.Node:
    """A node of an op that gives one tensor, which stands nowhere yet."""
    node = graph.create(kind, list(inputs), 1)
    node.output().setType(torch._C.TensorType.get())
    return node


def insert_constant(graph: torch._C.Graph, value: object) -> torch._C.Value:
    """Insert a constant at the graph's insertion point. A list without items is one of whole numbers."""
    if value == []:
        # PyTorch makes no constant of a list whose items' type it cannot see.
        node = graph.create("prim::ListConstruct", [], 1)
        node.output().setType(torch._C.ListType.ofInts())
        graph.insertNode(node)
        return node.output()
    return cast("_EditableGraph", graph).insertConstant(value)


def inserted(
    graph: torch._C.Graph, function: torch._C.Graph, given: Iterable[torch._C.Value], outputs: int
) -> list[torch._C.Value]:
    """What a function gives for these values, its nodes put at the insert point; several come as one tuple."""
    made = list(graph.insertGraph(function, list(given)))
    return list(made[0].node().inputs()) if len(made) == 1 and outputs > 1 else made


def clone_node(
    graph: torch._C.Graph, node: torch._C.Node, names: Callable[[torch._C.Value], torch._C.Value]
) -> torch._C.Node:
    """A node like another one, with all that lies in it, which reads other values and stands nowhere yet."""
    return cast("_EditableGraph", graph).createClone(node, names)


def carry_through_loop(loop: torch._C.Node, value: torch._C.Value) -> tuple[torch._C.Value, torch._C.Value]:
    """Let a loop carry one more value, which its turns hand on as they find it: its names inside and after the loop."""
    (body,) = loop.blocks()
    inner = cast("_EditableBlock", body).addInputToBlock()
    inner.setType(value.type())
    body.registerOutput(inner)
    cast("_EditableNode", loop).addInput(value)
    after = loop.addOutput()
    after.setType(value.type())
    return inner, after


def attribute_of_object(module: torch._C.ScriptModule, way: Iterable[tuple[str, torch._C.JitType]]) -> object:
    """What stands at the end of a way through attributes, of which objects of the model's own classes may have some.

    The way has the name and the type of each. A program of nothing but reads of these is run: none of the model's code.
    """
    graph = torch._C.Graph()
    found = graph.addInput("self")
    found.setType(module._type())
    for name, kind in way:
        read = graph.create("prim::GetAttr", [found], 1)
        read.s_("name", name)
        graph.insertNode(read)
        found = read.output()
        found.setType(kind)
    graph.registerOutput(found)
    run: Callable[[torch._C.ScriptModule], object] = torch._C._create_function_from_graph("read", graph)
    return run(module)


def attributes_read(value: torch._C.Value) -> tuple[list[str], torch._C.Value]:
    """The names of the attributes that a value is read through, the outermost first, and what they are read of."""
    names: list[str] = []
    while value.node().kind() == "prim::GetAttr":
        names.append(value.node().s("name"))
        value = value.node().input()
    return names[::-1], value


def has_attribute_at(module: torch._C.ScriptModule, path: str) -> bool:
    """Whether a module has the attribute at a dotted path below it, through modules alone."""
    held: object = module
    for name in path.split("."):
        if not isinstance(held, torch._C.ScriptModule) or not has_attribute(held, name):
            return False
        held = attribute(held, name)
    return True


def attribute_at(module: torch._C.ScriptModule, path: str) -> object:
    """The attribute at a dotted path below a module."""
    found: object = module
    for name in path.split("."):
        if not isinstance(found, torch._C.ScriptModule):
            raise ValueError(f"{path}: what holds {name} is not a module")
        found = attribute(found, name)
    return found


@dataclass(frozen=True, slots=True)
class LoadedScript:
    """A loaded module, and every function and method of its archive by qualified name."""

    module: torch.jit.ScriptModule
    functions: Mapping[str, torch._C.Graph]


def load(source: str | io.BytesIO, map_location: str | None = None) -> torch.jit.ScriptModule:
    """`torch.jit.load`."""
    return load_with_functions(source, map_location).module


def load_with_functions(source: str | io.BytesIO, map_location: str | None = None) -> LoadedScript:
    """What `torch.jit.load` loads, and the functions, which it drops."""
    unit = torch._C.CompilationUnit()
    device = None if map_location is None else torch.device(map_location)
    binding = cast("_Binding", torch._C)
    if isinstance(source, str):
        loaded = binding.import_ir_module(unit, source, device, {}, False)
    else:
        loaded = binding.import_ir_module_from_buffer(unit, source.read(), device, {}, False)
    module = cast("Callable[..., torch.jit.ScriptModule]", torch.jit._recursive.wrap_cpp_module)(loaded)
    made = cast("_CompilationUnit", unit).get_functions()
    return LoadedScript(module, {function.qualified_name: function.graph for function in made})


def trace(module: torch.nn.Module, inputs: Sequence[object]) -> torch.jit.ScriptModule:
    """`torch.jit.trace` of ``forward`` alone, without a second run that compares results.

    Results may be lists and dictionaries. Methods that are marked for `torch.jit.export` are no part of the trace:
    PyTorch would compile them beside it, and fail where it cannot.
    """
    call = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.trace)
    with patch.object(torch._jit_internal, "module_has_exports", lambda _: False):
        return call(module, tuple(inputs), check_trace=False, strict=False)


@contextmanager
def in_evaluation_mode(module: torch.nn.Module) -> Iterator[None]:
    """Put a module and all in it into evaluation mode, and afterwards back into the modes they were in."""
    # A frozen module has no mode any more.
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, was_training in modes:
            part.training = was_training


@contextmanager
def quiet() -> Iterator[None]:
    """Keep PyTorch's deprecation warnings to itself for as long as we call it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\.(?!jit\._trace)")
        yield


def use_up_quantization_warning() -> None:
    """Let PyTorch give its one warning about quantized tensors here, where `quiet` catches it.

    While it loads a file, the warning would go to the terminal past Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch._empty_affine_quantized((1,), scale=1.0, zero_point=0, dtype=torch.quint8)


@contextmanager
def quantized_as_on_phones() -> Iterator[None]:
    """Compute quantized ops with QNNPACK, as PyTorch Mobile does, where this PyTorch has it.

    The kernels for x86 saturate sums that QNNPACK, and NNAPI, compute exactly.
    """
    engines = torch.backends.quantized
    before = engines.engine
    if "qnnpack" in engines.supported_engines:
        engines.engine = "qnnpack"
    try:
        yield
    finally:
        engines.engine = before


@contextmanager
def computed_op_by_op() -> Iterator[None]:
    """Run TorchScript without the fuser that compiles several ops to one kernel, for the whole process meanwhile.

    It needs LLVM, which PyTorch has on desktops and not on phones, and where a tensor is written in place inside a
    branch it hands on values that were never made ("Expected Tensor but got None"). A package puts the model into a
    branch, so it would fail here where it does not on a phone. What was compiled before is kept by its module.
    """
    before = torch._C._jit_texpr_fuser_enabled()
    torch._C._jit_set_texpr_fuser_enabled(False)
    try:
        yield
    finally:
        torch._C._jit_set_texpr_fuser_enabled(before)
