"""Whatever is accepted computes the same: pooling, resampling, padding, slicing and moving, at every feature level."""

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as nn
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

drawn = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))
SIZES = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(2, 7), st.integers(2, 7))
IMAGE = (2, 3, 5, 7)

IN_NHWC: dict[str, Callable[[torch.Tensor], object]] = {
    "concatenated channels": lambda x: torch.cat([x, x * 2], 1),
    "concatenated columns": lambda x: torch.cat([x, torch.ones(2, 3, 5, 2)], -1),
    "chunks of channels": lambda x: torch.cat([x, x], 1).chunk(2, 1),
    "uneven parts": lambda x: torch.split(x, [1, 2, 2], 2),
    "a slice of channels": lambda x: x[:, 1:],
    "every second column": lambda x: x[..., ::2],
    "one channel": lambda x: x[:, 1],
    "one row": lambda x: x[:, :, 2],
    "channels by themselves": lambda x: x.unbind(1),
    "flipped": lambda x: x.flip(1, 3),
    "rolled": lambda x: x.roll((1, -2), (1, 2)),
    "picked channels": lambda x: x[:, torch.tensor([2, 0, -1, 0])],
    "index select": lambda x: x.index_select(2, torch.tensor([3, 1])),
    "padded": lambda x: nn.pad(x, (1, 2, 0, 3)),
    "padded channels with a number": lambda x: nn.pad(x, (0, 0, 0, 0, 1, 2), value=-1.5),
    "cropped": lambda x: nn.pad(x, (-1, 0, 2, -2)),
    "reflected": lambda x: nn.pad(x, (1, 2, 3, 0), mode="reflect"),
    "replicated": lambda x: nn.pad(x, (1, 2, 3, 0), mode="replicate"),
    "wrapped around": lambda x: nn.pad(x, (1, 2, 3, 0), mode="circular"),
    "repeated": lambda x: x.repeat(1, 2, 1, 3),
    "expanded": lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 6),
    "each row twice": lambda x: x.repeat_interleave(2, 2),
    "flattened": lambda x: x.flatten(1),
    "flattened pixels": lambda x: x.flatten(2).transpose(1, 2),
    "reshaped": lambda x: x.reshape(6, 30),
    "channels last": lambda x: x.permute(0, 2, 3, 1) * torch.arange(3.0),
    "squeezed": lambda x: x.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1),
    "stacked": lambda x: torch.stack([x[:, 0], x[:, 2]], 1),
    "shuffled pixels": lambda x: nn.pixel_shuffle(torch.cat([x, x, x, x], 1), 2),
    "unshuffled pixels": lambda x: nn.pixel_unshuffle(nn.pad(x, (0, 0, 1, 0)), 2),
    "shuffled channels": lambda x: nn.channel_shuffle(torch.cat([x, -x], 1), 3),
    "resized": lambda x: nn.interpolate(x, (8, 9), mode="bilinear"),
    "resized by the nearest": lambda x: nn.interpolate(x, scale_factor=2.0),
    "pooled unevenly": lambda x: nn.adaptive_avg_pool2d(x, (3, 2)),
    "pooled with padding": lambda x: nn.avg_pool2d(x, 3, 2, 1),
    "the largest": lambda x: x.topk(2, -1)[0],
    "side by side": lambda x: torch.hstack([x, x * 2]),
    "below each other": lambda x: torch.vstack([x, x * 2]),
    "columns flipped": torch.fliplr,
    "rows flipped": torch.flipud,
    "turned into the channels": lambda x: torch.rot90(x, 1, (1, 3)),
    "turned back": lambda x: torch.rot90(x, -1, (2, 3)),
    "turned upside down": lambda x: torch.rot90(x, 2, (1, 2)),
    "lower triangles": torch.tril,
    "upper triangles": lambda x: torch.triu(x, -1),
    "diagonals": lambda x: x.diagonal(1, 2, 3),
    "diagonals across channels": lambda x: x.diagonal(-1, 3, 1),
    "running products of channels": lambda x: x.cumprod(1),
    "running maxima of channels": lambda x: x.cummax(1),
    "counted channels": lambda x: torch.relu(x).count_nonzero(1),
    "sums of numbers of channels": lambda x: x.nansum(1, keepdim=True),
    "products of channels": lambda x: torch.linalg.vecdot(x, x + 1, dim=1),
    "cross products of channels": lambda x: torch.linalg.cross(x, x.flip(1) + 1, dim=1),
    "arc tangents": torch.atan,
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def random(shape: Sequence[int]) -> torch.Tensor:
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(5))


def differences(function: Callable[[torch.Tensor], object], x: torch.Tensor, registry: Registry) -> list[object]:
    try:
        found = runs(function, [x], registry)
    except (InputError, RuntimeError, IndexError):
        # PyTorch itself refuses such arguments.
        assume(False)
        raise
    return [(level, run.ways, run.differences) for level, run in found.items() if run.differences]


@pytest.mark.parametrize("name", IN_NHWC)
def test_computes_the_same_behind_a_pooling_in_nhwc_at_every_level(name: str, registry: Registry) -> None:
    found = runs(lambda x: IN_NHWC[name](nn.max_pool2d(x, (1, 2), 1)), [random((2, 3, 5, 7))], registry)

    assert found, "no feature level supports it"
    assert [run.differences for run in found.values() if run.differences] == []
    assert any(run.layout.nhwc_values for run in found.values())


@given(sizes=SIZES, kernel=PAIR, stride=PAIR, padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), data=st.data())
@drawn
def test_pooling(
    sizes: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    data: st.DataObject,
    registry: Registry,
) -> None:
    ceil_mode = data.draw(st.booleans())
    counts, divisor = data.draw(st.booleans()), data.draw(st.none() | st.integers(1, 5))

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        largest = nn.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode)
        return largest, nn.avg_pool2d(x, kernel, stride, padding, ceil_mode, counts, divisor)

    assert differences(both, random(sizes), registry) == []


@given(sizes=SIZES, wanted=PAIR)
@drawn
def test_adaptive_pooling(sizes: tuple[int, ...], wanted: tuple[int, int], registry: Registry) -> None:
    assert differences(lambda x: nn.adaptive_avg_pool2d(x, wanted), random(sizes), registry) == []


@given(
    sizes=SIZES,
    mode=st.sampled_from(["nearest", "nearest-exact", "bilinear", "bicubic"]),
    size=st.none() | st.tuples(st.integers(1, 13), st.integers(1, 13)),
    factors=st.tuples(*[st.sampled_from([0.6, 1.0, 1.5, 2.0, 2.3, 3.0])] * 2),
    corners=st.booleans(),
    smooth=st.booleans(),
)
@drawn
def test_resampling(
    sizes: tuple[int, ...],
    mode: str,
    size: tuple[int, int] | None,
    factors: tuple[float, float],
    corners: bool,
    smooth: bool,
    registry: Registry,
) -> None:
    is_smooth = smooth and mode in ("bilinear", "bicubic")
    align = corners if mode in ("bilinear", "bicubic") else None
    scale = None if size is not None else factors

    def resampled(x: torch.Tensor) -> torch.Tensor:
        return nn.interpolate(x, size, scale, mode, align, antialias=is_smooth)

    assert differences(resampled, random(sizes), registry) == []


@given(dim=st.integers(-4, 3), start=st.integers(-9, 9), stop=st.integers(-9, 9), step=st.integers(1, 4))
@drawn
def test_slices(dim: int, start: int, stop: int, step: int, registry: Registry) -> None:
    def cut(x: torch.Tensor) -> torch.Tensor:
        return torch.ops.aten.slice(x, dim, start, stop, step) + 1  # type: ignore[no-any-return]  # ops are untyped

    assert differences(cut, random(IMAGE), registry) == []


@given(
    pad=st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), min_size=1, max_size=4),
    mode=st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    value=st.sampled_from([0.0, 1.5]),
)
@drawn
def test_padding(pad: list[tuple[int, int]], mode: str, value: float, registry: Registry) -> None:
    flat = [side for pair in pad for side in pair]

    found = differences(
        lambda x: nn.pad(x, flat, mode, value if mode == "constant" else None) + 1, random(IMAGE), registry
    )

    assert found == []


@given(
    shifts=st.lists(st.integers(-9, 9), min_size=1, max_size=3),
    dims=st.permutations(range(4)),
    flipped=st.sets(st.integers(0, 3), min_size=1),
)
@drawn
def test_rolls_and_flips(shifts: list[int], dims: list[int], flipped: set[int], registry: Registry) -> None:
    def moved(x: torch.Tensor) -> torch.Tensor:
        return x.roll(shifts, dims[: len(shifts)]).flip(tuple(flipped)) + 1

    assert differences(moved, random(IMAGE), registry) == []


@given(dim=st.integers(-4, 3), count=st.integers(1, 7), size=st.integers(1, 7))
@drawn
def test_splits(dim: int, count: int, size: int, registry: Registry) -> None:
    def parts(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(part + 1 for part in (*x.chunk(count, dim), *torch.split(x, size, dim)))

    assert differences(parts, random(IMAGE), registry) == []


@given(k=st.integers(-7, 7), dims=st.permutations([0, 1, 2, 3]).map(lambda order: tuple(order[:2])))
@drawn
def test_turns(k: int, dims: tuple[int, int], registry: Registry) -> None:
    assert differences(lambda x: torch.rot90(x, k, dims), random((2, 3, 5, 7)), registry) == []


@given(
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    offset=st.integers(-4, 4),
    dims=st.permutations([0, 1, 2, 3]),
    data=st.data(),
)
@drawn
def test_diagonals_and_triangles(
    shape: list[int], offset: int, dims: list[int], data: st.DataObject, registry: Registry
) -> None:
    first, second = [dim for dim in dims if dim < len(shape)][:2]
    function = data.draw(
        st.sampled_from(
            [
                lambda x: x.diagonal(offset, first, second),
                lambda x: x.diagonal(offset, first - len(shape), second - len(shape)),
                lambda x: x.tril(offset),
                lambda x: x.triu(offset),
            ]
        )
    )

    assert differences(function, random(shape), registry) == []
