"""Steps that sum over elements: reductions, softmax, normalization, products, and the choice of the largest."""

from __future__ import annotations

import torch

from benchmarks.random_chains.drawing import NUMBERS, Draw, Drawer, UnfitError
from benchmarks.random_chains.steps import Data, Rounding, Step, Written


def reduction(draw: Draw) -> Step:
    """A reduction of one axis or several, kept or dropped."""
    value = draw.pick((1, 2, 3, 4, 5))
    name = draw.random.choice(("sum", "mean", "amax", "amin", "sum", "mean", "logsumexp"))
    arguments: dict[str, Written] = {"dim": draw.axes(len(draw.shape(value)))}
    if draw.chance(0.5):
        arguments["keepdim"] = True
    return draw.step(f"torch.{name}({{0}}, {{arguments}})", [value], arguments, rounding=Rounding.SUM)


def spread(draw: Draw) -> Step:
    """Variance, deviation or norm."""
    value = draw.pick((1, 2, 3, 4))
    axes = draw.axes(len(draw.shape(value)))
    template = draw.random.choice(
        (
            "torch.var({0}, {dim}, unbiased=False, keepdim={keepdim})",
            "torch.std({0}, {dim}, unbiased=False, keepdim={keepdim})",
            "torch.norm({0}, 2.0, {dim}, {keepdim})",
            "torch.linalg.vector_norm({0}, 2.0, {dim}, {keepdim})",
        )
    )
    return draw.step(template, [value], {"dim": axes, "keepdim": draw.chance(0.5)}, rounding=Rounding.RANGE)


def single_axis(draw: Draw) -> Step:
    """What takes one axis."""
    value = draw.pick((0, 1, 2, 3, 4, 5))
    rank = len(draw.shape(value))
    arguments: dict[str, Written] = {"dim": draw.axis(rank)}
    templates = ("F.softmax({0}, {dim})", "F.log_softmax({0}, {dim})", "torch.cumsum({0}, {dim})", "F.glu({0}, {dim})")
    more = ("F.normalize({0}, dim={dim})", "F.softmin({0}, {dim})", "torch.prod({0}, {dim})")
    template = draw.random.choice((*templates, "F.softmax({0}, {dim})", *more))
    return draw.step(template, [value], arguments, rounding=Rounding.RANGE)


def everything(draw: Draw) -> Step:
    """A reduction of all axes at once."""
    name = draw.random.choice(("sum", "mean", "max", "min"))
    return draw.step(f"torch.{name}({{0}})", [draw.pick()], rounding=Rounding.SUM)


def extreme(draw: Draw) -> Step:
    """Where the largest or smallest is, kept or dropped."""
    value = draw.pick((0, 1, 2, 3, 4))
    arguments: dict[str, Written] = {"dim": draw.axis(len(draw.shape(value)))}
    if draw.chance(0.5):
        arguments["keepdim"] = True
    return draw.step(f"torch.arg{draw.random.choice(('max', 'min'))}({{0}}, {{arguments}})", [value], arguments)


def extreme_with_place(draw: Draw) -> Step:
    """The largest or smallest, and where it is."""
    value = draw.pick((1, 2, 3, 4))
    arguments: dict[str, Written] = {"dim": draw.axis(len(draw.shape(value))), "keepdim": draw.chance(0.5)}
    return draw.step(f"torch.{draw.random.choice(('max', 'min'))}({{0}}, {{arguments}})", [value], arguments, results=2)


def topk(draw: Draw) -> Step:
    """The largest few, in order, and where they are."""
    value = draw.pick((1, 2, 3, 4))
    axis = draw.axis(len(draw.shape(value)))
    arguments: dict[str, Written] = {"k": draw.random.randint(1, draw.shape(value)[axis]), "dim": axis}
    if draw.chance(0.3):
        arguments["largest"] = False
    return draw.step("torch.topk({0}, {arguments})", [value], arguments, rounding=Rounding.TIES, results=2)


def count(draw: Draw) -> Step:
    """Whether any or all hold, and sums of whole numbers."""
    value = draw.pick((1, 2, 3, 4), (torch.bool, *NUMBERS[1:]))
    axis = draw.axis(len(draw.shape(value)))
    name = draw.random.choice(("any", "all", "sum") if draw.tensors[value].dtype is torch.bool else ("sum", "amax"))
    return draw.step(f"torch.{name}({{0}}, {{dim}})", [value], {"dim": axis})


def linear(draw: Draw) -> Step:
    """A product with a weight, and a bias now and then."""
    value = draw.pick((1, 2, 3, 4))
    size = draw.shape(value)[-1]
    made = draw.size(draw.shape(value))
    parameters = [Data((made, size), low=-1.0, high=1.0), *([Data((made,))] if draw.chance(0.6) else [])]
    template = "F.linear({0}, {p0}, {p1})" if len(parameters) == 2 else "F.linear({0}, {p0})"
    return draw.step(template, [value], parameters=parameters, rounding=Rounding.RANGE)


def product_with_parameter(draw: Draw) -> Step:
    """A matrix product with a parameter on either side."""
    value = draw.pick((1, 2, 3, 4))
    shape = draw.shape(value)
    if draw.chance(0.5) or len(shape) < 2:
        other = Data((shape[-1], draw.size(shape)) if draw.chance(0.8) else (shape[-1],))
        return draw.step("torch.matmul({0}, {p0})", [value], parameters=[other], rounding=Rounding.RANGE)
    other = Data((draw.size(shape), shape[-2]))
    return draw.step("torch.matmul({p0}, {0})", [value], parameters=[other], rounding=Rounding.RANGE)


def product(draw: Draw) -> Step:
    """A product of two values, or of a value with its own transpose."""
    first = draw.pick((2, 3, 4))
    shape = draw.shape(first)
    template = draw.random.choice(("torch.matmul({0}, {1}.transpose(-1, -2))", "{0}.transpose(-1, -2) @ {1}"))
    if len(shape) == 3 and draw.chance(0.5):
        template = draw.random.choice(
            ("torch.bmm({0}, {1}.transpose(1, 2))", "torch.einsum('bij,bkj->bik', [{0}, {1}])")
        )
    axis = -1 if "{1}.tr" in template or "einsum" in template else -2

    def fits(tensor: torch.Tensor) -> bool:
        other = tuple(tensor.shape)
        return len(other) == len(shape) and other[:-2] == shape[:-2] and other[axis] == shape[axis]

    return draw.step(template, [first, draw.pick(fits=fits)], rounding=Rounding.RANGE)


def contraction(draw: Draw) -> Step:
    """A sum of products, by subscripts."""
    value = draw.pick((3, 4))
    rank = len(draw.shape(value))
    letters = "bijk"[:rank]
    axis = draw.random.randrange(1, rank)
    kept = [letter for letter in letters if letter != letters[axis]]
    kept.insert(draw.random.randrange(len(kept) + 1), "m")
    other = Data((draw.shape(value)[axis], draw.size(draw.shape(value))))
    template = f"torch.einsum('{letters},{letters[axis]}m->{''.join(kept)}', [{{0}}, {{p0}}])"
    return draw.step(template, [value], parameters=[other], rounding=Rounding.RANGE)


def normalization(draw: Draw) -> Step:
    """Batch, layer, group and instance normalization, with and without weights."""
    value = draw.pick((2, 3, 4, 5))
    shape = draw.shape(value)
    channels = shape[1]
    per_channel = [Data((channels,)), Data((channels,))]
    match draw.random.randrange(5):
        case 0 | 1:
            parameters = [Data((channels,)), Data((channels,), low=0.3), *per_channel]
            template = "F.batch_norm({0}, {p0}, {p1}, {p2}, {p3}, False, 0.1, 0.001)"
            if draw.chance(0.2):
                parameters, template = parameters[:2], "F.batch_norm({0}, {p0}, {p1})"
        case 2:
            last = shape[-draw.random.randint(1, len(shape)) :]
            parameters, template = [Data(last), Data(last)], "F.layer_norm({0}, {shape}, {p0}, {p1}, 0.001)"
            if draw.chance(0.3):
                parameters, template = [], "F.layer_norm({0}, {shape})"
            return draw.step(template, [value], {"shape": last}, parameters, Rounding.RANGE)
        case 3:
            groups = draw.random.choice([part for part in range(1, channels + 1) if channels % part == 0])
            return draw.step(
                "F.group_norm({0}, {groups}, {p0}, {p1}, 0.001)",
                [value],
                {"groups": groups},
                per_channel,
                Rounding.RANGE,
            )
        case _:
            if len(shape) < 3:
                raise UnfitError
            parameters, template = per_channel, "F.instance_norm({0}, None, None, {p0}, {p1}, True, 0.1, 0.001)"
    return draw.step(template, [value], parameters=parameters, rounding=Rounding.RANGE)


def attention(draw: Draw) -> Step:
    """Attention of a value to itself."""
    value = draw.pick((3, 4))
    return draw.step("F.scaled_dot_product_attention({0}, {0}, {0})", [value], rounding=Rounding.RANGE)


DRAWERS: tuple[Drawer, ...] = (
    *(reduction, reduction, reduction, spread, single_axis, single_axis, everything, extreme, extreme),
    *(extreme_with_place, topk, count, linear, linear, product_with_parameter, product, contraction, normalization),
    *(normalization, attention),
)
