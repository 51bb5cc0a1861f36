"""Graphs and cards made by hand: what the judgement, the layout and the partition are tested on, apart from capture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from hypothesis import strategies as st

from nnapi_check.analyzer.graph import (
    NOT_QUANTIZED,
    Argument,
    Block,
    BlockInput,
    ElementType,
    Graph,
    GraphInput,
    Node,
    NodeOutput,
    Parameter,
    Quantization,
    Ref,
    SourcePosition,
    TensorType,
    Value,
    ValueType,
)
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Card, Emission, Layout, Way
from nnapi_check.coverage_db.checks import Compare, Relation
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.targets import Target, load_targets

IMAGE = (1, 6, 20, 28)


def tensor(
    shape: Sequence[int] = IMAGE, dtype: ElementType = ElementType.FLOAT32, quant: Quantization = NOT_QUANTIZED
) -> TensorType:
    """A tensor's type, a small image's unless said otherwise."""
    return TensorType(dtype, tuple(shape), quant)


@dataclass
class Sketch:
    """Builds a graph, node by node."""

    name: str = "sketch"
    values: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    _nodes_made: int = 0

    def input(self, kind: ValueType | None = None) -> int:
        """A new input of the graph."""
        self.inputs.append(self._value(kind or tensor(), GraphInput(len(self.inputs), f"x{len(self.inputs)}")))
        return self.inputs[-1]

    def parameter(self, kind: TensorType) -> int:
        """A new constant."""
        self.values.append(Value(len(self.values), kind, Parameter(f"p{len(self.values)}"), is_constant=True))
        return len(self.values) - 1

    def node(
        self, op: str, *read: int, kind: ValueType | None = None, blocks: tuple[Block, ...] = (), **others: Argument
    ) -> int:
        """A new node, and its one output. What it reads are its arguments ``self``, ``other``, ``third`` and so on."""
        node, output = self.made(op, *read, kind=kind, blocks=blocks, **others)
        self.nodes.append(node)
        return output

    def made(
        self, op: str, *read: int, kind: ValueType | None = None, blocks: tuple[Block, ...] = (), **others: Argument
    ) -> tuple[Node, int]:
        """A node that is not placed yet, and its output."""
        id_ = self._nodes_made
        self._nodes_made += 1
        output = self._value(kind or tensor(), NodeOutput(id_, 0))
        names = ("self", "other", "third", "fourth", "fifth")
        arguments: Mapping[str, Argument] = {
            **{name: Ref(value) for name, value in zip(names, read, strict=False)},
            **others,
        }
        return Node(id_, op, arguments, (output,), SourcePosition("made.py", id_ + 1, f"m{id_}"), blocks), output

    def block_input(self, kind: ValueType | None = None) -> int:
        """A new input of a block of control flow."""
        return self._value(kind or tensor(), BlockInput(0))

    def graph(self, *outputs: int) -> Graph:
        """The graph so far, with these outputs."""
        return Graph(self.name, tuple(self.values), Block(tuple(self.inputs), tuple(self.nodes), outputs))

    def _value(self, kind: ValueType, origin: GraphInput | NodeOutput | BlockInput) -> int:
        self.values.append(Value(len(self.values), kind, origin))
        return len(self.values) - 1


NO_DILATION = Requirement(
    id="no-dilation",
    check=Compare(Relation.EQUALS, "dilation", 1),
    because="MAX_POOL_2D has no dilation.",
    fix="Pass dilation=1.",
)


def way(
    name: str, layout: Layout, *emits: str, requires: tuple[Requirement, ...] = (), bound: Bound | None = None
) -> Way:
    """A way that emits these operations."""
    return Way(name, tuple(Emission(operation) for operation in emits), layout, (), requires, (), bound)


def card(op: str, *ways: Way) -> Card:
    """A card with these ways."""
    return Card(op, "made", "Made by hand.", ways)


CARDS = (
    card("t.relu", way("operation", Layout.ANY, "RELU")),
    card("t.add", way("operation", Layout.ANY, "ADD")),
    card("t.tanh", way("operation", Layout.TORCH, "TANH")),
    card("t.conv", way("operation", Layout.NHWC, "CONV_2D")),
    card(
        "t.pool",
        way("operation", Layout.NHWC, "MAX_POOL_2D", requires=(NO_DILATION,)),
        way("late", Layout.NHWC, "MAX_POOL_2D", "HARD_SWISH", requires=(NO_DILATION,)),
    ),
    card("t.swish", way("operation", Layout.ANY, "HARD_SWISH"), way("composed", Layout.ANY, "ADD", "RELU6", "MUL")),
    card("t.elu", way("operation", Layout.ANY, "ELU")),
    card("t.near", way("operation", Layout.ANY, "LOGISTIC", bound=Bound(absolute=0.1))),
    card("t.argmax", way("operation", Layout.TORCH, "ARGMAX")),
    card("t.cast", way("operation", Layout.ANY, "CAST")),
    card("t.nothing", way("nothing", Layout.ANY)),
    card("t.greater", way("operation", Layout.ANY, "GREATER")),
    card("t.not", way("operation", Layout.ANY, "LOGICAL_NOT")),
    card("t.choose", way("operation", Layout.ANY, "SELECT")),
    Card("t.gap", "made", "Made by hand.", gap="No operation computes it.", fix="Do without."),
    Card("t.unwritten", "made", "Made by hand.", unwritten=("LSTM",)),
)
SUPPORTED = ("t.relu", "t.add", "t.tanh", "t.conv", "t.swish", "t.elu", "t.near", "t.nothing")
MASKED = ("t.greater", "t.not", "t.choose")
"""Ops that make or read truth values, which PyTorch Mobile's loader carries into no model and out of none."""
REFUSED = ("t.gap", "t.unwritten", "t.nobody")


class HandMadeKnowledge:
    """Cards made by hand, with NNAPI's own facts."""

    def __init__(self, cards: Sequence[Card] = CARDS) -> None:
        self._cards = {found.op: found for found in cards}

    def has_card(self, op: str) -> bool:
        """Whether a card was made for an op."""
        return op in self._cards

    def card(self, op: str) -> Card:
        """The card of an op."""
        return self._cards[op]

    def operation(self, name: str) -> OperationFacts:
        """The facts of an operation."""
        return operations()[name]


@cache
def operations() -> Mapping[str, OperationFacts]:
    """NNAPI's own facts."""
    return load_operations()


@cache
def mobile() -> Target:
    """PyTorch Mobile's loader as if it reached every level, so that plans for the lowest are made too."""
    return replace(load_targets()[0], lowest_level=1)


def surveyed(graph: Graph) -> Survey:
    """A graph judged by the cards made by hand."""
    return survey(graph, HandMadeKnowledge(), mobile())


@st.composite
def graphs(draw: st.DrawFn, most_nodes: int = 14) -> Graph:
    """Random graphs of supported, refused and unknown ops, of images and of rows, with every value that is not read
    among the outputs."""
    sketch = Sketch()
    shape = draw(st.sampled_from([IMAGE, (1, 6, 40, 56), (3, 700), (1, 1, 9, 11)]))
    values = [sketch.input(tensor(shape)) for _ in range(draw(st.integers(1, 2)))]
    flags: list[int] = []
    read: set[int] = set()
    for _ in range(draw(st.integers(1, most_nodes))):
        op = draw(st.sampled_from((*SUPPORTED, "t.pool", *REFUSED, *MASKED)))
        if op in MASKED and not flags:
            op = "t.greater"
        sources = [draw(st.sampled_from(values)) for _ in range(2 if op in ("t.add", "t.greater", "t.choose") else 1)]
        if op == "t.not":
            sources = [draw(st.sampled_from(flags))]
        elif op == "t.choose":
            sources.append(draw(st.sampled_from(flags)))
        read.update(sources)
        if op in ("t.greater", "t.not"):
            flags.append(sketch.node(op, *sources, kind=tensor(shape, ElementType.BOOL)))
        elif op == "t.pool":
            dilation = draw(st.sampled_from([1, 2]))
            values.append(sketch.node(op, *sources, kind=tensor(shape), dilation=dilation))
        else:
            values.append(sketch.node(op, *sources, kind=tensor(shape)))
    made = sorted(value for value in (*values, *flags) if value not in sketch.inputs)
    return sketch.graph(*(value for value in made if value not in read))
