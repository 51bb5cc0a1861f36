"""Whatever quantized op is accepted computes the same within a step: sizes and parameters are drawn."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.targets import NDK, PER_CHANNEL, PYTORCH_MOBILE, PerChannelChoice
from nnapi_check.lowering.examples.packed_parameters import Packing, per_channel
from tests.lowering.whole_graphs import runs

drawn = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SCALES = st.floats(0.0078125, 0.5, width=32)
ZERO_POINTS = st.integers(0, 255)
TARGETS = st.sampled_from([PYTORCH_MOBILE, NDK])
"""What carries weights of one scale and what carries them with a scale for each channel."""

CHOICES = st.sampled_from([choice for choice in PerChannelChoice if choice is not PerChannelChoice.CPU])
SPREADS = st.sampled_from([2, 9, 700])


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def quantized(shape: tuple[int, ...], scale: float, zero_point: int, dtype: torch.dtype = torch.quint8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.quantize_per_tensor(torch.randn(shape, generator=generator) * scale * 50, scale, zero_point, dtype)


def differences(
    function: Callable[..., object],
    inputs: list[torch.Tensor],
    registry: Registry,
    target: str = PYTORCH_MOBILE,
    per_channel: PerChannelChoice = PER_CHANNEL,
) -> list[object]:
    try:
        found = runs(function, inputs, registry, target, per_channel)
    except (InputError, RuntimeError):
        # PyTorch itself refuses such arguments.
        assume(False)
        raise
    return [(level, run.ways, run.differences) for level, run in found.items() if run.differences]


class Packed(torch.nn.Module):
    """A quantized op with packed parameters."""

    def __init__(self, name: str, weight: torch.Tensor, bias: torch.Tensor | None, **numbers: object) -> None:
        super().__init__()
        overload = "new" if name.startswith("conv2d") else ""
        schema = next(
            schema
            for schema in torch._C._jit_get_schemas_for_operator(f"quantized::{name}")
            if schema.overload_name == overload
        )
        packing = Packing.of(schema)
        assert packing is not None
        self.packed = packing.pack(weight, bias, numbers)
        self.op = getattr(torch.ops.quantized, name)
        self.scale, self.zero_point = 0.2, 117

    def forward(self, x: torch.Tensor) -> object:
        return self.op(x, self.packed, self.scale, self.zero_point)


@given(
    name=st.sampled_from(["conv2d", "conv2d_relu"]),
    groups=st.integers(1, 3),
    ins=st.integers(1, 2),
    outs=st.integers(1, 12),
    image=st.tuples(st.integers(3, 8), st.integers(3, 8)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    scale=SCALES,
    zero_point=ZERO_POINTS,
    has_channels=st.booleans(),
    weight_zero_point=st.sampled_from([0, 4]),
    target=TARGETS,
    choice=CHOICES,
    spread=SPREADS,
)
@drawn
def test_convolutions(
    name: str,
    groups: int,
    ins: int,
    outs: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    scale: float,
    zero_point: int,
    has_channels: bool,
    weight_zero_point: int,
    target: str,
    choice: PerChannelChoice,
    spread: int,
    registry: Registry,
) -> None:
    # QNNPACK divides by zero, and takes the process with it, where a filter is larger than its padded image.
    axes = zip(image, kernel, padding, dilation, strict=True)
    assume(all(size + 2 * pad > step * (width - 1) for size, width, pad, step in axes))
    weight = quantized((outs * groups, ins, *kernel), 0.03, weight_zero_point, torch.qint8)
    weight = per_channel(weight, 0, spread) if has_channels else weight
    bias = torch.linspace(-1, 1, outs * groups)
    numbers = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    found = differences(
        Packed(name, weight, bias, **numbers),
        [quantized((2, ins * groups, *image), scale, zero_point)],
        registry,
        target,
        choice,
    )

    assert found == []


@given(
    name=st.sampled_from(["linear", "linear_relu"]),
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    outs=st.integers(1, 12),
    scale=SCALES,
    zero_point=ZERO_POINTS,
    has_channels=st.booleans(),
    weight_zero_point=st.sampled_from([0, 4]),
    target=TARGETS,
    choice=CHOICES,
    spread=SPREADS,
)
@drawn
def test_layers(
    name: str,
    shape: list[int],
    outs: int,
    scale: float,
    zero_point: int,
    has_channels: bool,
    weight_zero_point: int,
    target: str,
    choice: PerChannelChoice,
    spread: int,
    registry: Registry,
) -> None:
    weight = quantized((outs, shape[-1]), 0.03, weight_zero_point, torch.qint8)
    weight = per_channel(weight, 0, spread) if has_channels else weight
    layer = Packed(name, weight, torch.linspace(-1, 1, outs))

    assert differences(layer, [quantized(tuple(shape), scale, zero_point)], registry, target, choice) == []


@given(
    name=st.sampled_from(["conv1d", "conv1d_relu"]),
    groups=st.integers(1, 3),
    ins=st.integers(1, 2),
    outs=st.integers(1, 3),
    length=st.integers(3, 8),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    scale=SCALES,
    zero_point=ZERO_POINTS,
    has_channels=st.booleans(),
    target=TARGETS,
    choice=CHOICES,
    spread=SPREADS,
)
@drawn
def test_convolutions_of_signals(
    name: str,
    groups: int,
    ins: int,
    outs: int,
    length: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    scale: float,
    zero_point: int,
    has_channels: bool,
    target: str,
    choice: PerChannelChoice,
    spread: int,
    registry: Registry,
) -> None:
    assume(length + 2 * padding > dilation * (kernel - 1))
    weight = quantized((outs * groups, ins, kernel), 0.03, 0, torch.qint8)
    weight = per_channel(weight, 0, spread) if has_channels else weight
    numbers = {"stride": (stride,), "padding": (padding,), "dilation": (dilation,), "groups": groups}
    layer = Packed(name, weight, torch.linspace(-1, 1, outs * groups), **numbers)

    assert differences(layer, [quantized((2, ins * groups, length), scale, zero_point)], registry, target, choice) == []


@given(
    ins=st.integers(1, 3),
    outs=st.integers(1, 3),
    image=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    output_padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    scale=SCALES,
    zero_point=ZERO_POINTS,
    has_channels=st.booleans(),
    target=TARGETS,
    choice=CHOICES,
    spread=SPREADS,
)
@drawn
def test_transposed_convolutions(
    ins: int,
    outs: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    output_padding: tuple[int, int],
    scale: float,
    zero_point: int,
    has_channels: bool,
    target: str,
    choice: PerChannelChoice,
    spread: int,
    registry: Registry,
) -> None:
    assume(all(extra < step for extra, step in zip(output_padding, stride, strict=True)))
    sizes = zip(image, stride, kernel, padding, output_padding, strict=True)
    assume(all((size - 1) * step + reach + extra > 2 * pad for size, step, reach, pad, extra in sizes))
    weight = quantized((ins, outs, *kernel), 0.03, 0, torch.qint8)
    weight = per_channel(weight, 1, spread) if has_channels else weight
    numbers = {"stride": stride, "padding": padding, "output_padding": output_padding}
    layer = Packed("conv_transpose2d", weight, torch.linspace(-1, 1, outs), **numbers)

    assert differences(layer, [quantized((2, ins, *image), scale, zero_point)], registry, target, choice) == []


@given(
    name=st.sampled_from(["add", "add_relu", "mul", "mul_relu"]),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    scales=st.tuples(SCALES, SCALES, SCALES),
    zero_points=st.tuples(ZERO_POINTS, ZERO_POINTS, ZERO_POINTS),
)
@drawn
def test_sums_and_products(
    name: str,
    shape: list[int],
    scales: tuple[float, float, float],
    zero_points: tuple[int, int, int],
    registry: Registry,
) -> None:
    op = getattr(torch.ops.quantized, name)
    inputs = [quantized(tuple(shape), scale, zero) for scale, zero in zip(scales[:2], zero_points[:2], strict=True)]

    assert differences(lambda x, y: op(x, y, scales[2], zero_points[2]), inputs, registry) == []


@given(
    name=st.sampled_from(["add_scalar", "add_scalar_relu", "mul_scalar", "mul_scalar_relu"]),
    number=st.floats(-3, 3, width=32).map(lambda number: round(number, 3)),
    scale=SCALES,
    zero_point=ZERO_POINTS,
)
@drawn
def test_sums_and_products_with_a_number(
    name: str, number: float, scale: float, zero_point: int, registry: Registry
) -> None:
    op = getattr(torch.ops.quantized, name)

    assert differences(lambda x: op(x, number), [quantized((2, 3, 4), scale, zero_point)], registry) == []


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    scales=st.tuples(SCALES, SCALES, SCALES, SCALES),
    dim=st.integers(-3, 2),
    is_clamped=st.booleans(),
)
@drawn
def test_joins(
    sizes: list[int],
    scales: tuple[float, float, float, float],
    dim: int,
    is_clamped: bool,
    registry: Registry,
) -> None:
    op = torch.ops.quantized.cat_relu if is_clamped else torch.ops.quantized.cat
    shapes = [tuple(size if axis == dim % 3 else 2 for axis in range(3)) for size in sizes]
    inputs = [quantized(shape, scale, 90) for shape, scale in zip(shapes, scales[1:], strict=False)]

    assert differences(lambda *parts: op(list(parts), dim, scales[0], 100), inputs, registry) == []
