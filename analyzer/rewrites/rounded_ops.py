"""Float ops between a dequantize and a quantize, as exported programs write a quantized model: the op on integers.

PyTorch computes them in floats and rounds the result; the op on quantized tensors comes within a step of that. Which
op that is, cards say.
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
    referred,
)
from nnapi_check.analyzer.quantized_forms import WEIGHT, obstacle, quantized_call, quantized_form, quantized_inputs
from nnapi_check.analyzer.rewrites.rewrite import ByCard, ByForm, Match, Rewrite, Surroundings
from nnapi_check.coverage_db.cards import QuantizedForm

QUANTIZE, DEQUANTIZE = "aten.quantize_per_tensor.default", "aten.dequantize.self"
_STORED = {ElementType.QUINT8: (0, 255), ElementType.QINT8: (-128, 127)}
_RELU = "aten.relu.default"
_CLAMPS = {"aten.clamp.default": ("min", "max"), "aten.hardtanh.default": ("min_val", "max_val")}


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

    def gives(self, parameters: tuple[float, int]) -> bool:
        """Whether these are its scale, and its zero point where it is stored from 0 on."""
        scale, zero_point = parameters
        return self.quant == PerTensor(scale, zero_point + _STORED[self.kind.dtype][0])


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a float op reads: by its arguments the quantized tensors that these are the real numbers of, and the nodes
    between."""

    values: Mapping[int, int]
    nodes: tuple[Node, ...]

    def of(self, argument: Argument) -> Argument:
        """The quantized tensors in the place of an argument."""
        match argument:
            case Ref(value):
                return Ref(self.values[value])
            case RefList(values):
                return RefList(tuple(None if value is None else self.values[value] for value in values))
            case _:
                return argument


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
    form = quantized_form(op.op, around.known.cards)
    if form is None or obstacle(op, form, around.graph, around.known.cards):
        return None
    sources = _sources(op, form, around)
    rounded = _rounded(op.outputs[0], around)
    if sources is None or rounded is None or first not in sources.nodes:
        return None
    name = _name(form, rounded)
    if name is None or not (form.parameters or _keeps(form, sources, rounded, around)):
        return None
    read = {key: given if key in form.floats else sources.of(given) for key, given in op.arguments.items()}
    arguments = quantized_call(form, read, rounded.quant.scale, rounded.quant.zero_point)
    nodes = (*sources.nodes, op, *rounded.nodes)
    return Match(name, arguments, nodes, nodes[-1], nodes[-1].outputs)


def _name(form: QuantizedForm, rounded: _Rounded) -> str | None:
    """The op on integers, with the relu that follows it."""
    match rounded.low, rounded.high:
        case (low, high) if (low, high) == (-inf, inf):
            return form.call.op
        case (low, high) if (low, high) == (0, inf):
            return dict(form.followed_by).get(_RELU)
        case _:
            return None


def _keeps(form: QuantizedForm, sources: _Sources, rounded: _Rounded, around: Surroundings) -> bool:
    """Whether an op that states no scale gives the scale and the zero point of what is rounded."""
    if form.gives is not None:
        return rounded.gives(form.gives)
    kinds = [around.graph.type_of(value) for value in sources.values.values()]
    return all(
        isinstance(kind, TensorType) and (kind.dtype, kind.quant) == (rounded.kind.dtype, rounded.quant)
        for kind in kinds
    )


def _sources(op: Node, form: QuantizedForm, around: Surroundings) -> _Sources | None:
    """What an op reads, where all of it that the form takes quantized is."""
    values: dict[int, int] = {}
    nodes: list[Node] = []
    weights = referred(op.arguments.get(WEIGHT))
    for value in quantized_inputs(op, form):
        maker = around.maker(value)
        if maker is None or maker.op != DEQUANTIZE:
            return None
        source = maker.arguments["self"]
        kind = around.graph.type_of(source.value) if isinstance(source, Ref) else None
        if not isinstance(source, Ref) or not isinstance(kind, TensorType) or not kind.is_quantized:
            return None
        if not (_is_weight(kind, form) if value in weights else _is_stored(kind)):
            return None
        if not maker.is_constant:
            if around.only_reader(value) is not op:
                return None
            nodes.append(maker)
        values[value] = source.value
    return _Sources(values, tuple(nodes))


def _is_stored(kind: TensorType) -> bool:
    return isinstance(kind.quant, PerTensor) and kind.dtype in _STORED


def _is_weight(kind: TensorType, form: QuantizedForm) -> bool:
    is_alike = not isinstance(kind.quant, PerChannel) or kind.quant.axis == form.channels
    return kind.dtype is ElementType.QINT8 and is_alike


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
    if node.op == _RELU:
        return 0.0, inf
    if node.op not in _CLAMPS:
        return None
    low, high = (node.arguments[name] for name in _CLAMPS[node.op])
    low, high = (-inf if low == ABSENT else low), (inf if high == ABSENT else high)
    return (low, high) if isinstance(low, int | float) and isinstance(high, int | float) and low <= high else None


ROUNDED_OP = Rewrite(
    name="rounded-op",
    title="an op on integers",
    begins=frozenset({DEQUANTIZE}),
    makes=ByForm.QUANTIZED,
    match=_match_op,
)
ROUNDED_MOVE = Rewrite(
    name="rounded-move",
    title="a move of integers",
    begins=frozenset({DEQUANTIZE}),
    makes=ByCard.MOVE,
    match=_match_move,
)
