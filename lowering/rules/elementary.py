"""Functions of one tensor, element by element, and powers."""

from __future__ import annotations

from math import inf, log, pi

from nnapi_check.lowering.compositions.elementwise import Elementwise, complementary, full_like, truncated, truth_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import Rule, lowers

_OPERATIONS = {
    "aten.neg.default": "NEG",
    "aten.abs.default": "ABS",
    "aten.exp.default": "EXP",
    "aten.log.default": "LOG",
    "aten.sqrt.default": "SQRT",
    "aten.rsqrt.default": "RSQRT",
    "aten.sin.default": "SIN",
    "aten.floor.default": "FLOOR",
}
_TINY = 1e-20
_LARGEST = 3.4028234663852886e38
"""The largest finite float32."""
_SQUARE_IS_ALL = 1e9
"""Of numbers above it, the root of the square plus 1 is the number itself."""


def _one_operation(kind: str) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation(kind, [emit.input("self")])

    return rule


for _op, _kind in _OPERATIONS.items():
    lowers(_op, way="operation")(_one_operation(_kind))
lowers("aten.pow.Tensor_Scalar", way="root")(_one_operation("SQRT"))
lowers("aten.pow.Tensor_Scalar", way="inverse root")(_one_operation("RSQRT"))


@lowers("aten.neg.default", way="product")
def neg(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL by -1."""
    x = emit.input("self")
    return Elementwise(emit, x).negated(x)


@lowers("aten.abs.default", way="composed")
def absolute(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RELU(x) + RELU(-x)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.add(write.of("RELU", x), write.of("RELU", write.negated(x)))


@lowers("aten.ceil.default", way="composed")
def ceil(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to -FLOOR(-x)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.negated(write.of("FLOOR", write.negated(x)))


@lowers("aten.trunc.default", way="composed")
def trunc(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FLOOR(RELU(x)) - FLOOR(RELU(-x))."""
    x = emit.input("self")
    return truncated(Elementwise(emit, x), x)


@lowers("aten.frac.default", way="composed")
def frac(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to x less its truncated value."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.add(x, write.negated(truncated(write, x)))


@lowers("aten.round.default", way="composed")
def round_half_to_even(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to FLOOR(x), plus 1 where the rest is above a half, or a half beside an odd number."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    truths = Elementwise(emit, x, truth_spec(emit.output_spec()))
    below = write.of("FLOOR", x)
    rest = write.sub(x, below)
    pairs = write.scaled(write.of("FLOOR", write.scaled(below, 0.5)), 2.0)
    is_odd = truths.of("GREATER", write.sub(below, pairs), write.number(0.5))
    is_half = truths.of("EQUAL", rest, write.number(0.5))
    is_above = truths.of("GREATER", rest, write.number(0.5))
    goes_up = truths.of("LOGICAL_OR", is_above, truths.of("LOGICAL_AND", is_half, is_odd))
    return write.of("SELECT", goes_up, write.shifted(below, 1.0), below)


@lowers("aten.sign.default", "aten.sgn.default", way="composed")
def sign(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to SELECT between 1, 0 and -1."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    truths = Elementwise(emit, x, truth_spec(emit.output_spec()))
    zero = write.number(0.0)
    one, none, minus = (full_like(emit, number) for number in (1.0, 0.0, -1.0))
    below = write.of("SELECT", truths.of("LESS", x, zero), minus, none)
    return write.of("SELECT", truths.of("GREATER", x, zero), one, below)


@lowers("aten.square.default", way="operation")
@lowers("aten.pow.Tensor_Scalar", way="square")
def square(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL with itself."""
    x = emit.input("self")
    return Elementwise(emit, x).mul(x, x)


@lowers("aten.pow.Tensor_Scalar", way="cube")
def cube(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MUL with its square."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.mul(write.mul(x, x), x)


@lowers("aten.reciprocal.default", way="operation")
@lowers("aten.pow.Tensor_Scalar", way="inverse")
def reciprocal(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DIV of 1."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.div(write.number(1.0), x)


@lowers("aten.pow.Tensor_Scalar", way="operation")
def power(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to POW."""
    x = emit.input("self")
    return emit.operation("POW", [x, emit.number(node.real("exponent"), x)])


@lowers("aten.pow.Tensor_Tensor", way="operation")
def power_of_tensors(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to POW."""
    x = emit.input("self")
    return emit.operation("POW", [x, emit.input_or_number("exponent", x)])


@lowers("aten.pow.Scalar", way="operation")
def power_of_number(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to POW of a constant."""
    exponent = emit.input("exponent")
    return emit.operation("POW", [emit.number(node.real("self"), exponent), exponent])


@lowers("aten.cos.default", way="composed")
def cos(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to 1 - 2 * SIN(x / 2)^2, which unlike a shifted sine rounds no argument."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    half = write.of("SIN", write.scaled(x, 0.5))
    return write.shifted(write.scaled(write.mul(half, half), -2.0), 1.0)


@lowers("aten.exp2.default", way="composed")
def exp2(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to EXP(x * log(2))."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.of("EXP", write.scaled(x, log(2.0)))


@lowers("aten.expm1.default", way="composed")
def expm1(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to EXP(x) - 1."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.shifted(write.of("EXP", x), -1.0)


def _logarithm(base: float) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        x = emit.input("self")
        write = Elementwise(emit, x)
        return write.scaled(write.of("LOG", x), 1 / log(base))

    return rule


lowers("aten.log2.default", way="composed")(_logarithm(2.0))
lowers("aten.log10.default", way="composed")(_logarithm(10.0))


@lowers("aten.log1p.default", way="composed")
def log1p(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG(x + 1)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.of("LOG", write.shifted(x, 1.0))


def _hyperbolic(sign_of_second: float) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        x = emit.input("self")
        write = Elementwise(emit, x)
        rising, falling = write.of("EXP", x), write.of("EXP", write.negated(x))
        return write.add(write.scaled(rising, 0.5), write.scaled(falling, 0.5 * sign_of_second))

    return rule


lowers("aten.sinh.default", way="composed")(_hyperbolic(-1.0))
lowers("aten.cosh.default", way="composed")(_hyperbolic(1.0))


@lowers("aten.erf.default", way="rational")
def erf(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to sign(x) * (1 - tail), with a rational form of the tail."""
    x = emit.input("self")
    return _erf(Elementwise(emit, x), x)


@lowers("aten.erfc.default", way="rational")
def erfc(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to 1 - erf(x)."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.sub(write.number(1.0), _erf(write, x))


def _erf(write: Elementwise, x: OperandId) -> OperandId:
    size = write.of("ABS", x)
    # The sign of an infinite number is that of a finite one, which can be divided by itself.
    finite = write.of("MINIMUM", write.of("MAXIMUM", x, write.number(-1.0)), write.number(1.0))
    signs = write.div(finite, write.of("MAXIMUM", write.of("ABS", finite), write.number(_TINY)))
    return write.mul(signs, write.sub(write.number(1.0), complementary(write, size)))


@lowers("aten.asinh.default", way="composed")
def asinh(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG(|x| + SQRT(x^2 + 1)), or LOG(|x|) + log(2) where x is large, with the sign of x."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    truths = Elementwise(emit, x, truth_spec(emit.output_spec()))
    size = write.of("ABS", x)
    root = write.of("SQRT", write.shifted(write.mul(x, x), 1.0))
    is_large = truths.of("GREATER", size, write.number(_SQUARE_IS_ALL))
    near = write.of("LOG", write.of("SELECT", is_large, size, write.add(size, root)))
    found = write.add(near, emit.operation("SELECT", [is_large, full_like(emit, log(2.0)), full_like(emit, 0.0)]))
    return write.of("SELECT", truths.of("GREATER", x, write.number(0.0)), found, write.negated(found))


@lowers("aten.acosh.default", way="composed")
def acosh(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG(x + SQRT(x - 1) * SQRT(x + 1)): the first root is undefined below 1, and neither overflows."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    root = write.mul(write.of("SQRT", write.shifted(x, -1.0)), write.of("SQRT", write.shifted(x, 1.0)))
    return write.of("LOG", write.add(x, root))


@lowers("aten.atanh.default", way="composed")
def atanh(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG((1 + x) / (1 - x)) / 2."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    quotient = write.div(write.shifted(x, 1.0), write.shifted(write.negated(x), 1.0))
    return write.scaled(write.of("LOG", quotient), 0.5)


def _scaling(factor: float) -> Rule:
    def rule(node: NodeReader, emit: Emitter) -> OperandId:
        x = emit.input("self")
        return Elementwise(emit, x).scaled(x, factor)

    return rule


lowers("aten.deg2rad.default", way="product")(_scaling(pi / 180))
lowers("aten.rad2deg.default", way="product")(_scaling(180 / pi))


@lowers("aten.hypot.default", way="composed")
def hypot(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the longer side times SQRT(1 + r^2), where r is the shorter side over it; an infinite side wins."""
    x, y = (emit.operation("ABS", [side], emit.spec(side)) for side in (emit.input("self"), emit.input("other")))
    write, truths = Elementwise(emit, x), Elementwise(emit, x, truth_spec(emit.output_spec()))
    longer, shorter = write.of("MAXIMUM", x, y), write.of("MINIMUM", x, y)
    ratio = write.div(shorter, longer)
    length = write.mul(longer, write.of("SQRT", write.shifted(write.mul(ratio, ratio), 1.0)))
    length = write.of("SELECT", truths.of("EQUAL", shorter, write.number(0.0)), longer, length)
    are_infinite = (emit.operation("EQUAL", [side, write.number(inf)], truth_spec(emit.spec(side))) for side in (x, y))
    return write.of("SELECT", truths.of("LOGICAL_OR", *are_infinite), full_like(emit, inf), length)


@lowers("aten.logaddexp.default", way="composed")
def logaddexp(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAXIMUM(x, y) - LOG(LOGISTIC(|x - y|)), where equal sides, infinite ones too, are 0 apart."""
    x, y = emit.input("self"), emit.input("other")
    write = Elementwise(emit, x)
    are_equal = Elementwise(emit, x, truth_spec(emit.output_spec())).of("EQUAL", x, y)
    apart = write.of("SELECT", are_equal, full_like(emit, 0.0), write.of("ABS", write.sub(x, y)))
    rest = write.of("LOG", write.of("LOGISTIC", apart))
    return write.sub(write.of("MAXIMUM", x, y), rest)


@lowers("aten.logit.default", way="composed")
def logit(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to LOG(x / (1 - x))."""
    x = emit.input("self")
    write = Elementwise(emit, x)
    return write.of("LOG", write.div(x, write.shifted(write.negated(x), 1.0)))


@lowers("aten.nan_to_num.default", way="composed")
def nan_to_num(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a SELECT for each infinity by EQUAL, and one for NaN, which alone is NOT_EQUAL to itself."""
    x = emit.input("self")
    write, truths = Elementwise(emit, x), Elementwise(emit, x, truth_spec(emit.output_spec()))
    found = x
    for name, usual, kind, other in (
        ("posinf", _LARGEST, "EQUAL", write.number(inf)),
        ("neginf", -_LARGEST, "EQUAL", write.number(-inf)),
        ("nan", 0.0, "NOT_EQUAL", x),
    ):
        number = node.real(name) if node.has(name) else usual
        found = write.of("SELECT", truths.of(kind, x, other), full_like(emit, number), found)
    return found
