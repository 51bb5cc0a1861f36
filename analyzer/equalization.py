"""Scales equalized across two layers: channels are divided between them, so that weights of one scale lose less.

Where a weight's integers are rounded to the greatest scale of its channels, those with a small scale keep few steps. A
channel with a great one can be made smaller: divided by a factor where one layer gives it, and multiplied by the same
where the next reads it. Numbers between the layers have a scale already. A factor is 1 at least, so that none of them
comes to lie beyond it, and a channel that is divided ends where PyTorch's ends, by an end of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from statistics import fmean

from nnapi_check.analyzer.graph import ElementType, Graph, Node, PerChannel, PerTensor, Ref, TensorType
from nnapi_check.analyzer.scale_groups import ScaleGroup, rounding_bound, symmetric_scales, whole_group
from nnapi_check.coverage_db.bounds import Bound

PARTS = 64
"""Factors are whole numbers of such parts."""

ENDS = "MINIMUM"
"""The operation that ends each channel that was divided where PyTorch's ends."""

_GREATEST = tuple(2 ** (eighths / 8) for eighths in range(1, 17))
"""Greatest factors that are tried: a channel loses two of its 8 bits at most."""

_OF_A_ROUNDING = 1 / 12
"""The mean square of what rounding to whole steps adds."""

_WITH_RELU = frozenset({"quantized.conv2d_relu.default", "quantized.conv2d_relu.new"})
_CONVOLUTIONS = _WITH_RELU | {"quantized.conv2d.default", "quantized.conv2d.new"}


@dataclass(frozen=True, slots=True)
class Factors:
    """By how many 64ths a layer's output channels are divided, and those of its input multiplied; none where empty."""

    divided: tuple[int, ...] = ()
    multiplied: tuple[int, ...] = ()

    def by_output(self, shape: Sequence[int]) -> tuple[int, ...]:
        """By how many 64ths the weights of each output channel are multiplied, where each reads one input channel; none
        for weights of another ``shape``.
        """
        if not self.multiplied or not reads_one_channel(shape):
            return ()
        return tuple(self.multiplied[channel * len(self.multiplied) // shape[0]] for channel in range(shape[0]))


NO_FACTORS = Factors()


def reads_one_channel(shape: Sequence[int]) -> bool:
    """Whether each output channel reads one input channel alone, by weights of this shape."""
    return shape[1] == 1


@dataclass(frozen=True, slots=True)
class _Layer:
    """A convolution whose weights have a scale for each output channel: its values, their types and the scales.

    ``ends_at_zero`` is whether the least that it gives is 0, which no factor moves, ``is_whole`` whether the weights of
    an input channel are the same slice for each output, or those of outputs of their own.
    """

    node: int
    read: int
    made: int
    x: TensorType
    weight: TensorType
    output: TensorType
    quant: PerChannel
    ends_at_zero: bool
    is_whole: bool

    def noise(self, factors: Factors) -> float:
        """The mean square of what rounding adds to what it gives, in steps; that is alike for layers of one network."""
        bound = _rounded(self.x, self.weight, self.output, factors)
        if not factors.divided:
            return bound.deviation**2
        return fmean((factor / PARTS) ** 2 for factor in factors.divided) * (bound.deviation**2 + _OF_A_ROUNDING)

    def is_legal(self, factors: Factors) -> bool:
        """Whether the product of scales stays below the output's, as NNAPI's first levels want it."""
        group = equalized_group(self.quant, self.weight.shape, factors)
        return _scale(self.x) * group.scale < _scale(self.output)

    def dividing(self, known: Factors, greatest: float) -> Factors:
        """The least factors that bring the greatest of its scales down by the ``greatest`` of them."""
        scales = _with_factors(self.quant, self.weight.shape, known)
        least = max(scales) / greatest
        return replace(known, divided=tuple(max(PARTS, ceil(PARTS * scale / least)) for scale in scales))


def equalized_layers(graph: Graph, nodes: Iterable[Node], readers: Mapping[int, int]) -> dict[int, Factors]:
    """The factors of layers, by node, where one alone reads what another gives, and less is rounded away by them.

    ``nodes`` may have factors, in the order in which they run; ``readers`` is how often each value is read.
    """
    found: dict[int, Factors] = {}
    makers: dict[int, _Layer] = {}
    for layer in filter(None, (_layer(node, graph) for node in nodes)):
        first = makers.get(layer.read)
        if first is not None and readers[layer.read] == 1 and layer.is_whole:
            known = found.get(first.node, NO_FACTORS)
            best = _best(first, layer, known)
            if best is not None:
                found[first.node], found[layer.node] = best, Factors(multiplied=best.divided)
        if layer.ends_at_zero:
            makers[layer.made] = layer
    return found


def _best(first: _Layer, second: _Layer, known: Factors) -> Factors | None:
    """The factors of the first of two layers by which both round away least; None where none are best."""
    least, best = first.noise(known) + second.noise(NO_FACTORS), None
    for greatest in _GREATEST:
        factors = first.dividing(known, greatest)
        read = Factors(multiplied=factors.divided)
        noise = first.noise(factors) + second.noise(read)
        if noise < least and second.is_legal(read):
            least, best = noise, factors
    return best


def equalized_group(quant: PerChannel, shape: Sequence[int], factors: Factors) -> ScaleGroup:
    """All channels of a weight of this shape, with the greatest scale that any has with its factors, if there are."""
    if factors == NO_FACTORS:
        return whole_group(quant)
    scales = _with_factors(quant, shape, factors)
    return ScaleGroup(tuple(range(len(scales))), max(scales), is_exact=False)


def equalized_bound(stated: Bound, x: TensorType, weight: TensorType, made: TensorType, factors: Factors) -> Bound:
    """The bound of a layer that has these factors, in steps of what it gives, by the one ``stated`` without them.

    What is divided is rounded to a step once more, and multiplied with that.
    """
    before, after = (_rounded(x, weight, made, found) for found in (NO_FACTORS, factors))
    if factors.divided:
        factor = max(factors.divided) / PARTS
        deviation = factor * sqrt(after.deviation**2 + _OF_A_ROUNDING)
        after = replace(after, steps=ceil(factor * (after.steps + 0.5)), share=min(1.0, deviation), deviation=deviation)
    return replace(
        after,
        steps=stated.steps - before.steps + after.steps,
        share=min(1.0, max(0.0, stated.share - before.share) + after.share),
    )


def _rounded(x: TensorType, weight: TensorType, made: TensorType, factors: Factors) -> Bound:
    """The bound of weights that are rounded to one scale."""
    if not isinstance(weight.quant, PerChannel):
        return Bound()
    return rounding_bound((equalized_group(weight.quant, weight.shape, factors),), x, weight, made) or Bound()


def _layer(node: Node, graph: Graph) -> _Layer | None:
    x, weight = (node.arguments.get(name) for name in ("input", "weight"))
    if node.op not in _CONVOLUTIONS or not isinstance(x, Ref):
        return None
    match graph.tensor_of(x), graph.tensor_of(weight), graph.tensor_type(node.outputs[0]):
        case (
            TensorType(quant=PerTensor()) as given,
            TensorType(quant=PerChannel(axis=0) as quant) as filters,
            TensorType(quant=PerTensor(_, zero)) as made,
        ):
            ends_at_zero = node.op in _WITH_RELU or zero == (0 if made.dtype is ElementType.QUINT8 else -128)
            is_whole = node.arguments.get("groups") == 1 or reads_one_channel(filters.shape)
            return _Layer(node.id, x.value, node.outputs[0], given, filters, made, quant, ends_at_zero, is_whole)
    return None


def _scale(kind: TensorType) -> float:
    return kind.quant.scale if isinstance(kind.quant, PerTensor) else 0.0


def _with_factors(quant: PerChannel, shape: Sequence[int], factors: Factors) -> list[float]:
    """The scales of the channels of a weight, divided and multiplied."""
    scales = symmetric_scales(quant)
    if factors.multiplied:
        of_inputs = factors.by_output(shape) or (max(factors.multiplied),) * len(scales)
        scales = [scale * factor / PARTS for scale, factor in zip(scales, of_inputs, strict=True)]
    if factors.divided:
        scales = [scale * PARTS / factor for scale, factor in zip(scales, factors.divided, strict=True)]
    return scales
