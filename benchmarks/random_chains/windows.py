"""Steps with windows: pools, convolutions, transposed ones, and upsampling."""

from __future__ import annotations

from benchmarks.random_chains.drawing import Draw, Drawer, UnfitError
from benchmarks.random_chains.steps import Data, Rounding, Step, Written


def _pooled(draw: Draw) -> tuple[int, int]:
    """A value to pool, and how many axes to pool."""
    axes = draw.random.choice((1, 2, 2, 2))
    return draw.pick((axes + 2, axes + 2, axes + 1) if draw.chance(0.2) else (axes + 2,)), axes


def _window(draw: Draw, axes: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw.random.randint(low, high) for _ in range(axes))


def max_pool(draw: Draw) -> Step:
    """The largest of each window."""
    value, axes = _pooled(draw)
    kernel = _window(draw, axes, 1, 3)
    arguments = {"kernel_size": kernel} | draw.some(
        stride=(_window(draw, axes, 1, 3), kernel),
        padding=(tuple(draw.random.randint(0, size // 2) for size in kernel), (0,) * axes),
        dilation=(_window(draw, axes, 1, 2) if draw.chance(0.2) else (1,) * axes, (1,) * axes),
        ceil_mode=(draw.chance(0.3), False),
    )
    return draw.step(f"F.max_pool{axes}d({{0}}, {{arguments}})", [value], arguments)


def average_pool(draw: Draw) -> Step:
    """The mean of each window."""
    value, axes = _pooled(draw)
    kernel = _window(draw, axes, 1, 3)
    arguments = {"kernel_size": kernel} | draw.some(
        stride=(_window(draw, axes, 1, 3), kernel),
        padding=(tuple(draw.random.randint(0, size // 2) for size in kernel), (0,) * axes),
        ceil_mode=(draw.chance(0.3), False),
        count_include_pad=(draw.chance(0.5), True),
    )
    if axes == 2 and draw.chance(0.15):
        arguments["divisor_override"] = draw.random.randint(1, 5)
    return draw.step(f"F.avg_pool{axes}d({{0}}, {{arguments}})", [value], arguments, rounding=Rounding.RANGE)


def adaptive_pool(draw: Draw) -> Step:
    """Windows that fit an output size."""
    value, axes = _pooled(draw)
    name = draw.random.choice(("avg", "max"))
    sizes = draw.shape(value)[-axes:]
    wanted = tuple(draw.random.randint(1, size) for size in sizes)
    if draw.chance(0.4):
        wanted = (1,) * axes
    return draw.step(
        f"F.adaptive_{name}_pool{axes}d({{0}}, {{output_size}})",
        [value],
        {"output_size": wanted},
        rounding=Rounding.RANGE,
    )


def _groups(draw: Draw, channels: int) -> int:
    return draw.random.choice((1, 1, 1, *(part for part in range(2, channels + 1) if channels % part == 0)))


def convolution(draw: Draw) -> Step:
    """A convolution, with groups up to one for each channel, and padding by name now and then."""
    axes = draw.random.choice((1, 2, 2, 2))
    value = draw.pick((axes + 2,))
    channels = draw.shape(value)[1]
    groups = _groups(draw, channels)
    made = groups * draw.random.randint(1, 3) if groups > 1 else draw.size(draw.shape(value))
    kernel = _window(draw, axes, 1, 3)
    weight = Data((made, channels // groups, *kernel), low=-1.0, high=1.0)
    arguments = draw.some(
        stride=(_window(draw, axes, 1, 2), (1,) * axes),
        padding=(_window(draw, axes, 0, 2), (0,) * axes),
        dilation=(_window(draw, axes, 1, 2) if draw.chance(0.3) else (1,) * axes, (1,) * axes),
        groups=(groups, 1),
    )
    if draw.chance(0.1):
        arguments |= {"padding": draw.random.choice(("same", "valid")), "stride": (1,) * axes}
    return _with_bias(draw, f"F.conv{axes}d({{0}}, {{p0}}", value, arguments, weight, made)


def transposed_convolution(draw: Draw) -> Step:
    """A transposed convolution, with padding of its output."""
    axes = draw.random.choice((1, 2, 2, 2))
    value = draw.pick((axes + 2,))
    channels = draw.shape(value)[1]
    groups = _groups(draw, channels)
    per_group = draw.random.randint(1, 3) if groups > 1 else draw.size(draw.shape(value))
    kernel, stride = _window(draw, axes, 1, 3), _window(draw, axes, 1, 3)
    weight = Data((channels, per_group, *kernel), low=-1.0, high=1.0)
    extra = tuple(draw.random.randrange(size) for size in stride) if draw.chance(0.4) else (0,) * axes
    arguments = draw.some(
        stride=(stride, (1,) * axes),
        padding=(tuple(draw.random.randrange(size) for size in kernel), (0,) * axes),
        output_padding=(extra, (0,) * axes),
        dilation=(_window(draw, axes, 1, 2) if draw.chance(0.2) else (1,) * axes, (1,) * axes),
        groups=(groups, 1),
    )
    return _with_bias(draw, f"F.conv_transpose{axes}d({{0}}, {{p0}}", value, arguments, weight, per_group * groups)


def _with_bias(draw: Draw, call: str, value: int, arguments: dict[str, Written], weight: Data, channels: int) -> Step:
    has_bias = draw.chance(0.6)
    template = f"{call}, {'{p1}' if has_bias else 'None'}, {{arguments}})"
    parameters = [weight, Data((channels,))] if has_bias else [weight]
    return draw.step(template, [value], arguments, parameters, Rounding.RANGE)


def upsample(draw: Draw) -> Step:
    """Resampling to a size or by factors."""
    mode = draw.random.choice(("nearest", "bilinear", "bilinear", "bicubic", "nearest-exact", "linear", "area"))
    value = draw.pick((3,) if mode == "linear" else (4,) if mode.startswith("bi") else (3, 4))
    axes = len(draw.shape(value)) - 2
    arguments: dict[str, Written] = {"mode": mode}
    if draw.chance(0.5):
        arguments["size"] = tuple(draw.size() for _ in range(axes))
    else:
        arguments["scale_factor"] = tuple(draw.random.choice((2.0, 3.0, 1.5, 0.5)) for _ in range(axes))
        if draw.chance(0.2):
            arguments["recompute_scale_factor"] = True
    if "linear" in mode or mode == "bicubic":
        arguments["align_corners"] = draw.chance(0.5)
    if mode in ("bilinear", "bicubic") and draw.chance(0.3):
        arguments["antialias"] = True
    rounding = Rounding.NONE if "nearest" in mode else Rounding.RANGE
    return draw.step("F.interpolate({0}, {arguments})", [value], arguments, rounding=rounding)


def local_response(draw: Draw) -> Step:
    """Normalization over neighboring channels."""
    return draw.step("F.local_response_norm({0}, {size})", [draw.pick((4,))], {"size": 3}, rounding=Rounding.RANGE)


def fold_windows(draw: Draw) -> Step:
    """Windows as columns."""
    value = draw.pick((4,))
    if min(draw.shape(value)[2:]) < 2:
        raise UnfitError
    return draw.step("F.unfold({0}, {kernel_size}, stride=2)", [value], {"kernel_size": (2, 2)})


DRAWERS: tuple[Drawer, ...] = (
    *(max_pool, max_pool, average_pool, average_pool, adaptive_pool, convolution, convolution, convolution),
    *(transposed_convolution, transposed_convolution, upsample, upsample, local_response, fold_windows),
)
