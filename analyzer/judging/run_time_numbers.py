"""Numbers that only a run knows, as tensors of one element: so a target holds them that carries control flow.

TorchScript counts turns and tells conditions in Python's numbers. NNAPI has tensors only, in which a whole number or a
truth value is a tensor of rank 0, and an op on numbers the op of tensors that means the same. Python's floats have
64 bits and stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nnapi_check.analyzer.graph import (
    Argument,
    Block,
    ElementType,
    Graph,
    Node,
    NodeOutput,
    OtherType,
    Ref,
    TensorType,
    Unknown,
    Value,
)
from nnapi_check.analyzer.judging.number_ops import Chain, Operand, TensorCall, chain_of, taking_numbers

LOOP = "prim.Loop"
BRANCH = "prim.If"

_TYPES = {"int": TensorType(ElementType.INT64, ()), "bool": TensorType(ElementType.BOOL, ())}


def with_numbers_as_tensors(graph: Graph) -> Graph:
    """The graph with numbers that only a run knows as tensors, as far as ops of tensors compute them.

    Values and nodes keep their ids; those that are added have ids behind them.
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
    return replace(graph, values=(*values, *found.added), body=body)


class _Numbers:
    """Which values of a graph are numbers that become tensors, and its nodes once they are."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._next_node = 1 + max((node.id for node in graph.nodes()), default=0)
        self.added: list[Value] = []
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
            elif self._chain_of(node) is not None:
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
        yield from self._chained(node, self._chain_of(node) or ())

    def _chained(self, node: Node, chain: Chain) -> Iterator[Node]:
        """A node as the ops of tensors that it means, the last of which gives what it gives."""
        if not chain:
            yield node
            return
        before: dict[str, Argument] = {}
        for call in chain[:-1]:
            made = Value(len(self._graph.values) + len(self.added), _TYPES["int"], NodeOutput(self._next_node, 0))
            self.added.append(made)
            arguments = {**before, **call.arguments}
            yield replace(node, id=self._next_node, op=call.op, arguments=arguments, outputs=(made.id,))
            before = {"self": Ref(made.id)}
            self._next_node += 1
        yield replace(node, op=chain[-1].op, arguments={**before, **chain[-1].arguments})

    def _chain_of(self, node: Node) -> Chain | None:
        """The ops of tensors that a node means which reads or makes numbers; None where there are none."""
        if node.op in _READS:
            read = self._read(node)
            return None if read is None else (read,)
        operands = [self._operand(argument) for argument in node.arguments.values()]
        known = [operand for operand in operands if operand is not None]
        chain = chain_of(node.op, known) if len(known) == len(operands) else None
        if chain is not None:
            return chain
        found = {name: self._number(argument) for name, argument in node.arguments.items()}
        numbers = {name: Ref(value) for name, value in found.items() if value is not None}
        call = taking_numbers(node.op, node.arguments, numbers, self._rank(node)) if numbers else None
        return None if call is None else (call,)

    def _rank(self, node: Node) -> int | None:
        """The rank of a node's first tensor, where that is known."""
        kind = next((self._graph.tensor_type(value) for value in node.inputs()), None)
        return None if kind is None else kind.rank

    def _operand(self, argument: Argument) -> Operand | None:
        value = self._number(argument)
        if value is not None:
            return Ref(value)
        return argument if isinstance(argument, bool | int) else None

    def _read(self, node: Node) -> TensorCall | None:
        """The only element of a tensor, as the number that it is."""
        (argument, *_) = node.arguments.values()
        kind = self._graph.tensor_of(argument)
        if kind is None or kind.shape not in _ONE_ELEMENT:
            return None
        wanted = self._graph.type_of(node.outputs[0])
        name = wanted.name if isinstance(wanted, OtherType) else ""
        if name == "bool" and kind.dtype is ElementType.BOOL:
            return TensorCall("aten.alias.default", {"self": argument})
        if name == "bool" and kind.shape == ():
            return TensorCall("aten.ne.Scalar", {"self": argument, "other": 0})
        if name == "int" and kind.dtype in _WHOLE:
            return TensorCall("aten.alias.default", {"self": argument})
        return None


_ONE_ELEMENT = ((), (1,))
"""The shapes of tensors whose operand is that of a number."""

_WHOLE = (ElementType.INT64, ElementType.INT32)

_READS = frozenset(
    {"aten.Bool.Tensor", "aten.Int.Tensor", "aten.IntImplicit.default", "aten.is_nonzero.default", "aten.item.default"}
)
