"""Float ops between a dequantize and a quantize, as exported programs write a quantized model: the op on integers.

PyTorch computes them in floats and rounds the result; the op on quantized tensors comes within a step of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from nnapi_check.analyzer.graph import (
    ABSENT,
    Argument,
    ElementType,
    Node,
    PerChannel,
    PerTensor,
    Ref,
    RefList,
    TensorType,
)
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Rewrite, Surroundings

QUANTIZE, DEQUANTIZE = "aten.quantize_per_tensor.default", "aten.dequantize.self"
_STORED = {ElementType.QUINT8: (0, 255), ElementType.QINT8: (-128, 127)}

_CONVOLVED = ("stride", "padding", "dilation", "groups")
_LAYERS = {
    "aten.conv2d.default": ("quantized.conv2d.new", _CONVOLVED, 0),
    "aten.conv_transpose2d.input": ("quantized.conv_transpose2d.default", (*_CONVOLVED, "output_padding"), 1),
    "aten.linear.default": ("quantized.linear.default", (), 0),
}
"""By ops of floats with a weight: the op on integers, the arguments that both have, and the dimension of the weight
that may have a scale for each channel."""

_WITH_RELU = {
    "quantized.conv2d.new": "quantized.conv2d_relu.new",
    "quantized.linear.default": "quantized.linear_relu.default",
    "quantized.add.default": "quantized.add_relu.default",
    "quantized.mul.default": "quantized.mul_relu.default",
    "quantized.cat.default": "quantized.cat_relu.default",
}
_PAIRS = {"aten.add.Tensor": "quantized.add.default", "aten.mul.Tensor": "quantized.mul.default"}
_CLAMPS = {"aten.clamp.default": ("min", "max"), "aten.hardtanh.default": ("min_val", "max_val")}

_KEEPING = frozenset(
    {
        *("aten.relu.default", "aten.hardtanh.default", "aten.clamp.default", "aten.constant_pad_nd.default"),
        *("aten.max_pool2d.default", "aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default", "aten.mean.dim"),
        *("aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default"),
        *("aten.slice.Tensor", "aten.select.int", "aten.flip.default", "aten.pixel_shuffle.default"),
        *("aten.pad.default", "aten.expand.default", "aten.repeat.default", "aten.amax.default"),
    }
)
"""Ops of one tensor that are the same op on a quantized one, whose scale and zero point they keep."""

_SIGMOID = PerTensor(1 / 256, 0)
"""What LOGISTIC gives: a sigmoid of other steps is no better off on integers."""


@dataclass(frozen=True, slots=True)
class _Rounded:
    """Where floats become integers again: the nodes from a float op's result on, and what they give.

    ``low`` and ``high`` are what lies between makes of the numbers, where that is more than the integers' own range.
    """

    nodes: tuple[Node, ...]
    kind: TensorType
    quant: PerTensor
    low: float
    high: float

    @property
    def parameters(self) -> tuple[float, int]:
        """The scale and the zero point."""
        return self.quant.scale, self.quant.zero_point


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a float op reads: by its arguments the quantized tensors that these are the real numbers of, and the nodes
    between."""

    values: Mapping[int, int]
    nodes: tuple[Node, ...]

    def of(self, argument: Argument) -> Ref | None:
        """The quantized tensor in the place of an argument."""
        return Ref(self.values[argument.value]) if isinstance(argument, Ref) and argument.value in self.values else None


def _match_op(first: Node, around: Surroundings) -> Match | None:
    """The op on integers whose inputs ``first`` makes floats of, but for one that only moves elements."""
    found = _match(first, around)
    return None if found is None or found.op in around.known.moves else found


def _match_move(first: Node, around: Surroundings) -> Match | None:
    """The same of an op that only moves elements."""
    found = _match(first, around)
    return found if found is not None and found.op in around.known.moves else None


def _match(first: Node, around: Surroundings) -> Match | None:
    op = around.only_reader(first.outputs[0])
    if op is None or op.is_constant or op.blocks or len(op.outputs) != 1:
        return None
    sources = _sources(op, around)
    rounded = _rounded(op.outputs[0], around)
    if rounded is None or first not in sources.nodes:
        return None
    found = _op_on_integers(op, sources, rounded, around)
    if found is None:
        return None
    name, arguments = found
    nodes = (*sources.nodes, op, *rounded.nodes)
    return Match(name, arguments, nodes, nodes[-1], nodes[-1].outputs)


def _sources(op: Node, around: Surroundings) -> _Sources:
    values: dict[int, int] = {}
    nodes: list[Node] = []
    for value in op.inputs():
        maker = around.maker(value)
        if maker is None or maker.op != DEQUANTIZE:
            continue
        source = maker.arguments["self"]
        kind = around.graph.type_of(source.value) if isinstance(source, Ref) else None
        if not isinstance(source, Ref) or not isinstance(kind, TensorType) or not kind.is_quantized:
            continue
        if maker.is_constant:
            values[value] = source.value
        elif around.only_reader(value) is op and isinstance(kind.quant, PerTensor) and kind.dtype in _STORED:
            values[value] = source.value
            nodes.append(maker)
    return _Sources(values, tuple(nodes))


def _rounded(value: int, around: Surroundings) -> _Rounded | None:
    """The quantize that alone reads a value, or what an activation makes of it."""
    nodes: list[Node] = []
    low, high = -inf, inf
    node = around.only_reader(value)
    if node is not None and node.op != QUANTIZE:
        bounds = _bounds(node)
        if bounds is None:
            return None
        low, high = bounds
        nodes.append(node)
        node = around.only_reader(node.outputs[0])
    if node is None or node.op != QUANTIZE or node.is_constant:
        return None
    kind = around.graph.type_of(node.outputs[0])
    if not isinstance(kind, TensorType) or not isinstance(kind.quant, PerTensor) or kind.dtype not in _STORED:
        return None
    least, greatest = _STORED[kind.dtype]
    scale, zero_point = kind.quant.scale, kind.quant.zero_point
    if low > -inf and round(low / scale) + zero_point <= least:
        low = -inf
    if high < inf and round(high / scale) + zero_point >= greatest:
        high = inf
    return _Rounded((*nodes, node), kind, kind.quant, low, high)


def _bounds(node: Node) -> tuple[float, float] | None:
    """Between which numbers an activation puts its input; None of other nodes."""
    if node.op == "aten.relu.default":
        return 0.0, inf
    if node.op not in _CLAMPS:
        return None
    low, high = (node.arguments[name] for name in _CLAMPS[node.op])
    low, high = (-inf if low == ABSENT else low), (inf if high == ABSENT else high)
    return (low, high) if isinstance(low, int | float) and isinstance(high, int | float) and low <= high else None


def _op_on_integers(
    op: Node, sources: _Sources, rounded: _Rounded, around: Surroundings
) -> tuple[str, Mapping[str, Argument]] | None:
    scale, zero_point = rounded.parameters
    named = {"scale": scale, "zero_point": zero_point}
    stated = {"output_scale": scale, "output_zero_point": zero_point}
    if op.op in _LAYERS:
        return _activated(_layer(op, sources, around), stated, rounded)
    if op.op in _PAIRS:
        first, second = (sources.of(op.arguments[name]) for name in ("self", "other"))
        if first is None or second is None or op.arguments.get("alpha", 1) != 1:
            return None
        return _activated((_PAIRS[op.op], {"qa": first, "qb": second}), named, rounded)
    if op.op == "aten.cat.default":
        return _activated(_joined(op, sources), named, rounded)
    given = [name for name, argument in op.arguments.items() if sources.of(argument) is not None]
    x = sources.of(op.arguments[given[0]]) if len(given) == 1 else None
    if x is None or (rounded.low, rounded.high) != (-inf, inf):
        return None
    if op.op == "aten.leaky_relu.default":
        arguments = {"qx": x, "negative_slope": op.arguments["negative_slope"], "inplace": False, **stated}
        return "quantized.leaky_relu.default", arguments
    if op.op == "aten.sigmoid.default" and rounded.quant == _SIGMOID:
        return "quantized.sigmoid.default", {"qx": x, **stated}
    kind = around.graph.type_of(x.value)
    is_kept = isinstance(kind, TensorType) and (kind.dtype, kind.quant) == (rounded.kind.dtype, rounded.quant)
    if is_kept and (op.op in _KEEPING or op.op in around.known.moves):
        return op.op, {**op.arguments, given[0]: x}
    return None


def _activated(
    found: tuple[str, Mapping[str, Argument]] | None, parameters: Mapping[str, Argument], rounded: _Rounded
) -> tuple[str, Mapping[str, Argument]] | None:
    """An op with the parameters of its result, and with the relu that follows it."""
    if found is None:
        return None
    op, arguments = found
    match rounded.low, rounded.high:
        case (low, high) if (low, high) == (-inf, inf):
            return op, {**arguments, **parameters}
        case (low, high) if (low, high) == (0, inf) and op in _WITH_RELU:
            return _WITH_RELU[op], {**arguments, **parameters}
        case _:
            return None


def _layer(op: Node, sources: _Sources, around: Surroundings) -> tuple[str, Mapping[str, Argument]] | None:
    name, kept, axis = _LAYERS[op.op]
    x, weight = sources.of(op.arguments["input"]), sources.of(op.arguments["weight"])
    bias = op.arguments["bias"]
    if x is None or weight is None or not around.graph.values[weight.value].is_constant:
        return None
    kind = around.graph.type_of(weight.value)
    if not isinstance(kind, TensorType) or kind.dtype is not ElementType.QINT8:
        return None
    if isinstance(kind.quant, PerChannel) and kind.quant.axis != axis:
        return None
    if isinstance(bias, Ref) and not around.graph.values[bias.value].is_constant:
        return None
    same = {argument: op.arguments[argument] for argument in kept}
    return name, {"input": x, "weight": weight, "bias": bias, **same}


def _joined(op: Node, sources: _Sources) -> tuple[str, Mapping[str, Argument]] | None:
    tensors = op.arguments["tensors"]
    if not isinstance(tensors, RefList):
        return None
    parts = [sources.values.get(value) for value in tensors.values if value is not None]
    if None in parts or len(parts) != len(tensors.values):
        return None
    return "quantized.cat.default", {"qx": RefList(tuple(parts)), "dim": op.arguments["dim"]}


ROUNDED_OP = Rewrite(
    name="rounded-op",
    title="an op on integers",
    begins=frozenset({DEQUANTIZE}),
    makes=frozenset(
        {
            *(name for name, _, _ in _LAYERS.values()),
            *_WITH_RELU.values(),
            *_PAIRS.values(),
            *("quantized.cat.default", "quantized.leaky_relu.default", "quantized.sigmoid.default"),
            *_KEEPING,
        }
    ),
    match=_match_op,
)
ROUNDED_MOVE = Rewrite(
    name="rounded-move",
    title="a move of integers",
    begins=frozenset({DEQUANTIZE}),
    makes=ByCard.MOVE,
    match=_match_move,
)
