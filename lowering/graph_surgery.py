"""Rewriting TorchScript graphs: runs of nodes become calls of a submodule, large constants become attributes.

Nodes of a graph are named by the number of their first output, and values by their own (``unique()``), which
hold as long as the graph is not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from lowering.script_modules import add_attribute

INLINE_LIMIT = 256
"""Tensor constants of more bytes than this become attributes, so that two methods share them."""

_EFFECTS = frozenset(
    {
        "prim::Print",
        "prim::RaiseException",
        "prim::SetAttr",
        "prim::CallFunction",
        "prim::CallMethod",
        "prim::Enter",
        "prim::Exit",
        "prim::fork",
        "prim::awaitable",
        "aten::wait",
    }
)


class PackageError(Exception):
    """The parts cannot be put in the module's place: a fault of this project, never of the user's model."""


def walk(block: torch._C.Block | torch._C.Graph) -> Iterator[torch._C.Node]:
    """Every node of a graph or block, those inside control flow after the node that holds them."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from walk(inner)


@dataclass(frozen=True, slots=True)
class GraphCopy:
    """A copy of a graph inside a method, and where every value and node of the original is in it."""

    graph: torch._C.Graph
    values: Mapping[int, torch._C.Value]
    nodes: Mapping[int, torch._C.Node]

    @property
    def self_value(self) -> torch._C.Value:
        """The module that the method belongs to."""
        return next(iter(self.graph.inputs()))


def fill_method(module: torch._C.ScriptModule, method: str, graph: torch._C.Graph) -> GraphCopy:
    """Replace the body of a method that has the inputs of ``graph`` by a copy of it."""
    target = module._get_method(method).graph
    old = list(target.nodes())
    old_outputs = len(list(target.outputs()))
    target.setInsertPoint(target.return_node())
    outputs = target.insertGraph(graph, list(target.inputs()))
    for _ in range(old_outputs):
        target.eraseOutput(0)
    for output in outputs:
        target.registerOutput(output)
    for node in reversed(old):
        node.destroy()
    values = {old.unique(): new for old, new in zip(graph.inputs(), target.inputs(), strict=True)}
    nodes: dict[int, torch._C.Node] = {}
    for original, copied in zip(walk(graph), walk(target), strict=True):
        if original.kind() != copied.kind():
            raise PackageError(f"copying {original.kind()} gave {copied.kind()}")
        for output, copied_output in zip(original.outputs(), copied.outputs(), strict=True):
            values[output.unique()] = copied_output
            nodes.setdefault(next(iter(original.outputs())).unique(), copied)
        for block, copied_block in zip(original.blocks(), copied.blocks(), strict=True):
            for value, copied_value in zip(block.inputs(), copied_block.inputs(), strict=True):
                values[value.unique()] = copied_value
    return GraphCopy(target, values, nodes)


def replace_run(
    copy: GraphCopy,
    submodule: str,
    kind: torch._C.JitType,
    nodes: Sequence[torch._C.Node],
    inputs: Sequence[torch._C.Value],
    outputs: Sequence[torch._C.Value],
) -> None:
    """Put a call of ``submodule`` in the place of nodes of one block, given as nodes and values of the original graph.

    The submodule's ``forward`` takes the inputs and returns the outputs: one tensor, or a tuple of several.
    Nodes between the run's first and last that read its outputs are moved behind the call.
    """
    run = [copy.nodes[next(iter(node.outputs())).unique()] for node in nodes]
    members = {_key(node) for node in run}
    call_inputs = [copy.values[value.unique()] for value in inputs]
    old_outputs = [copy.values[value.unique()] for value in outputs]
    for value in call_inputs:
        if not isinstance(value.type(), torch.TensorType):
            raise PackageError(f"{submodule}: input %{value.debugName()} is {value.type()}, wanted a tensor")
    block = run[0].owningBlock()
    order = list(block.nodes())
    places = [place for place, node in enumerate(order) if node.outputsSize() and _key(node) in members]
    if len(places) != len(members):
        raise PackageError(f"{submodule}: {len(members)} nodes, of which {len(places)} lie in one block")
    last = _make_contiguous(submodule, order[places[0] : places[-1] + 1], members)
    _insert_call(copy, submodule, kind, last, call_inputs, old_outputs)
    _remove(submodule, [order[place] for place in places])


def _key(node: torch._C.Node) -> int:
    """The number of the first output of a node that has outputs."""
    return next(iter(node.outputs())).unique()


def _make_contiguous(submodule: str, span: list[torch._C.Node], members: set[int]) -> torch._C.Node:
    """Move nodes that read the run's results behind the run's last node, which is given back."""
    made: set[int] = set()
    late_values: set[int] = set()
    late: list[torch._C.Node] = []
    has_late_effect = False
    for node in span:
        reads = _reads(node)
        if node.outputsSize() > 0 and _key(node) in members:
            if not reads.isdisjoint(late_values):
                raise PackageError(f"{submodule}: {node.kind()} reads what is computed from the part's own outputs")
            made.update(output.unique() for output in node.outputs())
        elif not (reads.isdisjoint(made) and reads.isdisjoint(late_values)):
            late.append(node)
            late_values.update(output.unique() for output in node.outputs())
            has_late_effect = has_late_effect or has_effect(node)
        elif has_late_effect and has_effect(node):
            raise PackageError(f"{submodule}: {node.kind()} cannot run before a node with effects that stood before it")
    anchor = span[-1]
    for node in late:
        node.moveAfter(anchor)
        anchor = node
    return span[-1]


def _reads(node: torch._C.Node) -> set[int]:
    """The numbers of all values that a node or what it holds reads."""
    found = {value.unique() for value in node.inputs()}
    for block in node.blocks():
        found.update(value.unique() for value in block.outputs())
        for inner in block.nodes():
            found |= _reads(inner)
    return found


def has_effect(node: torch._C.Node) -> bool:
    """Whether running a node earlier or later can be told from something else than its outputs."""
    if any(has_effect(inner) for block in node.blocks() for inner in block.nodes()):
        return True
    if node.kind() in _EFFECTS:
        return not _is_part_call(node)
    schema = node.schema()
    return schema not in ("", "(no schema)") and torch._C.parse_schema(schema).is_mutable


def _is_part_call(node: torch._C.Node) -> bool:
    receiver = next(iter(node.inputs())).node()
    return receiver.kind() == "prim::GetAttr" and receiver.s("name").startswith("nnapi_part_")


def _insert_call(
    copy: GraphCopy,
    submodule: str,
    kind: torch._C.JitType,
    before: torch._C.Node,
    inputs: Sequence[torch._C.Value],
    outputs: Sequence[torch._C.Value],
) -> None:
    graph = copy.graph
    receiver = graph.create("prim::GetAttr", [copy.self_value], 1)
    receiver.s_("name", submodule)
    receiver.output().setType(kind)
    call = graph.create("prim::CallMethod", [receiver.output(), *inputs], 1)
    call.s_("name", "forward")
    receiver.insertAfter(before)
    call.insertAfter(receiver)
    results = [call.output()]
    if len(outputs) == 1:
        call.output().setType(torch._C.TensorType.get())
    else:
        call.output().setType(torch._C.TupleType([torch._C.TensorType.get()] * len(outputs)))
        unpack = graph.create("prim::TupleUnpack", [call.output()], len(outputs))
        unpack.insertAfter(call)
        results = list(unpack.outputs())
    for old, new in zip(outputs, results, strict=True):
        new.setType(torch._C.TensorType.get())
        old.replaceAllUsesWith(new)


def _remove(submodule: str, run: Sequence[torch._C.Node]) -> None:
    for node in reversed(run):
        for output in node.outputs():
            if output.uses():
                readers = ", ".join(sorted({use.user.kind() for use in output.uses()}))
                raise PackageError(
                    f"{submodule}: %{output.debugName()} is no output of the part, but {readers} reads it"
                )
        node.destroy()


class ConstantStore:
    """Turns tensor constants of a module's graphs into attributes of it, each tensor once."""

    def __init__(self, module: torch._C.ScriptModule) -> None:
        self._module = module
        self._names: dict[tuple[object, ...], str] = {}

    def attribute_of(self, tensor: torch.Tensor) -> str:
        """The attribute that holds a tensor, added where there is none yet."""
        identity = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.numel(), _strides(tensor))
        if tensor.numel() == 0 or identity not in self._names:
            name = f"nnapi_constant_{len(self._names)}"
            add_attribute(self._module, name, torch._C.TensorType.get(), tensor.detach())
            self._names[identity] = name
        return self._names[identity]

    def lift(self, graph: torch._C.Graph) -> None:
        """Replace the large tensor constants of a method's graph by reads of attributes."""
        self_value = next(iter(graph.inputs()))
        for node in list(walk(graph)):
            tensor = constant_tensor(node)
            if tensor is None or tensor.numel() * tensor.element_size() <= INLINE_LIMIT:
                continue
            read = graph.create("prim::GetAttr", [self_value], 1)
            read.s_("name", self.attribute_of(tensor))
            read.output().setType(torch._C.TensorType.get())
            read.insertBefore(node)
            node.output().replaceAllUsesWith(read.output())
            node.destroy()


def constant_tensor(node: torch._C.Node) -> torch.Tensor | None:
    """The tensor that a node holds as a constant, or None where it holds none."""
    if node.kind() != "prim::Constant" or not node.hasAttribute("value") or node.kindOf("value") not in ("t", "ival"):
        return None
    held = node.output().toIValue()
    return held if isinstance(held, torch.Tensor) else None


def _strides(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(tensor.stride()) if tensor.layout is torch.strided else ()
