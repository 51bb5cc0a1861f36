"""Volumes: what is accepted of convolutions, poolings and elementwise ops on them computes what PyTorch computes."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def a_volume(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    kernel, stride, dilation = (
        draw(st.lists(st.sampled_from(sizes), min_size=3, max_size=3)) for sizes in ((1, 1, 2, 3), (1, 1, 2), (1, 1, 2))
    )
    reach = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
    padding = [draw(st.integers(0, far)) for far in reach]
    groups = draw(st.sampled_from((1, 4) if max(dilation) > 1 else (1, 1, 2, 4)))
    weight = a_volume(groups * draw(st.integers(1, 2)), 4 // groups, *kernel)
    bias = a_volume(weight.shape[0]) if draw(st.booleans()) else None
    extents = [max(far + 1 - 2 * pad, 1) + draw(st.integers(0, 3)) for far, pad in zip(reach, padding, strict=True)]
    volume = a_volume(draw(st.integers(1, 2)), 4, *extents)
    return volume, lambda x: nn.conv3d(x, weight, bias, stride, padding, dilation, groups)


@settings(max_examples=20)
@given(convolutions())
def test_convolutions(drawn: tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]) -> None:
    volume, function = drawn

    found = runs(function, [volume], open_registry())

    assert 3 in found
    assert [run.differences for run in found.values() if run.differences] == []


@settings(max_examples=20)
@given(
    st.sampled_from((nn.max_pool3d, nn.avg_pool3d)),
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()), min_size=3, max_size=3),
    st.booleans(),
)
def test_poolings(pool: Callable[..., torch.Tensor], axes: list[tuple[int, int, bool]], rounds_up: bool) -> None:
    kernel, stride = [size for size, _, _ in axes], [step for _, step, _ in axes]
    padding = [size // 2 if is_padded else 0 for size, _, is_padded in axes]

    found = runs(
        lambda x: pool(x, kernel, stride, padding, ceil_mode=rounds_up), [a_volume(2, 3, 4, 5, 6)], open_registry()
    )

    assert 1 in found
    assert [run.differences for run in found.values() if run.differences] == []


CHANNELS = torch.tensor([0.5, -1.5, 2.0])
CUBES, ROWS, CELLS = a_volume(4, 3, 3, 3, 3), a_volume(3, 4, 3, 1, 1), a_volume(4, 1, 6)
JOINED, FEATURES = a_volume(2, 2, 4, 5, 6), a_volume(7, 360)
FUNCTIONS: dict[str, Callable[[torch.Tensor], object]] = {
    "two convolutions": lambda x: nn.conv3d(nn.relu(nn.conv3d(x, CUBES, padding=1)), ROWS),
    "add by channel": lambda x: x + CHANNELS.reshape(3, 1, 1, 1),
    "add along depth and width": lambda x: x + CELLS,
    "add to a part": lambda x: x + x.mean((2, 3, 4), keepdim=True),
    "gate": lambda x: x * nn.adaptive_avg_pool3d(x, 1).sigmoid(),
    "batch norm": lambda x: nn.batch_norm(x, CHANNELS, CHANNELS.abs(), CHANNELS, CHANNELS.abs()),
    "group norm": lambda x: nn.group_norm(torch.cat([x, -x], 1), 2, torch.cat([CHANNELS, CHANNELS]), eps=0.01),
    "instance norm": lambda x: nn.instance_norm(x, weight=CHANNELS, bias=CHANNELS),
    "softmax over channels": lambda x: x.softmax(1),
    "softmax over slices": lambda x: x.softmax(2),
    "softmax over rows": lambda x: x.softmax(3),
    "log softmax over channels": lambda x: x.log_softmax(-4),
    "channels repeated": lambda x: x.repeat(1, 2, 1, 1, 1),
    "batches and slices repeated": lambda x: x.repeat(3, 1, 2, 1, 1),
    "rows repeated": lambda x: x.tile((2, 1)),
    "one channel expanded": lambda x: x[:, :1].expand(-1, 5, -1, -1, -1),
    "prelu": lambda x: torch.prelu(x, CHANNELS),
    "masked": lambda x: x.masked_fill(CHANNELS.reshape(3, 1, 1, 1) > 0, -2.0),
    "gelu": nn.gelu,
    "channels joined": lambda x: torch.cat([x, -x, JOINED], 1),
    "slices joined": lambda x: torch.cat([x, -x], 2),
    "sum over a volume": lambda x: x.sum((2, 3, 4)),
    "largest over rows and columns": lambda x: x.amax((-2, -1), keepdim=True),
    "a product with the features": lambda x: nn.linear(x.flatten(1), FEATURES),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("depth", [1, 2])
def test_computes_the_same_alone_and_behind_a_pooling(name: str, depth: int, registry: Registry) -> None:
    def function(x: torch.Tensor) -> object:
        return FUNCTIONS[name](x if depth == 1 else nn.max_pool3d(x, (depth, 1, 1), 1))

    found = runs(function, [a_volume(2, 3, 3 + depth, 5, 6)], registry)

    assert found, "no feature level supports it"
    assert [run.differences for run in found.values() if run.differences] == []


@pytest.mark.parametrize(
    "name",
    [
        "two convolutions",
        "gate",
        "batch norm",
        "group norm",
        "instance norm",
        "channels joined",
        "channels repeated",
        "a product with the features",
    ],
)
def test_needs_no_transpose_behind_a_pooling(name: str, registry: Registry) -> None:
    found = runs(lambda x: FUNCTIONS[name](nn.max_pool3d(x, (2, 1, 1), 1)), [a_volume(2, 3, 5, 5, 6)], registry)

    assert {run.lowered.transposes for run in found.values()} == {0}


def test_a_tensor_may_repeat_along_one_of_the_merged_dimensions(registry: Registry) -> None:
    found = runs(lambda x, y: x + y, [a_volume(2, 3, 4, 5, 6), a_volume(1, 3, 4, 5, 6)], registry)

    assert found
    assert [run.differences for run in found.values() if run.differences] == []
