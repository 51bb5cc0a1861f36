"""Layers whose input is rounded to 8 bits of its own range first, as exported programs write dynamic quantization.

The range is found by 20 nodes, which reading a program writes always alike. Neither they nor a scale that a run finds
have a counterpart in NNAPI: the layer becomes PyTorch's own op of dynamic quantization, of which the card says more.
"""

from __future__ import annotations

from nnapi_check.analyzer.graph import ABSENT, Argument, ElementType, Node, PerChannel, Ref, TensorType
from nnapi_check.analyzer.rewrites.rewrite import Match, Rewrite, Surroundings

FIRST, LAYER = "aten.aminmax.default", "aten.linear.default"
DYNAMIC_LAYER = "quantized.linear_dynamic.default"
_STEPS = 255
_RUN: tuple[tuple[str, tuple[int, ...]], ...] = (
    (FIRST, (-1,)),
    ("aten.clamp.default", (0,)),
    ("aten.clamp.default", (1,)),
    ("aten.sub.Tensor", (3, 2)),
    ("aten.div.Scalar", (4,)),
    ("aten.clamp.default", (5,)),
    ("aten.div.Tensor", (2, 6)),
    ("aten.round.default", (7,)),
    ("aten.neg.default", (8,)),
    ("aten.clamp.default", (9,)),
    ("aten.to.dtype", (6,)),
    ("aten.reciprocal.default", (11,)),
    ("aten.mul.Scalar", (12,)),
    ("aten.to.dtype", (13,)),
    ("aten.mul.Tensor", (-1, 14)),
    ("aten.round.default", (15,)),
    ("aten.add.Tensor", (16, 10)),
    ("aten.clamp.default", (17,)),
    ("aten.sub.Tensor", (18, 10)),
    ("aten.mul.Tensor", (19, 6)),
)
"""The nodes in order, each with the results that it reads, by their places: the first node makes two, and -1 is the
input."""

_NUMBERS: tuple[tuple[int, str, object], ...] = (
    (1, "min", ABSENT),
    (1, "max", 0),
    (2, "min", 0),
    (2, "max", ABSENT),
    (3, "alpha", 1),
    (4, "other", _STEPS),
    (9, "min", 0),
    (9, "max", _STEPS),
    (12, "other", 1),
    (13, "dtype", "f32"),
    (16, "alpha", 1),
    (17, "min", 0),
    (17, "max", _STEPS),
    (18, "alpha", 1),
)
"""What arguments of nodes are, by their places."""

_LEAST_SCALE = 2.0**-12
"""A least scale up to this is met by no input but one whose range is below 1/16, which hardly any layer has."""


def _match(first: Node, around: Surroundings) -> Match | None:
    """The layer whose input's range ``first`` finds."""
    nodes = _run(first, around)
    if nodes is None or not _rounds(nodes):
        return None
    layer = around.only_reader(nodes[-1].outputs[0])
    if layer is None or layer.op != LAYER or layer.arguments["input"] != Ref(nodes[-1].outputs[0]):
        return None
    weight = _stored(layer.arguments["weight"], around)
    bias = layer.arguments["bias"]
    if weight is None or (isinstance(bias, Ref) and not around.graph.values[bias.value].is_constant):
        return None
    arguments = {"input": first.arguments["self"], "weight": weight, "bias": bias, "reduce_range": False}
    return Match(DYNAMIC_LAYER, arguments, (*nodes, layer), layer, layer.outputs)


def _run(first: Node, around: Surroundings) -> list[Node] | None:
    """The nodes from ``first`` on that round to a range, where each reads what it should."""
    source = first.arguments["self"]
    kind = around.graph.type_of(source.value) if isinstance(source, Ref) else None
    if not isinstance(source, Ref) or not isinstance(kind, TensorType) or kind.dtype is not ElementType.FLOAT32:
        return None
    results: list[int] = []
    nodes: list[Node] = []
    for place, (op, reads) in enumerate(_RUN):
        node = around.nodes.get(first.id + place)
        if node is None or node.op != op:
            return None
        if node.inputs() != tuple(source.value if read < 0 else results[read] for read in reads):
            return None
        nodes.append(node)
        results.extend(node.outputs)
    ids = {node.id for node in nodes}
    inner = [value for node in nodes[:-1] for value in node.outputs]
    return nodes if all(ids.issuperset(around.readers[value]) for value in inner) else None


def _rounds(nodes: list[Node]) -> bool:
    """Whether the numbers in a run are those of all steps of 8 bits."""
    least = nodes[5].arguments["min"]
    is_fine = isinstance(least, float) and 0 < least <= _LEAST_SCALE and nodes[5].arguments["max"] == ABSENT
    return is_fine and all(nodes[place].arguments[name] == wanted for place, name, wanted in _NUMBERS)


def _stored(weight: Argument, around: Surroundings) -> Ref | None:
    """The stored integers that a layer's weight is the real numbers of."""
    maker = around.maker(weight.value) if isinstance(weight, Ref) else None
    if maker is None or maker.op != "aten.dequantize.self" or not maker.is_constant:
        return None
    source = maker.arguments["self"]
    kind = around.graph.type_of(source.value) if isinstance(source, Ref) else None
    if not isinstance(source, Ref) or not isinstance(kind, TensorType) or kind.dtype is not ElementType.QINT8:
        return None
    return source if not isinstance(kind.quant, PerChannel) or kind.quant.axis == 0 else None


DYNAMIC = Rewrite(
    name="dynamic-layer",
    title="a layer that rounds its input to its own range",
    begins=frozenset({FIRST}),
    makes=frozenset({DYNAMIC_LAYER}),
    match=_match,
)
