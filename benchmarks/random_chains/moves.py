"""Steps that move elements: views, permutations, slices, joins, padding, repetition and lookups."""

from __future__ import annotations

import torch

from benchmarks.random_chains.drawing import FLOAT, NUMBERS, WHOLE, Draw, Drawer, UnfitError
from benchmarks.random_chains.steps import Data, Step

_ALL = (*NUMBERS, torch.bool)


def _any(draw: Draw, *ranks: int) -> int:
    dtypes = _ALL if draw.chance(0.2) else FLOAT
    return draw.pick(ranks or (0, 1, 2, 3, 4, 5), dtypes)


def _factors(draw: Draw, elements: int) -> tuple[int, ...]:
    """A shape of this many elements."""
    shape: list[int] = []
    while elements > 1 and len(shape) < 4:
        divisors = [size for size in range(1, elements + 1) if elements % size == 0]
        shape.append(draw.random.choice(divisors))
        elements //= shape[-1]
    return (*shape, elements)


def reshape(draw: Draw) -> Step:
    """Another shape, with one size left open now and then."""
    value = _any(draw)
    shape = list(_factors(draw, draw.tensors[value].numel()))
    draw.random.shuffle(shape)
    if draw.chance(0.4):
        shape[draw.random.randrange(len(shape))] = -1
    name = draw.random.choice(("reshape", "reshape", "view"))
    return draw.step(f"{{0}}.{name}({{shape}})", [value], {"shape": tuple(shape)})


def merge(draw: Draw) -> Step:
    """Neighboring dimensions made one, as before a product."""
    value = _any(draw, 2, 3, 4, 5)
    rank = len(draw.shape(value))
    start = draw.random.randrange(rank)
    end = draw.random.randrange(start, rank)
    return draw.step("torch.flatten({0}, {start_dim}, {end_dim})", [value], {"start_dim": start, "end_dim": end - rank})


def split_dimension(draw: Draw) -> Step:
    """One dimension made two."""
    value = _any(draw, 1, 2, 3, 4)
    axis = draw.axis(len(draw.shape(value)))
    size = draw.shape(value)[axis]
    part = draw.random.choice([part for part in range(1, size + 1) if size % part == 0])
    return draw.step("{0}.unflatten({dim}, {sizes})", [value], {"dim": axis, "sizes": (part, size // part)})


def unsqueeze(draw: Draw) -> Step:
    """A dimension of one more."""
    value = _any(draw, 0, 1, 2, 3, 4)
    return draw.step("torch.unsqueeze({0}, {dim})", [value], {"dim": draw.axis(len(draw.shape(value)) + 1)})


def squeeze(draw: Draw) -> Step:
    """Dimensions of one less."""
    value = draw.pick(dtypes=_ALL, fits=lambda tensor: 1 in tensor.shape)
    shape = draw.shape(value)
    axis = draw.random.choice([axis for axis, size in enumerate(shape) if size == 1])
    if draw.chance(0.3):
        return draw.step("torch.squeeze({0})", [value])
    return draw.step("torch.squeeze({0}, {dim})", [value], {"dim": axis})


def permute(draw: Draw) -> Step:
    """Dimensions in another order."""
    value = _any(draw, 2, 3, 4, 5)
    rank = len(draw.shape(value))
    order = draw.random.sample(range(rank), rank)
    if draw.chance(0.3):
        order = [axis - rank for axis in order]
    return draw.step("{0}.permute({order})", [value], {"order": tuple(order)})


def transpose(draw: Draw) -> Step:
    """Two dimensions exchanged."""
    value = _any(draw, 2, 3, 4, 5)
    rank = len(draw.shape(value))
    first, second = draw.axis(rank), draw.axis(rank)
    return draw.step("{0}.transpose({dim0}, {dim1})", [value], {"dim0": first, "dim1": second})


def slices(draw: Draw) -> Step:
    """An indexing expression: slices with steps, places counted from the end, new axes."""
    value = _any(draw, 1, 2, 3, 4, 5)
    written: list[str] = []
    for size in draw.shape(value)[: draw.random.randint(1, len(draw.shape(value)))]:
        match draw.random.randrange(6):
            case 0 | 1:
                written.append(":")
            case 2:
                start = draw.random.randrange(size)
                written.append(f"{start if draw.chance(0.6) else start - size}:")
            case 3:
                written.append(f"{draw.random.randrange(size)}::{draw.random.randint(1, 3)}")
            case 4:
                end = draw.random.randint(1, size)
                written.append(
                    f":{end if end == size or draw.chance(0.5) else end - size}:{draw.random.choice((1, 2))}"
                )
            case _:
                written.append(str(draw.random.randrange(-size, size)))
    if draw.chance(0.15):
        written.insert(draw.random.randrange(len(written) + 1), "None")
    if draw.chance(0.15):
        written.insert(0, "...")
        written = written[: len(draw.shape(value)) + 1]
    return draw.step(f"{{0}}[{', '.join(written)}]", [value])


def select(draw: Draw) -> Step:
    """One place of an axis."""
    value = _any(draw, 1, 2, 3, 4, 5)
    axis = draw.axis(len(draw.shape(value)))
    size = draw.shape(value)[axis]
    arguments = {"dim": axis, "index": draw.random.randrange(-size, size)}
    return draw.step("torch.select({0}, {dim}, {index})", [value], dict(arguments))


def narrow(draw: Draw) -> Step:
    """A run of places of an axis."""
    value = _any(draw, 1, 2, 3, 4, 5)
    axis = draw.axis(len(draw.shape(value)))
    size = draw.shape(value)[axis]
    start = draw.random.randrange(size)
    arguments = {"dim": axis, "start": start, "length": draw.random.randint(1, size - start)}
    return draw.step("torch.narrow({0}, {dim}, {start}, {length})", [value], dict(arguments))


def concatenate(draw: Draw) -> Step:
    """Values that differ in one axis at most, joined along it; a value joined with itself or a parameter as well."""
    first = _any(draw, 1, 2, 3, 4, 5)
    shape, dtype = draw.shape(first), draw.tensors[first].dtype
    axis = draw.axis(len(shape))
    rest = list(shape)
    rest.pop(axis)

    def fits(tensor: torch.Tensor) -> bool:
        other = list(tensor.shape)
        if len(other) != len(shape):
            return False
        other.pop(axis)
        return other == rest

    others = [draw.pick(dtypes=(dtype,), fits=fits) for _ in range(draw.random.randint(1, 2))]
    if draw.chance(0.25) and dtype in FLOAT:
        size = list(shape)
        size[axis] = draw.size([size[axis]])
        return draw.step("torch.cat([{operands}, {p0}], {dim})", [first], {"dim": axis}, [Data(tuple(size))])
    return draw.step("torch.cat([{operands}], {dim})", [first, *others], {"dim": axis})


def stack(draw: Draw) -> Step:
    """Values of one shape on a new axis."""
    first = _any(draw, 0, 1, 2, 3, 4)
    shape, dtype = draw.shape(first), draw.tensors[first].dtype
    second = draw.pick(dtypes=(dtype,), fits=lambda tensor: tuple(tensor.shape) == shape)
    return draw.step("torch.stack([{operands}], {dim})", [first, second], {"dim": draw.axis(len(shape) + 1)})


def split(draw: Draw) -> Step:
    """Pieces of an axis: of one size, of sizes given, or a number of them."""
    value = _any(draw, 1, 2, 3, 4, 5)
    axis = draw.axis(len(draw.shape(value)))
    size = draw.shape(value)[axis]
    if size < 2:
        raise UnfitError
    match draw.random.randrange(3):
        case 0:
            piece = draw.random.randint((size + 3) // 4, size)
            count = -(-size // piece)
            template, arguments = "torch.split({0}, {size}, {dim})", {"size": piece, "dim": axis}
        case 1:
            first = draw.random.randint(1, size - 1)
            sizes = (first, size - first)
            return draw.step("torch.split({0}, {sizes}, {dim})", [value], {"sizes": sizes, "dim": axis}, results=2)
        case _:
            chunks = draw.random.randint(2, 3)
            count = -(-size // -(-size // chunks))
            template, arguments = "torch.chunk({0}, {chunks}, {dim})", {"chunks": chunks, "dim": axis}
    if count < 2:
        raise UnfitError
    return draw.step(template, [value], dict(arguments), results=count)


def unbind(draw: Draw) -> Step:
    """Every place of an axis by itself."""
    value = draw.pick((1, 2, 3, 4), fits=lambda tensor: any(1 < size < 4 for size in tensor.shape))
    axes = [axis for axis, size in enumerate(draw.shape(value)) if 1 < size < 4]
    axis = draw.random.choice(axes)
    return draw.step("torch.unbind({0}, {dim})", [value], {"dim": axis}, results=draw.shape(value)[axis])


def expand(draw: Draw) -> Step:
    """Dimensions of one made larger, without a copy."""
    value = draw.pick(fits=lambda tensor: 1 in tensor.shape or tensor.dim() < 3)
    shape = draw.shape(value)
    sizes = [draw.size(shape) if size == 1 else -1 if draw.chance(0.5) else size for size in shape]
    if draw.chance(0.4) and len(shape) < 4:
        sizes.insert(0, draw.size(shape))
    return draw.step("{0}.expand({sizes})", [value], {"sizes": tuple(sizes)})


def repeat(draw: Draw) -> Step:
    """Copies along each axis."""
    value = _any(draw, 1, 2, 3, 4)
    times = tuple(draw.random.choice((1, 1, 2, 3)) for _ in draw.shape(value))
    return draw.step(draw.random.choice(("{0}.repeat({times})", "torch.tile({0}, {times})")), [value], {"times": times})


def pad(draw: Draw) -> Step:
    """Padding of every mode, of the last axes, negative now and then."""
    mode = draw.random.choice(("constant", "constant", "reflect", "replicate", "circular"))
    if mode == "constant":
        value = draw.pick((1, 2, 3, 4, 5))
        axes = draw.random.randint(1, len(draw.shape(value)))
        low = -1 if draw.chance(0.2) else 0
        sizes = tuple(draw.random.randint(low, 3) for _ in range(2 * axes))
        arguments = {"pad": sizes} | draw.some(value=(0.5 if draw.chance(0.4) else 0.0, 0.0))
        return draw.step("F.pad({0}, {arguments})", [value], arguments)
    value = draw.pick((3, 4))
    axes = len(draw.shape(value)) - 2
    sizes = tuple(draw.random.randint(0, 2) for _ in range(2 * axes))
    return draw.step("F.pad({0}, {arguments})", [value], {"pad": sizes, "mode": mode})


def reverse(draw: Draw) -> Step:
    """Axes run backwards, or elements shifted along one."""
    value = _any(draw, 1, 2, 3, 4)
    rank = len(draw.shape(value))
    if draw.chance(0.5):
        return draw.step("torch.flip({0}, {dims})", [value], {"dims": draw.axes(rank)})
    return draw.step("torch.roll({0}, {shifts}, {dims})", [value], {"shifts": (2,), "dims": (draw.axis(rank),)})


def index_select(draw: Draw) -> Step:
    """Places of an axis by constant indices."""
    value = _any(draw, 1, 2, 3, 4)
    axis = draw.axis(len(draw.shape(value)))
    indices = Data((draw.random.randint(1, 4),), torch.int64, 0, draw.shape(value)[axis])
    return draw.step("torch.index_select({0}, {dim}, {p0})", [value], {"dim": axis}, [indices])


def gather(draw: Draw) -> Step:
    """An element of an axis for each index."""
    value = draw.pick((1, 2, 3, 4))
    axis = draw.axis(len(draw.shape(value)))
    shape = list(draw.shape(value))
    shape[axis] = draw.random.randint(1, 4)
    indices = Data(tuple(shape), torch.int64, 0, draw.shape(value)[axis])
    return draw.step("torch.gather({0}, {dim}, {p0})", [value], {"dim": axis}, [indices])


def embedding(draw: Draw) -> Step:
    """Rows of a table."""
    value = draw.pick((0, 1, 2, 3), WHOLE)
    table = Data((draw.size(), draw.size()))
    arguments = {"last": table.shape[0] - 1}
    return draw.step("F.embedding({0}.clamp(0, {last}), {p0})", [value], dict(arguments), [table])


def like_another(draw: Draw) -> Step:
    """A tensor of constants, or a view, in the shape of a value; some read nothing of it but the shape."""
    value = draw.pick()
    other = draw.pick(fits=lambda tensor: tensor.numel() == draw.tensors[value].numel())
    template = draw.random.choice(
        (
            "{0} + torch.zeros_like({1}).view_as({0})",
            "torch.ones_like({1}).reshape({0}.shape) - {0}",
            "{0}.view_as({1})",
            "{0}.reshape({1}.shape)",
            "torch.full_like({0}, 0.5) * {0}",
            "{0}.expand_as({0})",
            "torch.cat([{0}.flatten(), {1}.new_ones([2])], 0)",
            "{0}.contiguous()",
            "{0}.detach().clone()",
        )
    )
    return draw.step(template, [value, other])


def shuffle(draw: Draw) -> Step:
    """Pixels and channels exchanged."""
    template = draw.random.choice(
        ("F.pixel_shuffle({0}, 2)", "F.pixel_unshuffle({0}, 2)", "F.channel_shuffle({0}, 2)", "F.pixel_shuffle({0}, 3)")
    )
    return draw.step(template, [draw.pick((4,))])


DRAWERS: tuple[Drawer, ...] = (
    *(reshape, reshape, merge, split_dimension, unsqueeze, squeeze, permute, permute, transpose, slices, slices),
    *(select, narrow, concatenate, concatenate, stack, split, split, unbind, expand, repeat, pad, pad, reverse),
    *(index_select, gather, embedding, shuffle, like_another),
)
