"""Graphs of any size, made by hand: what growth is measured on."""

from __future__ import annotations

from nnapi_check.analyzer.graph import (
    Block,
    ElementType,
    Graph,
    GraphInput,
    Node,
    NodeOutput,
    Ref,
    SourcePosition,
    TensorType,
    Value,
)

SHAPE = (1, 6, 20, 28)


def chain(nodes: int) -> Graph:
    """A graph of ``nodes`` nodes: sums of two earlier values, activations, and in between an op that nobody knows."""
    kind = TensorType(ElementType.FLOAT32, SHAPE)
    values = [Value(0, kind, GraphInput(0, "x"))]
    made: list[Node] = []
    for index in range(nodes):
        last, earlier = Ref(index), Ref(max(0, index - 7))
        source = SourcePosition("synthetic.py", index % 900 + 1, f"block.{index // 100}")
        match index % 50:
            case 49:
                node = Node(index, "aten.nobody_knows_it.default", {"self": last}, (index + 1,), source)
            case odd if odd % 2:
                node = Node(
                    index, "aten.add.Tensor", {"self": last, "other": earlier, "alpha": 1}, (index + 1,), source
                )
            case _:
                node = Node(index, "aten.relu.default", {"self": last}, (index + 1,), source)
        made.append(node)
        values.append(Value(index + 1, kind, NodeOutput(index, 0)))
    return Graph(f"chain of {nodes}", tuple(values), Block((0,), tuple(made), (nodes,)))
