"""Sizes that an exported program computes of its inputs' sizes, kept as such when it is traced.

PyTorch's tracer follows a size only through its own Python functions. A program calls ops, to which sizes are plain
numbers, so that a trace would hold those of the example. Here such calls are noted as calls of TorchScript functions,
which take their sizes as tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

import torch

from nnapi_check.analyzer.torchscript import graphs_of, insert_constant, nodes_of_kind

_SIZE_OPS = {"aten::sym_size": "size", "aten::sym_numel": "numel"}
_FOLLOWED = frozenset({operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.neg})
"""Functions of Python that a trace follows where they are called with sizes as it has them."""
_CHECKS = frozenset(
    f"aten::{name}" for name in ("_assert_scalar", "sym_constrain_range", "sym_constrain_range_for_size")
)
_COMPARISONS = frozenset({operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, operator.and_})
_PREFIX = "nnapi_check_sized_"


def keep_sizes(module: torch.fx.GraphModule) -> str | None:
    """Let a trace of the program keep what is computed of sizes. Gives what no trace can follow, if there is any.

    Then nothing is changed, and a trace holds for the sizes alone that it is made with.
    """
    programs = [part for part in module.modules() if isinstance(part, torch.fx.GraphModule)]
    found = [_sized_nodes(program.graph) for program in programs]
    lost = next((name for sized in found for name in _lost(sized)), None)
    if lost is not None:
        return lost
    for program, sized in zip(programs, found, strict=True):
        if sized:
            _write(program, sized)
    return None


def _op(node: torch.fx.Node) -> str:
    return node.target._schema.name if isinstance(node.target, torch._ops.OpOverload) else ""


def _sized_nodes(graph: torch.fx.Graph) -> dict[torch.fx.Node, None]:
    """The nodes whose result is a size, or computed of sizes alone, in order."""
    sized: dict[torch.fx.Node, None] = {}
    for node in graph.nodes:
        is_given = node.op == "placeholder" and isinstance(node.meta.get("val"), torch.SymInt)
        is_function = node.op == "call_function" and not isinstance(node.target, torch._ops.OpOverload)
        if _op(node) in _SIZE_OPS or is_given or (is_function and any(x in sized for x in node.all_input_nodes)):
            sized[node] = None
    return sized


def _lost(sized: Iterable[torch.fx.Node]) -> Iterator[str]:
    """Where sizes get lost: functions that a trace cannot follow, and results of the program that are sizes."""
    numbers = dict.fromkeys(sized)
    for node in numbers:
        if node.op == "placeholder":
            yield f"the size '{node.target}' that it takes as an input"
        elif not _op(node) and node.target not in _FOLLOWED | _COMPARISONS and node.target not in _written():
            yield f"{getattr(node.target, '__name__', node.target)} of a size"
        for user in node.users:
            if user.op == "output":
                yield "a size that it gives as an output"
            elif node.target in _COMPARISONS and _op(user) not in _CHECKS and user.target not in _COMPARISONS:
                yield f"{getattr(node.target, '__name__', node.target)} of a size"
            elif user.op == "call_function" and isinstance(user.target, torch._ops.HigherOrderOperator):
                yield f"{user.target} of a size"


def _written() -> Mapping[object, Callable[[object, object], object]]:
    return {torch.sym_max: _maximum, torch.sym_min: _minimum}


def _maximum(a: object, b: object) -> object:
    return torch.maximum(*_tensors(a, b)) if _is_any_tensor(a, b) else max(cast(int, a), cast(int, b))


def _minimum(a: object, b: object) -> object:
    return torch.minimum(*_tensors(a, b)) if _is_any_tensor(a, b) else min(cast(int, a), cast(int, b))


def _is_any_tensor(*given: object) -> bool:
    return any(isinstance(item, torch.Tensor) for item in given)


def _tensors(*given: object) -> list[torch.Tensor]:
    return [item if isinstance(item, torch.Tensor) else torch.tensor(item) for item in given]


def _write(program: torch.fx.GraphModule, sized: Mapping[torch.fx.Node, None]) -> None:
    for node in list(program.graph.nodes):
        reads = any(given in sized for given in node.all_input_nodes)
        if _op(node) in _SIZE_OPS:
            node.args, node.kwargs = (*node.args, *node.kwargs.values()), {}
            node.target, node.op = _SIZE_OPS[_op(node)], "call_method"
        elif node.target in _written():
            node.target = _written()[node.target]
        elif reads and _op(node) in _CHECKS:
            program.graph.erase_node(node)
        elif reads and isinstance(node.target, torch._ops.OpOverload):
            node.target = SizedCall(node.target, node.name)
    for node in reversed(list(program.graph.nodes)):
        if node.target in _COMPARISONS and not node.users:
            program.graph.erase_node(node)
    program.recompile()


class SizedCall:
    """A call of an op with sizes among its arguments, which a trace has as tensors."""

    def __init__(self, op: torch._ops.OpOverload, name: str) -> None:
        self.__name__ = f"{_PREFIX}{name}"
        self.__module__ = __name__
        self._op = op
        self.graphs: dict[str, torch._C.Graph] = {}

    def __call__(self, *args: object, **kwargs: object) -> object:
        """What the op gives; a trace notes a call of a function."""
        if torch._C._get_tracing_state() is None:
            return self._op(*args, **kwargs)
        schema = self._op._schema
        given = dict(zip((argument.name for argument in schema.arguments), args, strict=False)) | kwargs
        body = _Body()
        values = [
            body.value(given.get(argument.name, argument.default_value), argument.type) for argument in schema.arguments
        ]
        body.finish(schema, values)
        name = f"{self.__name__}_{len(self.graphs)}"
        self.graphs[name] = body.graph
        # A trace notes the lines that an op is called by, and none of the call of a function.
        return torch._C._create_function_from_graph(name, body.graph)(torch.zeros(()), *body.tensors)


class _Body:
    """The graph of a function that calls one op, and the tensors that it is to be called with.

    Its first input is nothing that it reads, but tells where it is called.
    """

    def __init__(self) -> None:
        self.graph = torch._C.Graph()
        self.graph.addInput().setType(torch._C.TensorType.get())
        self.tensors: list[torch.Tensor] = []

    def value(self, item: object, kind: torch._C.JitType) -> torch._C.Value:
        """An argument of the op, of the type that its schema names. Tensors for numbers are sizes."""
        inner = kind.getElementType() if isinstance(kind, torch.OptionalType) else kind
        if isinstance(inner, torch.ListType) and isinstance(item, (list, tuple)):
            return self._list(item, inner)
        if isinstance(item, torch.Tensor):
            return self._tensor(item, inner)
        if isinstance(inner, torch.TensorType) and isinstance(item, (bool, int, float)):
            return insert_constant(self.graph, torch.tensor(item))
        return insert_constant(self.graph, item)

    def _list(self, items: Sequence[object], kind: torch.ListType) -> torch._C.Value:
        made = self.graph.create("prim::ListConstruct", [self.value(item, kind.getElementType()) for item in items], 1)
        made.output().setType(kind)
        self.graph.insertNode(made)
        return made.output()

    def _tensor(self, item: torch.Tensor, kind: torch._C.JitType) -> torch._C.Value:
        given = self.graph.addInput()
        given.setType(torch._C.TensorType.get())
        self.tensors.append(item)
        if isinstance(kind, torch.TensorType):
            return given
        is_real = isinstance(kind, torch.FloatType)
        number = self.graph.create("aten::Float" if is_real else "aten::Int", [given], 1)
        number.output().setType(torch._C.FloatType.get() if is_real else torch._C.IntType.get())
        self.graph.insertNode(number)
        return number.output()

    def finish(self, schema: torch._C.FunctionSchema, values: Sequence[torch._C.Value]) -> None:
        """Call the op, and give what it gives."""
        call = self.graph.create(schema.name, list(values), len(schema.returns))
        self.graph.insertNode(call)
        outputs = list(call.outputs())
        for output, told in zip(outputs, schema.returns, strict=True):
            output.setType(told.type)
        if len(outputs) > 1:
            together = self.graph.create("prim::TupleConstruct", outputs, 1)
            together.output().setType(torch._C.TupleType([output.type() for output in outputs]))
            self.graph.insertNode(together)
            outputs = [together.output()]
        for output in outputs:
            self.graph.registerOutput(output)
        torch._C._jit_pass_lint(self.graph)


def write_sized_calls(model: torch.nn.Module, traced: torch._C.ScriptModule) -> None:
    """Put the ops in the place of the functions that a trace of ``model`` calls for them."""
    graphs = {
        name: graph
        for part in model.modules()
        if isinstance(part, torch.fx.GraphModule)
        for node in part.graph.nodes
        if isinstance(node.target, SizedCall)
        for name, graph in node.target.graphs.items()
    }
    if not graphs:
        return
    for graph in graphs_of(traced):
        for call in nodes_of_kind(graph, "prim::CallFunction"):
            function, *given = call.inputs()
            body = graphs.get(function.node().s("name"))
            if body is not None:
                _inline(graph, call, body, given)


def _inline(graph: torch._C.Graph, call: torch._C.Node, body: torch._C.Graph, given: Sequence[torch._C.Value]) -> None:
    graph.setInsertPoint(call)
    made = list(graph.insertGraph(body, list(given)))
    place = given[0].node()
    known, stack = {value.unique() for value in given}, list(made)
    while stack:
        value = stack.pop()
        if value.unique() not in known:
            known.add(value.unique())
            value.node().copyMetadata(place)
            stack += value.node().inputs()
    for output, result in zip(call.outputs(), made, strict=True):
        output.replaceAllUsesWith(result)
    call.destroy()
    place.destroy()
    graph.setInsertPoint(graph.return_node())
