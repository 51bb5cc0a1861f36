"""Numbers that only a run knows, as tensors of one element: so a target holds them that carries control flow.

TorchScript counts turns and tells conditions in Python's numbers. NNAPI has tensors only, in which a whole number or a
truth value is a tensor of rank 0, and an op on numbers the op of tensors that means the same. Python's floats have
64 bits and stay what they are.
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
    OtherType,
    Ref,
    TensorType,
    Unknown,
)

LOOP = "prim.Loop"
BRANCH = "prim.If"

_TYPES = {"int": TensorType(ElementType.INT64, ()), "bool": TensorType(ElementType.BOOL, ())}


@dataclass(frozen=True, slots=True)
class _Call:
    """An op of tensors, with its arguments."""

    op: str
    arguments: Mapping[str, Argument]


def with_numbers_as_tensors(graph: Graph) -> Graph:
    """The graph with numbers that only a run knows as tensors, as far as ops of tensors compute them.

    Values and nodes keep their ids.
    """
    found = _Numbers(graph)
    if not found.values:
        return graph
    body = found.block(graph.body)
    values = [
        replace(value, type=_TYPES[value.type.name])
        if value.id in found.values and isinstance(value.type, OtherType)
        else value
        for value in graph.values
    ]
    return replace(graph, values=tuple(values), body=body)


class _Numbers:
    """Which values of a graph are numbers that become tensors, and its nodes once they are."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        ends = set(graph.body.outputs)
        self.values = {
            value.id
            for value in graph.values
            if isinstance(value.type, OtherType) and value.type.name in _TYPES and value.id not in ends
        }
        while self._drop():
            pass

    def _drop(self) -> bool:
        """Leave out numbers that no op of tensors computes, or that are given by such; whether there were any."""
        kept: set[int] = set()
        for node in self._graph.nodes():
            if node.op == BRANCH:
                kept.update(self._kept_of_branches(node))
            elif node.op == LOOP:
                kept.update(self._kept_of_loop(node))
            elif self._call_of(node) is not None:
                kept.update(node.outputs)
        before = len(self.values)
        self.values &= kept
        return len(self.values) < before

    def _kept_of_branches(self, node: Node) -> Iterator[int]:
        for place, value in enumerate(node.outputs):
            if all(place < len(block.results) and self._is_number(block.results[place]) for block in node.blocks):
                yield value

    def _kept_of_loop(self, node: Node) -> Iterator[int]:
        (body,) = node.blocks
        yield body.inputs[0]
        # Behind what it carries stand the tensors that a turn overwrites.
        for place, (inner, outer) in enumerate(zip(body.inputs[1:], node.outputs, strict=False)):
            handed = (node.arguments.get(f"carried{place}"), body.results[place + 1])
            if all(found is not None and self._is_number(found) for found in handed):
                yield inner
                yield outer

    def _is_number(self, argument: Argument) -> bool:
        return isinstance(argument, bool | int) or self._number(argument) is not None

    def _number(self, argument: Argument | None) -> int | None:
        """The value of a number that becomes a tensor."""
        match argument:
            case Unknown(_, (value,)) if value in self.values:
                return value
            case _:
                return None

    def block(self, block: Block) -> Block:
        """A block whose numbers are tensors."""
        nodes = tuple(made for node in block.nodes for made in self._made(node))
        return replace(block, nodes=nodes, results=tuple(map(self._argument, block.results)))

    def _argument(self, argument: Argument) -> Argument:
        value = self._number(argument)
        return argument if value is None else Ref(value)

    def _made(self, node: Node) -> Iterator[Node]:
        if node.blocks:
            arguments = {name: self._argument(argument) for name, argument in node.arguments.items()}
            yield replace(node, arguments=arguments, blocks=tuple(map(self.block, node.blocks)))
            return
        call = self._call_of(node)
        yield node if call is None else replace(node, op=call.op, arguments=call.arguments)

    def _call_of(self, node: Node) -> _Call | None:
        """The op of tensors that a node means which reads or makes numbers; None where there is none."""
        operands = {name: self._operand(argument) for name, argument in node.arguments.items()}
        if node.op in _READS:
            return self._read(node)
        if node.op in _ARITHMETIC and all(operand is not None for operand in operands.values()):
            first, second = (operand for operand in operands.values() if operand is not None)
            return _arithmetic(node.op, first, second)
        if node.op in _LOGIC and all(isinstance(operand, Ref) for operand in operands.values()):
            refs = [operand for operand in operands.values() if isinstance(operand, Ref)]
            return _Call(_LOGIC[node.op], dict(zip(("self", "other"), refs, strict=False)))
        other = self._number(node.arguments.get("other"))
        if node.op in _WITH_NUMBERS and other is not None:
            return _Call(_WITH_NUMBERS[node.op], {**node.arguments, "other": Ref(other)})
        return None

    def _operand(self, argument: Argument) -> Ref | int | None:
        value = self._number(argument)
        if value is not None:
            return Ref(value)
        return argument if isinstance(argument, bool | int) else None

    def _read(self, node: Node) -> _Call | None:
        """The only element of a tensor, as the number that it is."""
        (argument, *_) = node.arguments.values()
        kind = self._graph.type_of(argument.value) if isinstance(argument, Ref) else None
        if not isinstance(kind, TensorType) or kind.shape not in _ONE_ELEMENT:
            return None
        wanted = self._graph.type_of(node.outputs[0])
        name = wanted.name if isinstance(wanted, OtherType) else ""
        if name == "bool" and kind.dtype is ElementType.BOOL:
            return _Call("aten.alias.default", {"self": argument})
        if name == "bool" and kind.shape == ():
            return _Call("aten.ne.Scalar", {"self": argument, "other": 0})
        if name == "int" and kind.dtype in _WHOLE:
            return _Call("aten.alias.default", {"self": argument})
        return None


_ONE_ELEMENT = ((), (1,))
"""The shapes of tensors whose operand is that of a number."""

_WHOLE = (ElementType.INT64, ElementType.INT32)

_READS = frozenset(
    {"aten.Bool.Tensor", "aten.Int.Tensor", "aten.IntImplicit.default", "aten.is_nonzero.default", "aten.item.default"}
)
_ARITHMETIC = frozenset(f"aten.{name}.int" for name in ("add", "sub", "mul", "lt", "le", "gt", "ge", "eq", "ne"))
_MIRRORED = {"add": "add", "mul": "mul", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
_LOGIC = {
    "aten.__and__.bool": "aten.logical_and.default",
    "aten.__or__.bool": "aten.logical_or.default",
    "aten.__not__.default": "aten.logical_not.default",
}
_WITH_NUMBERS = {
    f"aten.{name}.Scalar": f"aten.{name}.Tensor"
    for name in ("add", "sub", "mul", "div", "lt", "le", "gt", "ge", "eq", "ne")
}


def _arithmetic(op: str, first: Ref | int, second: Ref | int) -> _Call | None:
    """An op on two whole numbers, at least one of which only the run knows."""
    name = op.split(".")[1]
    factor: dict[str, Argument] = {"alpha": 1} if name in ("add", "sub") else {}
    match first, second:
        case Ref(), Ref():
            return _Call(f"aten.{name}.Tensor", {"self": first, "other": second, **factor})
        case Ref(), _:
            return _Call(f"aten.{name}.Scalar", {"self": first, "other": second, **factor})
        case _, Ref() if name == "sub":
            return _Call("aten.rsub.Scalar", {"self": second, "other": first, **factor})
        case _, Ref():
            return _Call(f"aten.{_MIRRORED[name]}.Scalar", {"self": second, "other": first, **factor})
        case _:
            return None
