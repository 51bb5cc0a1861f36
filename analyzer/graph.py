"""The captured graph: values with types, nodes with arguments by schema name, blocks of control flow.

Nothing here knows PyTorch. A graph is made by ``analyzer/capture/capture.py`` and is never changed: a rewrite
makes a new one. Values and nodes are numbered from 0 over the whole graph, blocks included, in execution order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from math import prod
from typing import TypeGuard


class ElementType(Enum):
    """PyTorch's element types, spelled as in an input specification (``f32[1,3,224,224]``)."""

    FLOAT32 = "f32"
    FLOAT16 = "f16"
    FLOAT64 = "f64"
    BFLOAT16 = "bf16"
    INT64 = "i64"
    INT32 = "i32"
    INT16 = "i16"
    INT8 = "i8"
    UINT8 = "u8"
    BOOL = "bool"
    QUINT8 = "quint8"
    QINT8 = "qint8"
    QINT32 = "qint32"
    COMPLEX64 = "c64"
    COMPLEX128 = "c128"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class NotQuantized:
    """The values are the stored numbers themselves."""


NOT_QUANTIZED = NotQuantized()


@dataclass(frozen=True, slots=True)
class PerTensor:
    """Affine quantization: real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class PerChannel:
    """Affine quantization with a scale and a zero point for each slice along ``axis``."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int


Quantization = NotQuantized | PerTensor | PerChannel


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor whose element type and every dimension are known. ``shape`` is in PyTorch's order."""

    dtype: ElementType
    shape: tuple[int, ...]
    quant: Quantization = NOT_QUANTIZED

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def numel(self) -> int:
        """The number of elements; 1 for rank 0."""
        return prod(self.shape)

    @property
    def is_quantized(self) -> bool:
        """Whether the elements stand for real numbers, in steps of one scale or of one for each channel."""
        return not isinstance(self.quant, NotQuantized)


OVERWRITTEN = "writes to it in place"


@dataclass(frozen=True, slots=True)
class DynamicType:
    """A tensor whose shape or rank depends on input values, or could not be found.

    ``reason`` says why, of the first op on the way to it whose result is not known: ``op``.
    """

    reason: str
    op: str = ""

    @property
    def is_overwritten(self) -> bool:
        """Whether all that is not known of it is what it holds: its op writes to it in place."""
        return self.reason == OVERWRITTEN

    def __str__(self) -> str:
        return f"{self.op}: {self.reason}" if self.op else self.reason


@dataclass(frozen=True, slots=True)
class OtherType:
    """Not a tensor: a number, list, tuple or object that is known only at run time, by TorchScript's name of it.

    ``cause`` is why it is not known, where an op is to blame.
    """

    name: str
    cause: DynamicType | None = None


ValueType = TensorType | DynamicType | OtherType


@dataclass(frozen=True, slots=True)
class GraphInput:
    """The value is the graph's input number ``index`` (the module itself not counted)."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A tensor attribute of the module, at ``path`` from the root (``features.0.0.weight``)."""

    path: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant tensor of the graph, or an object that the program states.

    ``data`` holds a tensor's elements, flat, where they are few and were read.
    """

    name: str
    data: tuple[int | float | bool, ...] | None


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """Output number ``index`` of node ``node``."""

    node: int
    index: int


@dataclass(frozen=True, slots=True)
class BlockInput:
    """An input of a block of control flow, such as a loop's carried value."""

    index: int


Origin = GraphInput | Parameter | Literal | NodeOutput | BlockInput


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in a graph, or what else flows between nodes. ``is_constant``: depends on no input's values.

    ``reach`` is the greatest magnitude in a constant vector of floats, such as a bias, where it was read.
    """

    id: int
    type: ValueType
    origin: Origin
    is_constant: bool = False
    reach: float | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is a value: its id."""

    value: int


@dataclass(frozen=True, slots=True)
class RefList:
    """An argument that is a list of values (``cat``'s tensors); None stands for an absent one (``index``)."""

    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """An optional argument that was not given (None in PyTorch)."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A number or list that is known only at run time: ``reason`` says what computes it, ``values`` in what."""

    reason: str
    values: tuple[int, ...] = ()


Scalar = bool | int | float | str
Argument = Scalar | tuple[Scalar, ...] | Ref | RefList | Absent | Unknown


def referred(argument: Argument | None) -> tuple[int, ...]:
    """The values that an argument is, or lists; none where it is a number, a text, or known only at run time."""
    match argument:
        case Ref(value):
            return (value,)
        case RefList(values):
            return tuple(value for value in values if value is not None)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """Where a node comes from: the user's file and line (None when not recorded), and the module's path."""

    file: str | None = None
    line: int | None = None
    module: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file is not None else ""
        return " ".join(part for part in (self.module, place) if part) or "unknown place"


@dataclass(frozen=True, slots=True)
class Node:
    """One call of an op. ``op`` is the overload's name (``aten.add.Tensor``).

    ``arguments`` are all arguments of the op's schema by name, defaults filled in. ``blocks`` are the
    bodies of control flow (``prim.If``, ``prim.Loop``). ``is_constant``: computed from no input's values,
    so it is evaluated, never judged. A node that a rewrite made ``covers`` the ids of the nodes it stands for.
    ``follows`` are the ids of nodes of the same block that it must stay behind, although it may read none of their
    values: one of both overwrites in place what the other reads or writes.
    """

    id: int
    op: str
    arguments: Mapping[str, Argument]
    outputs: tuple[int, ...]
    source: SourcePosition = SourcePosition()
    blocks: tuple[Block, ...] = ()
    is_constant: bool = False
    covers: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    # What it reads is asked for more often than anything else, so it is found once.
    _read: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: list[int] = []
        for argument in self.arguments.values():
            if isinstance(argument, Ref):
                found.append(argument.value)
            elif isinstance(argument, RefList):
                found += [value for value in argument.values if value is not None]
            elif isinstance(argument, Unknown):
                found += argument.values
        object.__setattr__(self, "_read", tuple(found))

    def argument(self, name: str) -> Argument:
        """The argument called ``name`` in the op's schema."""
        return self.arguments[name]

    def inputs(self) -> tuple[int, ...]:
        """Every value this node reads, in schema order, those of its blocks left out."""
        return self._read


@dataclass(frozen=True, slots=True)
class Block:
    """A run of nodes with its own inputs and outputs: the graph itself, or a branch or body of control flow.

    ``results`` are what a branch or body hands over, one for each output of the node that holds it, after a loop's
    condition: ``outputs`` are the values among them. Its further outputs are tensors that are overwritten inside.
    """

    inputs: tuple[int, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    results: tuple[Argument, ...] = ()

    def inner_nodes(self) -> Iterator[Node]:
        """All nodes in execution order, those inside control flow after the node that holds them."""
        stack = [iter(self.nodes)]
        while stack:
            for node in stack[-1]:
                yield node
                if node.blocks:
                    stack.extend(iter(block.nodes) for block in reversed(node.blocks))
                    break
            else:
                stack.pop()


@dataclass(frozen=True)
class Graph:
    """A whole captured graph. ``values[i].id == i``. ``name`` is what the user calls the model."""

    name: str
    values: Sequence[Value]
    body: Block

    def nodes(self) -> Iterator[Node]:
        """All nodes in execution order, those inside control flow after the node that holds them."""
        return self.body.inner_nodes()

    @cached_property
    def by_id(self) -> Mapping[int, Node]:
        """All nodes by their ids, in execution order."""
        return {node.id: node for node in self.nodes()}

    @cached_property
    def holders(self) -> tuple[Node, ...]:
        """The nodes that hold blocks, in execution order."""
        return tuple(node for node in self.nodes() if node.blocks)

    def type_of(self, value: int) -> ValueType:
        """The type of a value by its id."""
        return self.values[value].type

    def tensor_type(self, value: int) -> TensorType | None:
        """The type of a value that is a tensor of which all is known; None for any other."""
        kind = self.values[value].type
        return kind if isinstance(kind, TensorType) else None

    def tensor_of(self, argument: Argument | None) -> TensorType | None:
        """The same of an argument: None where it is no value as well."""
        return self.tensor_type(argument.value) if isinstance(argument, Ref) else None


def is_ints(value: object) -> TypeGuard[Sequence[int]]:
    """Whether the value of a literal is a list of whole numbers."""
    return isinstance(value, (list, tuple)) and all(isinstance(item, int) for item in value)


class End(Enum):
    """A reader of values that is no node: the outputs of a block."""

    OF_BLOCK = "the end of a block"


Reader = int | End
"""The id of a node, or the end of a block."""


def readers_of(graph: Graph, *, whole: Collection[int] = (), with_constants: bool = True) -> dict[int, list[Reader]]:
    """Who reads each value, once for each time. At the end of blocks of the ``whole`` nodes, these themselves read.

    Nodes that are constant read no more of a value than its type; they are left out without ``with_constants``.
    """
    found: dict[int, list[Reader]] = {value.id: [] for value in graph.values}

    def end(block: Block, reader: Reader) -> None:
        for value in block.outputs:
            found[value].append(reader)

    end(graph.body, End.OF_BLOCK)
    for node in graph.nodes():
        for value in node.inputs() if with_constants or not node.is_constant else ():
            found[value].append(node.id)
        for block in node.blocks:
            end(block, node.id if node.id in whole else End.OF_BLOCK)
    return found


def read_values(node: Node) -> tuple[int, ...]:
    """What a node reads, with all that its blocks read from outside them."""
    return (*node.inputs(), *taken_values(node)) if node.blocks else node.inputs()


def taken_values(node: Node) -> tuple[int, ...]:
    """The values that the blocks of a node read from outside them, those that they hand over included."""
    read: set[int] = set()
    made: set[int] = set()
    for block in node.blocks:
        made.update(block.inputs)
        read.update(block.outputs)
        for inner in block.inner_nodes():
            read.update(inner.inputs())
            made.update(inner.outputs)
            for nested in inner.blocks:
                made.update(nested.inputs)
                read.update(nested.outputs)
    return tuple(sorted(read - made))
