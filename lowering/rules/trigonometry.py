"""The tangent and the inverse trigonometric functions, composed of a polynomial for the arc tangent and of sines."""

from __future__ import annotations

from math import pi

from nnapi_check.lowering.compositions.elementwise import Elementwise, truth_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers

_HALF_PI = pi / 2

# Fitted for the least relative error over [0, 1]: t + t * u * p(u), where u = t * t. Their own error is 2.6e-9, so that
# what is left is the rounding of float32.
_COEFFICIENTS = (
    -0.001793622946637095,
    0.010914611387197497,
    -0.03117785655776424,
    0.0579576045332085,
    -0.08403450981851376,
    0.10952186002947131,
    -0.14264241724304635,
    0.19998548288429188,
    -0.33333299089260393,
)


def _small_angle(write: Elementwise, t: OperandId) -> OperandId:
    """The arc tangent of a tensor between -1 and 1, with MUL and ADD; nan stays nan."""
    square = write.mul(t, t)
    found = write.scaled(square, _COEFFICIENTS[0])
    for coefficient in _COEFFICIENTS[1:]:
        found = write.mul(write.shifted(found, coefficient), square)
    return write.add(t, write.mul(t, found))


_LEAST, _GREATEST = 2.0**-126, (2.0 - 2.0**-23) * 2.0**127
"""The least positive number of full precision, and the greatest one, of float32."""

_RIGHT_ANGLE_PARTS = (1.5703125, 4.837512969970703125e-4, 7.54978995489188216e-8)
"""The sum is a right angle; a whole number below 2^12 times either of the first two has no rounding in float32."""


@lowers("aten.atan.default", way="selected")
def atan(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a polynomial of x or 1 / x, whichever is smaller, taken from a right angle where it is 1 / x."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    is_steep = Elementwise(emit, x, truth_spec(emit.output_spec())).of("GREATER", write.of("ABS", x), write.number(1.0))
    angle = _small_angle(write, write.of("SELECT", is_steep, write.div(write.number(1.0), x), x))
    right_angle = write.scaled(write.of("RELU1", x), _HALF_PI)
    return write.of("SELECT", is_steep, write.sub(right_angle, angle), angle)


@lowers("aten.atan.default", way="clamped")
def atan_clamped(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a polynomial of RELU1(x) / MAX(|x|, 1), and the rest of a right angle where that is below x."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    size = write.add(write.of("RELU", x), write.of("RELU", write.negated(x)))
    above = write.of("RELU", write.shifted(size, -1.0))
    clamped = write.of("RELU1", x)
    angle = _small_angle(write, write.div(clamped, write.shifted(above, 1.0)))
    # The rest is zero where |x| is 1, so that the step need not be sharp: it is 1 from 1 + 2^-22 on.
    step = write.of("RELU1", write.scaled(above, 2.0**22))
    rest = write.sub(write.scaled(clamped, _HALF_PI), write.scaled(angle, 2.0))
    return write.add(angle, write.mul(step, rest))


@lowers("aten.asin.default", way="composed")
def asin(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to 2 * atan(x / (1 + SQRT((1 - x) * (1 + x)))), where the arc tangent is a polynomial."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    root = write.of("SQRT", write.mul(write.shifted(write.negated(x), 1.0), write.shifted(x, 1.0)))
    return write.scaled(_small_angle(write, write.div(x, write.shifted(root, 1.0))), 2.0)


@lowers("aten.acos.default", way="composed")
def acos(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to twice the arc tangent, a polynomial, of SQRT(1 - |x|) / SQRT(1 + |x|), taken from pi where x < 0."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    is_below = Elementwise(emit, x, truth_spec(emit.output_spec())).of("LESS", x, write.number(0.0))
    less, more = write.shifted(write.negated(x), 1.0), write.shifted(x, 1.0)
    smaller = write.of("SELECT", is_below, more, less)
    larger = write.of("SELECT", is_below, less, more)
    twice = write.scaled(_small_angle(write, write.div(write.of("SQRT", smaller), write.of("SQRT", larger))), 2.0)
    return write.of("SELECT", is_below, write.shifted(write.negated(twice), pi), twice)


@lowers("aten.atan2.default", way="composed")
def atan2(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the arc tangent, a polynomial, of the smaller side over the larger, turned into the point's octant."""
    y, x = emit.input("self"), emit.input("other")
    write = Elementwise(emit, x)
    truths = Elementwise(emit, x, truth_spec(emit.output_spec()))
    width, height = write.of("ABS", x), write.of("ABS", y)
    is_steep = truths.of("GREATER", height, width)
    # The inverse of a zero is infinite, and has its sign.
    is_left, is_below = (
        truths.of("LESS", write.of("MINIMUM", side, write.div(write.number(1.0), side)), write.number(0.0))
        for side in (x, y)
    )
    # nan is in the first input of MAXIMUM and MINIMUM, where Android's reference CPU keeps it.
    smaller, larger = (
        write.of("MINIMUM", write.of("SELECT", is_steep, *sides), write.number(_GREATEST))
        for sides in ((width, height), (height, width))
    )
    angle = _small_angle(write, write.div(smaller, write.of("MAXIMUM", larger, write.number(_LEAST))))
    angle = write.of("SELECT", is_steep, write.shifted(write.negated(angle), _HALF_PI), angle)
    angle = write.of("SELECT", is_left, write.shifted(write.negated(angle), pi), angle)
    return write.of("SELECT", is_below, write.negated(angle), angle)


@lowers("aten.tan.default", way="composed")
def tan(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to sin(r) / cos(r), or -cos(r) / sin(r) after an odd number of right angles; r is x less those.

    So a pole is where r is 0, where float32 is finest.
    """
    x = emit.input("self")
    write = Elementwise(emit, x)
    turns = write.of("FLOOR", write.shifted(write.scaled(x, 1 / _HALF_PI), 0.5))
    rest = x
    for part in _RIGHT_ANGLE_PARTS:
        rest = write.sub(rest, write.scaled(turns, part))
    sine, half = write.of("SIN", rest), write.of("SIN", write.scaled(rest, 0.5))
    cosine = write.shifted(write.scaled(write.mul(half, half), -2.0), 1.0)
    pairs = write.scaled(write.of("FLOOR", write.scaled(turns, 0.5)), 2.0)
    is_odd = Elementwise(emit, x, truth_spec(emit.output_spec())).of("GREATER", turns, pairs)
    above = write.of("SELECT", is_odd, write.negated(cosine), sine)
    return write.div(above, write.of("SELECT", is_odd, sine, cosine))
