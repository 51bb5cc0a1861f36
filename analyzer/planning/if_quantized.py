"""What a graph of floats would be once it is quantized: ops in the form that their cards say, the rest in floats.

Scales are only known after calibration. Each tensor gets a usual one here, so what hangs on scales is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nnapi_check.analyzer.graph import (
    Argument,
    Block,
    ElementType,
    Graph,
    Node,
    NodeOutput,
    PerTensor,
    Reader,
    Ref,
    RefList,
    SourcePosition,
    TensorType,
    Value,
    read_values,
    readers_of,
    referred,
)
from nnapi_check.analyzer.judging.judge import Knowledge
from nnapi_check.analyzer.quantized_forms import WEIGHT, obstacle, quantized_call, quantized_form, quantized_inputs
from nnapi_check.coverage_db.cards import QuantizedForm

USUAL = PerTensor(0.05, 120)
"""What an activation is taken to be quantized by, and one that is 0 or more."""

POSITIVE = PerTensor(0.05, 0)
WEIGHTS = PerTensor(0.01, 0)

_QUANTIZE, _DEQUANTIZE = "aten.quantize_per_tensor.default", "aten.dequantize.self"
_QUINT8 = 13
"""What PyTorch numbers the element type by."""


@dataclass(frozen=True, slots=True)
class StaysInFloats:
    """A node that would not be quantized, and why."""

    node: Node
    because: str


@dataclass(frozen=True, slots=True)
class IfQuantized:
    """A graph as it would be quantized, and the nodes of the graph of floats that would stay as they are."""

    graph: Graph
    stays: tuple[StaysInFloats, ...]


def as_quantized(graph: Graph, knowledge: Knowledge) -> IfQuantized:
    """The graph with every node quantized that cards say a quantized form of. Branches and loops stay as they are."""
    return _Quantizing(graph, knowledge).result()


@dataclass(slots=True)
class _Quantized:
    """A run of nodes that become one on quantized tensors."""

    form: QuantizedForm
    op: str
    nodes: list[Node]
    is_positive: bool = False
    bias: Argument | None = None

    @property
    def outputs(self) -> tuple[int, ...]:
        """The values that the run makes."""
        return self.nodes[-1].outputs


class _Quantizing:
    """Decides which nodes of a graph are quantized, then writes the graph with conversions between the two kinds."""

    def __init__(self, graph: Graph, knowledge: Knowledge) -> None:
        self._graph, self._knowledge = graph, knowledge
        self._nodes: Mapping[Reader, Node] = {node.id: node for node in graph.body.nodes}
        self._readers = readers_of(graph)
        self._values = list(graph.values)
        self._twins: dict[int, int] = {}
        self._next = max((node.id for node in graph.nodes()), default=-1) + 1
        self._stays: list[StaysInFloats] = []
        self._runs: dict[int, _Quantized] = {}
        self._covered: set[int] = set()

    def result(self) -> IfQuantized:
        """The graph, and what stays in floats."""
        for node in self._graph.body.nodes:
            if node.id not in self._covered and not node.is_constant:
                self._decide(node)
        body = replace(self._graph.body, nodes=tuple(self._written()))
        return IfQuantized(_numbered(replace(self._graph, values=tuple(self._values), body=body)), tuple(self._stays))

    def _decide(self, node: Node) -> None:
        if node.blocks:
            for inner in (inner for block in node.blocks for inner in block.inner_nodes()):
                self._stay(inner, "it stands in a branch or loop")
            return
        form = quantized_form(node.op, self._knowledge)
        reason = "no card says what it becomes on quantized tensors" if form is None else self._obstacle(node, form)
        if form is None or reason:
            self._stay(node, reason)
            return
        run = _Quantized(form, form.call.op, [node])
        self._extend(run)
        self._runs[run.nodes[-1].id] = run
        self._covered.update(member.id for member in run.nodes)
        quant = self._quant_of(run)
        for value in run.outputs:
            self._twins[value] = self._twin(value, quant)

    def _stay(self, node: Node, because: str) -> None:
        floats = [value for value in (*node.inputs(), *node.outputs) if _is_float(self._graph, value)]
        if floats and not node.is_constant and not node.blocks:
            self._stays.append(StaysInFloats(node, because))

    def _obstacle(self, node: Node, form: QuantizedForm) -> str:
        """What keeps a node from being quantized; empty where nothing does."""
        found = obstacle(node, form, self._graph, self._knowledge)
        if found:
            return found
        inputs = tuple(quantized_inputs(node, form))
        if not all(_is_float(self._graph, value) for value in (*inputs, *node.outputs)) or not inputs:
            return "it reads or gives tensors that are not float32 of known shape"
        if not form.parameters and not all(self._is_quantized(value) for value in inputs):
            return "what it reads stays in floats"
        return ""

    def _is_quantized(self, value: int) -> bool:
        """Whether a value is made quantized: what goes into the model is quantized as it comes."""
        return value in self._twins or value in self._graph.body.inputs

    def _extend(self, run: _Quantized) -> None:
        """Take in what folds into a layer, and what follows it, where that alone reads its result."""
        node = self._only_reader(run)
        if node is not None and node.op in run.form.folds and self._folds(node):
            run.bias = node.arguments.get("bias")
            run.nodes.append(node)
            node = self._only_reader(run)
        whole = dict(run.form.followed_by).get(node.op) if node is not None else None
        if node is not None and whole is not None:
            run.op, run.is_positive = whole, True
            run.nodes.append(node)

    def _folds(self, node: Node) -> bool:
        form = quantized_form(node.op, self._knowledge)
        return (
            form is not None
            and all(node.arguments.get(name) == wanted for name, wanted in form.only)
            and all(
                self._graph.values[value].is_constant
                for name in form.floats
                for value in referred(node.arguments[name])
            )
        )

    def _only_reader(self, run: _Quantized) -> Node | None:
        if len(run.outputs) != 1:
            return None
        readers = self._readers[run.outputs[0]]
        return self._nodes.get(readers[0]) if len(readers) == 1 else None

    def _quant_of(self, run: _Quantized) -> PerTensor:
        """The scale and the zero point of a run's result."""
        if run.form.gives is not None:
            return PerTensor(*run.form.gives)
        if run.form.parameters:
            return POSITIVE if run.is_positive else USUAL
        twin = self._twins.get(run.nodes[0].inputs()[0])
        kind = None if twin is None else self._values[twin].type
        return kind.quant if isinstance(kind, TensorType) and isinstance(kind.quant, PerTensor) else USUAL

    def _twin(self, value: int, quant: PerTensor, dtype: ElementType = ElementType.QUINT8) -> int:
        """A new value that is a value quantized."""
        old = self._graph.values[value]
        kind = old.type
        if not isinstance(kind, TensorType):
            raise TypeError(f"value {value} is no tensor of known shape, but {kind}")
        self._values.append(Value(len(self._values), TensorType(dtype, kind.shape, quant), old.origin, old.is_constant))
        return len(self._values) - 1

    def _written(self) -> Iterator[Node]:
        """The nodes of the new graph, with a conversion where a value is read as the other kind than it is made as."""
        as_floats = set(self._graph.body.outputs)
        wanted: set[int] = set()
        for node in self._graph.body.nodes:
            if node.id in self._runs:
                run = self._runs[node.id]
                wanted.update(quantized_inputs(run.nodes[0], run.form))
            elif node.id not in self._covered:
                as_floats.update(read_values(node))
        for value in self._graph.body.inputs:
            yield from self._quantized_where_made(value, wanted)
        for node in self._graph.body.nodes:
            made = self._runs.get(node.id)
            if made is not None:
                yield self._call(made)
                yield from (self._dequantized(value, node) for value in made.outputs if value in as_floats)
            elif node.id not in self._covered:
                yield node
                for value in node.outputs:
                    yield from self._quantized_where_made(value, wanted)

    def _quantized_where_made(self, value: int, wanted: set[int]) -> Iterator[Node]:
        """A quantize of a value that is made in floats, where it is read quantized."""
        if value in wanted and value not in self._twins and not self._graph.values[value].is_constant:
            self._twins[value] = self._twin(value, USUAL)
            arguments: dict[str, Argument] = {
                "self": Ref(value),
                "scale": USUAL.scale,
                "zero_point": USUAL.zero_point,
                "dtype": _QUINT8,
            }
            yield self._node(_QUANTIZE, arguments, (self._twins[value],), SourcePosition())

    def _dequantized(self, value: int, node: Node) -> Node:
        return self._node(_DEQUANTIZE, {"self": Ref(self._twins[value])}, (value,), node.source)

    def _call(self, run: _Quantized) -> Node:
        first = run.nodes[0]
        read = {
            name: argument if name in run.form.floats else self._twinned(name, argument)
            for name, argument in first.arguments.items()
        }
        if run.bias is not None and "bias" in read:
            read["bias"] = run.bias
        quant = self._quant_of(run)
        arguments = quantized_call(run.form, read, quant.scale, quant.zero_point)
        return self._node(run.op, arguments, tuple(self._twins[value] for value in run.outputs), first.source)

    def _twinned(self, name: str, argument: Argument) -> Argument:
        match argument:
            case Ref(value):
                return Ref(self._quantized(name, value))
            case RefList(values):
                return RefList(tuple(None if value is None else self._quantized(name, value) for value in values))
            case _:
                return argument

    def _quantized(self, name: str, value: int) -> int:
        if value not in self._twins:
            is_weight = name == WEIGHT
            quant, dtype = (WEIGHTS, ElementType.QINT8) if is_weight else (USUAL, ElementType.QUINT8)
            self._twins[value] = self._twin(value, quant, dtype)
        return self._twins[value]

    def _node(
        self, op: str, arguments: Mapping[str, Argument], outputs: tuple[int, ...], source: SourcePosition
    ) -> Node:
        id_ = self._next
        self._next += 1
        for place, value in enumerate(outputs):
            self._values[value] = replace(self._values[value], origin=NodeOutput(id_, place))
        return Node(id_, op, arguments, outputs, source)


def _is_float(graph: Graph, value: int) -> bool:
    kind = graph.type_of(value)
    return isinstance(kind, TensorType) and kind.dtype is ElementType.FLOAT32


def _numbered(graph: Graph) -> Graph:
    """The graph whose nodes have the numbers of their order."""
    numbers = {node.id: number for number, node in enumerate(graph.nodes())}
    values = (
        replace(value, origin=NodeOutput(numbers[value.origin.node], value.origin.index))
        if isinstance(value.origin, NodeOutput) and value.origin.node in numbers
        else value
        for value in graph.values
    )
    return replace(graph, values=tuple(values), body=_renumbered(graph.body, numbers))


def _renumbered(block: Block, numbers: Mapping[int, int]) -> Block:
    nodes = (
        replace(
            node,
            id=numbers[node.id],
            blocks=tuple(_renumbered(inner, numbers) for inner in node.blocks),
            covers=(),
            follows=tuple(numbers[other] for other in node.follows if other in numbers),
        )
        for node in block.nodes
    )
    return replace(block, nodes=tuple(nodes))
