"""What every way demands of quantization parameters: that NNAPI can state them, and that no integers overflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from nnapi_check.analyzer.graph import (
    ABSENT,
    ElementType,
    Node,
    NotQuantized,
    PerChannel,
    PerTensor,
    Quantization,
    Ref,
    RefList,
    TensorType,
)
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.nnapi_types import SCALES
from nnapi_check.analyzer.quantities import Uses

HIGHEST_STEPS = 2**30
"""How many steps a result may be from 0. QNNPACK's conversions to INT32 make of what is beyond 2**31 its other end."""

HIGHEST_FLOAT_STEPS = 2**24
"""The same of what is computed in float32, which tells no single steps beyond."""

USUAL_BIAS = 4.0
"""What a bias is taken to be at most that was not read: a layer's real numbers are of the order of 1."""

_NO_WEIGHTS = 1.2e-7
"""The scale that PyTorch's observers give channels whose weights are all 0: only the bias is left of these."""

_STORED = {ElementType.QUINT8: (0, 255), ElementType.QINT8: (-128, 127)}
_PRODUCTS = frozenset({"mul", "mul_relu", "matmul"})


def quantization_failures(node: Node, uses: Uses) -> Iterator[Failure]:
    """Of a node with quantized tensors: parameters that none may have, and results out of reach of INT32."""
    kinds = {value: kind for value in (*node.inputs(), *node.outputs) if (kind := _quantized(value, uses)) is not None}
    if not kinds:
        return
    illegal = [failure for kind in kinds.values() for failure in _illegal(kind)]
    yield from illegal
    # What joins tensors of other scales rounds them to the result's.
    is_rounded = node.op.startswith("quantized.") or any(isinstance(x, RefList) for x in node.arguments.values())
    if not illegal and is_rounded and node.outputs[0] in kinds:
        yield from _out_of_reach(node, kinds, _bias(node, uses))


def _quantized(value: int, uses: Uses) -> TensorType | None:
    kind = uses.graph.values[value].type
    return kind if isinstance(kind, TensorType) and kind.is_quantized else None


def _illegal(kind: TensorType) -> Iterator[Failure]:
    low, high = SCALES
    scales, zero_points = _parameters(kind.quant)
    wrong = [scale for scale in scales if not low <= scale <= high]
    if wrong:
        yield Failure(
            reason="NNC501",
            requirement="scale",
            way="",
            found=f"the scale is {wrong[0]:g}",
            wanted=f"a scale between {low:.2g} and {high:.2g}",
            because="A scale is a number above 0 whose inverse float32 has.",
            fix="Calibrate the model with inputs that are finite and not all 0.",
        )
    least, greatest = _STORED.get(kind.dtype, (-(2**31), 2**31 - 1))
    beyond = [zero for zero in zero_points if not least <= zero <= greatest]
    if beyond:
        yield Failure(
            reason="NNC501",
            requirement="zero-point",
            way="",
            found=f"the zero point is {beyond[0]}",
            wanted=f"a zero point between {least} and {greatest}",
            because=f"A zero point is one of the integers that {kind.dtype.value} stores.",
            fix="Calibrate the model anew, with an observer of this element type.",
        )


def _parameters(quant: Quantization) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The scales and the zero points of a quantization: none, one of each, or as many as there are channels."""
    match quant:
        case PerTensor(scale, zero_point):
            return (scale,), (zero_point,)
        case PerChannel(scales, zero_points, _):
            return scales, zero_points
        case NotQuantized():
            return (), ()


def _scales(kind: TensorType) -> tuple[float, ...]:
    return _parameters(kind.quant)[0]


def _bias(node: Node, uses: Uses) -> float:
    """The greatest magnitude of a node's bias; 0 where it has none."""
    match node.arguments.get("bias", ABSENT):
        case Ref(value):
            reach = uses.graph.values[value].reach
            return USUAL_BIAS if reach is None else reach
        case _:
            return 0.0


def _out_of_reach(node: Node, kinds: Mapping[int, TensorType], bias: float) -> Iterator[Failure]:
    output = _scales(kinds[node.outputs[0]])[0]
    highest = HIGHEST_STEPS
    weight = _at("weight", node, kinds)
    inputs = [kind for name in node.arguments if name != "weight" for kind in _all_at(name, node, kinds)]
    ranges = [_range(kind) for kind in inputs]
    if weight is not None and inputs:
        filled = [scale for scale in _scales(weight) if scale > _NO_WEIGHTS]
        product = _scales(inputs[0])[0] * min(filled, default=1.0)
        if not bias <= product * HIGHEST_STEPS:
            yield Failure(
                reason="NNC501",
                requirement="bias-fits",
                way="",
                found=f"the input's scale times the weight's is {product:.3g}, beside a bias of {bias:.3g}",
                wanted=f"at least {bias / HIGHEST_STEPS:.3g}",
                because="The bias is INT32 in steps of that product, and overflows where they are so small.",
                fix="Calibrate the model with wider inputs, or leave out channels whose weights are all 0.",
            )
        reach = ranges[0] * _range(weight) * prod(weight.shape[1:]) + bias
    elif node.op.split(".")[1] in _PRODUCTS:
        reach = prod(ranges) * (inputs[0].shape[-1] if "matmul" in node.op else 1)
    else:
        highest, reach = HIGHEST_FLOAT_STEPS, max([1.0, *ranges])
    if not reach <= output * highest:
        yield Failure(
            reason="NNC501",
            requirement="output-in-reach",
            way="",
            found=f"the output's scale is {output:.3g}, where results may be {reach:.3g}",
            wanted=f"at least {reach / highest:.3g}",
            because="Engines count a result in steps of the output's scale, and overflow where these are so small.",
            fix="Calibrate the model with inputs like those it will see.",
        )


def _at(name: str, node: Node, kinds: Mapping[int, TensorType]) -> TensorType | None:
    return next(_all_at(name, node, kinds), None)


def _all_at(name: str, node: Node, kinds: Mapping[int, TensorType]) -> Iterator[TensorType]:
    match node.arguments.get(name):
        case Ref(value) if value in kinds:
            yield kinds[value]
        case RefList(values):
            yield from (kinds[value] for value in values if value is not None and value in kinds)
        case _:
            pass


def _range(kind: TensorType) -> float:
    return 255 * max(_scales(kind))
