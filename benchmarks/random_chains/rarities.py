"""Steps that models have less often: sorting, triangles, remainders, masks, scattering, sampling, recurrence."""

from __future__ import annotations

import torch

from benchmarks.random_chains.drawing import NUMBERS, WHOLE, Draw, Drawer, UnfitError
from benchmarks.random_chains.steps import Data, Rounding, Step, Written


def moved_axis(draw: Draw) -> Step:
    """Axes moved, exchanged or mirrored by ops that are spelled otherwise."""
    value = draw.pick((2, 3, 4))
    rank = len(draw.shape(value))
    arguments: dict[str, Written] = {"first": draw.axis(rank), "second": draw.axis(rank)}
    names = (
        "torch.movedim({0}, {first}, {second})",
        "torch.swapaxes({0}, {first}, {second})",
        "{0}.mT",
        "{0}.adjoint()",
    )
    return draw.step(draw.random.choice(names), [value], arguments)


def sorting(draw: Draw) -> Step:
    """All elements of an axis in order."""
    value = draw.pick((1, 2, 3))
    arguments: dict[str, Written] = {"dim": draw.axis(len(draw.shape(value))), "descending": draw.chance(0.5)}
    return draw.step("torch.sort({0}, {arguments})", [value], arguments, rounding=Rounding.TIES, results=2)


def triangle(draw: Draw) -> Step:
    """One side of a diagonal, or the diagonal itself."""
    value = draw.pick((2, 3, 4))
    name = draw.random.choice(("tril", "triu", "tril"))
    return draw.step(f"torch.{name}({{0}}, {{diagonal}})", [value], {"diagonal": draw.random.randint(-2, 2)})


def sum_of_products(draw: Draw) -> Step:
    """A matrix product with a sum, and factors of both."""
    value = draw.pick((2,))
    rows, columns = draw.shape(value)
    made = draw.size((rows, columns))
    arguments: dict[str, Written] = {"beta": 0.5, "alpha": 1.5} if draw.chance(0.5) else {}
    return draw.step(
        "torch.addmm({p0}, {0}, {p1}, {arguments})",
        [value],
        arguments,
        [Data((rows, made) if draw.chance(0.5) else (made,)), Data((columns, made))],
        Rounding.RANGE,
    )


def three_values(draw: Draw) -> Step:
    """Arithmetic of three tensors."""
    value = draw.pick()
    other = Data(draw.shape(value)[-1:], low=0.5)
    name = draw.random.choice(
        (
            "torch.addcmul({0}, {0}, {p0}, value=0.5)",
            "torch.addcdiv({0}, {0}, {p0}, value=0.5)",
            "torch.lerp({0}, {p0}, 0.3)",
        )
    )
    return draw.step(name, [value], parameters=[other], rounding=Rounding.ELEMENT)


def remainder(draw: Draw) -> Step:
    """Division with a remainder, of floats and whole numbers."""
    value = draw.pick(dtypes=NUMBERS)
    templates = (
        *("torch.remainder({0}, {number})", "torch.fmod({0}, {number})", "{0} // {number}", "{0} % {number}"),
        *("torch.div({0}, {number}, rounding_mode='trunc')", "torch.floor_divide({0}, {number})"),
    )
    number = draw.random.choice((2, 3, -2)) if draw.tensors[value].dtype in WHOLE else draw.random.choice((0.75, 2.0))
    return draw.step(draw.random.choice(templates), [value], {"number": number})


def pair_function(draw: Draw) -> Step:
    """A function of a value and a parameter."""
    value = draw.pick()
    other = Data(draw.shape(value)[-1:], low=0.5)
    names = ("torch.hypot({0}, {p0})", "torch.atan2({0}, {p0})", "torch.fmax({0}, {p0})", "torch.pow({p0}, {0})")
    more = ("torch.logaddexp({0}, {p0})", "torch.clamp({0}, {p0} - 1.0, {p0})", "torch.xlogy({0}, {p0})")
    return draw.step(draw.random.choice((*names, *more)), [value], parameters=[other], rounding=Rounding.ELEMENT)


def mask(draw: Draw) -> Step:
    """A choice by a constant mask, also before a softmax."""
    value = draw.pick((2, 3, 4))
    names = (
        "{0}.masked_fill({p0}, -1.5)",
        "F.softmax({0}.masked_fill({p0}, -10000.0), -1)",
        "torch.where({p0}, {0}, -{0})",
        "{0} * {p0}",
    )
    parameters = [Data(draw.shape(value)[-2:], torch.bool)]
    return draw.step(draw.random.choice(names), [value], parameters=parameters, rounding=Rounding.RANGE)


def with_place(draw: Draw) -> Step:
    """Values put at constant places."""
    value = draw.pick((2, 3))
    shape = list(draw.shape(value))
    axis = draw.random.randrange(len(shape))
    size = shape[axis]
    shape[axis] = 1
    names = ("torch.scatter({0}, {dim}, {p0}, 0.5)", "torch.scatter({0}, {dim}, {p0}, {p1})")
    parameters = [Data(tuple(shape), torch.int64, 0, size), Data(tuple(shape))]
    template = draw.random.choice(names)
    return draw.step(template, [value], {"dim": axis}, parameters if "p1" in template else parameters[:1])


def statistics(draw: Draw) -> Step:
    """Mean and variance at once."""
    value = draw.pick((1, 2, 3, 4))
    arguments: dict[str, Written] = {
        "dim": draw.axes(len(draw.shape(value))),
        "unbiased": False,
        "keepdim": draw.chance(0.5),
    }
    return draw.step("torch.var_mean({0}, {arguments})", [value], arguments, rounding=Rounding.SUM, results=2)


def running(draw: Draw) -> Step:
    """What adds up or multiplies along an axis."""
    value = draw.pick((1, 2, 3))
    name = draw.random.choice(("cumprod", "cumsum"))
    arguments: dict[str, Written] = {"dim": draw.axis(len(draw.shape(value)))}
    return draw.step(f"torch.{name}({{0}}, {{dim}})", [value], arguments, rounding=Rounding.SUM)


def sampling(draw: Draw) -> Step:
    """Samples of an image on a constant grid."""
    value = draw.pick((4,))
    batch = draw.shape(value)[0]
    arguments: dict[str, Written] = {
        "mode": draw.random.choice(("bilinear", "nearest")),
        "padding_mode": draw.random.choice(("zeros", "border")),
        "align_corners": draw.chance(0.5),
    }
    grid = Data((batch, draw.size(), draw.size(), 2), low=-1.2, high=1.2)
    return draw.step("F.grid_sample({0}, {p0}, {arguments})", [value], arguments, [grid], Rounding.RANGE)


def outer(draw: Draw) -> Step:
    """Products of every pair."""
    value = draw.pick((1,))
    return draw.step("torch.outer({0}, {p0})", [value], parameters=[Data((draw.size(),))], rounding=Rounding.ELEMENT)


def split_heads(draw: Draw) -> Step:
    """Heads of attention: a dimension divided, and moved forward."""
    value = draw.pick((3,))
    batch, length, size = draw.shape(value)
    heads = draw.random.choice([part for part in range(1, size + 1) if size % part == 0])
    arguments: dict[str, Written] = {"shape": (batch, length, heads, size // heads)}
    template = draw.random.choice(
        (
            "{0}.view({shape}).transpose(1, 2)",
            "{0}.reshape({shape}).permute([0, 2, 3, 1])",
            "{0}.reshape({shape}).permute([2, 0, 1, 3])",
        )
    )
    return draw.step(template, [value], arguments)


def squeeze_and_excite(draw: Draw) -> Step:
    """Channels weighted by what their means give."""
    value = draw.pick((4,))
    channels = draw.shape(value)[1]
    template = "{0} * torch.sigmoid(F.conv2d({0}.mean([2, 3], keepdim=True), {p0}))"
    if draw.chance(0.5):
        template = "{0} * torch.sigmoid(F.linear(F.adaptive_avg_pool2d({0}, 1).flatten(1), {p0}))[:, :, None, None]"
        return draw.step(template, [value], parameters=[Data((channels, channels))], rounding=Rounding.RANGE)
    return draw.step(template, [value], parameters=[Data((channels, channels, 1, 1))], rounding=Rounding.RANGE)


def recurrence(draw: Draw) -> Step:
    """One step of a recurrent cell."""
    value = draw.pick((2,))
    rows, size = draw.shape(value)
    made = draw.size((rows, size))
    if rows > 4:
        raise UnfitError
    parameters = [
        Data((rows, made)),
        Data((3 * made, size), low=-1.0, high=1.0),
        Data((3 * made, made), low=-1.0, high=1.0),
    ]
    return draw.step("torch.gru_cell({0}, {p0}, {p1}, {p2})", [value], parameters=parameters, rounding=Rounding.RANGE)


DRAWERS: tuple[Drawer, ...] = (
    *(moved_axis, sorting, triangle, sum_of_products, three_values, remainder, pair_function, mask, with_place),
    *(
        statistics,
        running,
        sampling,
        outer,
        split_heads,
        split_heads,
        squeeze_and_excite,
        squeeze_and_excite,
        recurrence,
    ),
)
