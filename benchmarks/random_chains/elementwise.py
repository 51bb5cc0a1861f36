"""Steps that work element by element: arithmetic with broadcasting, functions, comparisons, choices and conversions."""

from __future__ import annotations

import torch

from benchmarks.random_chains.drawing import BOOL, FLOAT, NUMBERS, WHOLE, Draw, Drawer
from benchmarks.random_chains.steps import Data, Rounding, Step

_EXACT = ("F.relu({0})", "F.relu6({0})", "F.hardtanh({0})", "-{0}", "torch.abs({0})", "torch.sign({0})")
_ROUNDED = (
    "torch.sigmoid({0})",
    "torch.tanh({0})",
    "torch.exp({0}.clamp(-3.0, 3.0))",
    "torch.sqrt({0}.abs() + 0.25)",
    "torch.rsqrt({0}.abs() + 0.25)",
    "torch.log({0}.abs() + 0.5)",
    "torch.reciprocal({0}.abs() + 0.5)",
    "torch.square({0})",
    "torch.sin({0})",
    "torch.cos({0})",
    "torch.erf({0})",
    "torch.expm1({0}.clamp(-3.0, 3.0))",
    "torch.log1p({0}.abs())",
    "F.gelu({0})",
    "F.silu({0})",
    "F.mish({0})",
    "F.softplus({0})",
    "F.hardswish({0})",
    "F.hardsigmoid({0})",
    "F.elu({0})",
    "F.selu({0})",
    "F.celu({0})",
    "F.leaky_relu({0}, 0.2)",
    "F.softsign({0})",
    "F.logsigmoid({0})",
    "F.tanhshrink({0})",
    "F.gelu({0}, approximate='tanh')",
)
_STEPWISE = ("torch.floor({0})", "torch.ceil({0})", "torch.round({0})", "torch.trunc({0})", "torch.frac({0})")
_PAIRS = ("{0} + {1}", "{0} - {1}", "{0} * {1}", "torch.maximum({0}, {1})", "torch.minimum({0}, {1})")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def activation(draw: Draw) -> Step:
    """A function that is exact in floats."""
    return draw.step(draw.random.choice(_EXACT), [draw.pick()])


def function(draw: Draw) -> Step:
    """A smooth function."""
    return draw.step(draw.random.choice(_ROUNDED), [draw.pick()], rounding=Rounding.ELEMENT)


def stepwise(draw: Draw) -> Step:
    """A function with jumps."""
    return draw.step(draw.random.choice(_STEPWISE), [draw.pick()])


def pair(draw: Draw) -> Step:
    """Two values of any shapes that broadcast."""
    first = draw.pick(dtypes=NUMBERS)
    shape, dtype = draw.shape(first), draw.tensors[first].dtype
    second = draw.pick(dtypes=(dtype,), fits=lambda tensor: _broadcasts(shape, tuple(tensor.shape)))
    operands = [first, second] if draw.chance(0.5) else [second, first]
    return draw.step(draw.random.choice(_PAIRS), operands, rounding=_rounding(dtype))


def quotient(draw: Draw) -> Step:
    """A division by what is not near zero."""
    first = draw.pick()
    shape = draw.shape(first)
    second = draw.pick(fits=lambda tensor: _broadcasts(shape, tuple(tensor.shape)))
    return draw.step("{0} / ({1}.abs() + 0.5)", [first, second], rounding=Rounding.ELEMENT)


def with_parameter(draw: Draw) -> Step:
    """A value and a parameter that broadcasts with it, to a larger rank or shape now and then."""
    first = draw.pick()
    shape = [size if draw.chance(0.6) else 1 for size in draw.shape(first)]
    cut = draw.random.randint(0, len(shape)) if draw.chance(0.4) else 0
    shape = shape[cut:]
    if draw.chance(0.1):
        shape = [draw.size(draw.shape(first)), *([1] * (len(draw.shape(first)) - len(shape))), *shape]
    template = draw.random.choice((*_PAIRS, "{0} / {1}", "{1} / ({0}.abs() + 0.5)"))
    template = template.replace("{1}", "{p0}")
    if draw.chance(0.3) and "/" not in template:
        template = template.replace("{0}", "{first}").replace("{p0}", "{0}").replace("{first}", "{p0}")
    low = 0.5 if "/ {p0}" in template else -2.0
    return draw.step(template, [first], parameters=[Data(tuple(shape), low=low)], rounding=Rounding.ELEMENT)


def with_number(draw: Draw) -> Step:
    """A value and a number, in both orders."""
    first = draw.pick()
    templates = ("{0} + {number}", "{number} - {0}", "{0} * {number}", "{number} * {0}", "{0} / {number}")
    more = ("{number} / ({0}.abs() + 0.5)", "torch.pow({0}.abs() + 0.25, {number})", "{0} - {number}")
    number = draw.random.choice((0.5, -1.5, 2, 3, 0.3, -0.7))
    return draw.step(draw.random.choice((*templates, *more)), [first], {"number": number}, rounding=Rounding.ELEMENT)


def whole_with_number(draw: Draw) -> Step:
    """Whole numbers and a whole number."""
    templates = ("{0} + {number}", "{number} - {0}", "{0} * {number}")
    return draw.step(draw.random.choice(templates), [draw.pick(dtypes=WHOLE)], {"number": draw.random.randint(-3, 4)})


def scaled_sum(draw: Draw) -> Step:
    """A sum or difference with a factor, by the ops that take one."""
    first = draw.pick()
    second = draw.pick(fits=lambda tensor: _broadcasts(draw.shape(first), tuple(tensor.shape)))
    name = draw.random.choice(("add", "sub", "rsub"))
    return draw.step(
        f"torch.{name}({{0}}, {{1}}, {{arguments}})", [first, second], {"alpha": 1.5}, rounding=Rounding.ELEMENT
    )


def comparison(draw: Draw) -> Step:
    """A comparison with a number or another value."""
    first = draw.pick(dtypes=NUMBERS)
    sign = draw.random.choice(_COMPARISONS)
    if draw.chance(0.5):
        return draw.step(f"{{0}} {sign} {{number}}", [first], {"number": draw.random.choice((0, 1, 2))})
    shape, dtype = draw.shape(first), draw.tensors[first].dtype
    second = draw.pick(dtypes=(dtype,), fits=lambda tensor: _broadcasts(shape, tuple(tensor.shape)))
    return draw.step(f"{{0}} {sign} {{1}}", [first, second])


def logic(draw: Draw) -> Step:
    """Truth values combined."""
    first = draw.pick(dtypes=BOOL)
    second = draw.pick(dtypes=BOOL, fits=lambda tensor: _broadcasts(draw.shape(first), tuple(tensor.shape)))
    names = ("torch.logical_and({0}, {1})", "{0} | {1}", "torch.logical_not({0})", "torch.logical_xor({0}, {1})")
    template = draw.random.choice(names)
    return draw.step(template, [first, second] if "{1}" in template else [first])


def choice(draw: Draw) -> Step:
    """One of two values by a condition."""
    condition = draw.pick(dtypes=BOOL)
    shape = draw.shape(condition)
    first = draw.pick(fits=lambda tensor: _broadcasts(shape, tuple(tensor.shape)))
    match draw.random.randrange(4):
        case 0:
            return draw.step("torch.where({0}, {1}, 0.5)", [condition, first])
        case 1:
            return draw.step("{1}.masked_fill({0}, -0.5)", [condition, first])
        case 2:
            return draw.step("torch.where({0}, {p0}, {1})", [condition, first], parameters=[Data((1,))])
        case _:
            second = draw.pick(fits=lambda tensor: _broadcasts(shape, tuple(tensor.shape)))
            return draw.step("torch.where({0}, {1}, {2})", [condition, first, second])


def clamp(draw: Draw) -> Step:
    """Bounds on either side or both."""
    found = draw.random.choice(({"min": -0.5}, {"max": 0.7}, {"min": -0.3, "max": 1.1}, {"min": 0.0, "max": 6.0}))
    return draw.step("torch.clamp({0}, {arguments})", [draw.pick()], dict(found))


def conversion(draw: Draw) -> Step:
    """Another element type."""
    value = draw.pick(dtypes=(*NUMBERS, torch.bool))
    wanted = draw.random.choice((torch.float32, torch.float32, torch.int32, torch.int64, torch.bool))
    return draw.step(f"{{0}}.to({wanted})", [value])


def prelu(draw: Draw) -> Step:
    """A slope for each channel."""
    value = draw.pick(ranks=(2, 3, 4, 5))
    channels = draw.random.choice((1, draw.shape(value)[1]))
    return draw.step("F.prelu({0}, {p0})", [value], parameters=[Data((channels,))], rounding=Rounding.ELEMENT)


def _broadcasts(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    pairs = zip(reversed(first), reversed(second), strict=False)
    return all(left == right or 1 in (left, right) for left, right in pairs)


def _rounding(dtype: torch.dtype) -> Rounding:
    return Rounding.ELEMENT if dtype in FLOAT else Rounding.NONE


DRAWERS: tuple[Drawer, ...] = (
    *(activation, function, function, stepwise, pair, pair, quotient, with_parameter, with_parameter, with_number),
    *(whole_with_number, scaled_sum, comparison, logic, choice, clamp, conversion, prelu),
)
