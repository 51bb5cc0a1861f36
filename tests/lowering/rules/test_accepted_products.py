"""Whatever convolution, product or recurrent layer is accepted computes the same: sizes and arguments are drawn."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs
from tests.torch_releases import since

drawn = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SIZES = st.integers(1, 4)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


class OutputsOf(torch.nn.Module):
    """The outputs of a recurrent layer, without its last states."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor
        outputs, _ = self.layer(x)
        return outputs


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def floats(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def differences(function: Callable[..., object], inputs: list[torch.Tensor], registry: Registry) -> list[object]:
    try:
        found = runs(function, inputs, registry)
    except (InputError, RuntimeError, IndexError):
        # PyTorch itself refuses such arguments.
        assume(False)
        raise
    return [(level, run.ways, run.differences) for level, run in found.items() if run.differences]


@given(
    batch=SIZES,
    groups=st.integers(1, 3),
    ins=st.integers(1, 2),
    outs=st.integers(1, 3),
    image=pairs(1, 9),
    kernel=pairs(1, 3),
    stride=pairs(1, 3),
    padding=pairs(0, 3),
    dilation=pairs(1, 3),
    has_bias=st.booleans(),
)
@drawn
def test_convolutions_of_images(
    batch: int,
    groups: int,
    ins: int,
    outs: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    has_bias: bool,
    registry: Registry,
) -> None:
    weight = floats(outs * groups, ins, *kernel)
    bias = floats(outs * groups) if has_bias else None

    found = differences(
        lambda x: functional.conv2d(x, weight, bias, stride, padding, dilation, groups),
        [floats(batch, ins * groups, *image)],
        registry,
    )

    assert found == []


@given(
    groups=st.integers(1, 3),
    ins=st.integers(1, 2),
    outs=st.integers(1, 3),
    length=st.integers(1, 12),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
@drawn
def test_convolutions_of_signals(
    groups: int,
    ins: int,
    outs: int,
    length: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    registry: Registry,
) -> None:
    weight = floats(outs * groups, ins, kernel)

    found = differences(
        lambda x: functional.conv1d(x, weight, None, stride, padding, dilation, groups),
        [floats(2, ins * groups, length)],
        registry,
    )

    assert found == []


@given(
    batch=st.integers(1, 2),
    groups=st.integers(1, 2),
    ins=st.integers(1, 3),
    outs=st.integers(1, 3),
    image=pairs(1, 5),
    kernel=pairs(1, 4),
    stride=pairs(1, 3),
    padding=pairs(0, 2),
    output_padding=pairs(0, 2),
    is_square=st.booleans(),
)
@drawn
def test_transposed_convolutions(
    batch: int,
    groups: int,
    ins: int,
    outs: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    output_padding: tuple[int, int],
    is_square: bool,
    registry: Registry,
) -> None:
    stride = (stride[0], stride[0]) if is_square else stride
    weight, bias = floats(ins * groups, outs, *kernel), floats(outs * groups)

    found = differences(
        lambda x: functional.conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups),
        [floats(batch, ins * groups, *image)],
        registry,
    )

    assert found == []


@given(
    left=st.lists(SIZES, min_size=1, max_size=4),
    right=st.lists(SIZES, min_size=1, max_size=4),
    inner=SIZES,
    constant=st.sampled_from(["left", "right", "none"]),
)
@drawn
def test_matrix_products(left: list[int], right: list[int], inner: int, constant: str, registry: Registry) -> None:
    left[-1] = inner
    right[max(len(right) - 2, 0)] = inner
    if len(left) == len(right) > 2:
        right[:-2] = left[:-2]
    a, b = floats(*left), floats(*right, seed=1)

    match constant:
        case "left":
            assert differences(lambda x: a @ x, [b], registry) == []
        case "right":
            assert differences(lambda x: x @ b, [a], registry) == []
        case _:
            assert differences(torch.matmul, [a, b], registry) == []


@given(shape=st.lists(SIZES, min_size=1, max_size=4), outs=SIZES, has_bias=st.booleans())
@drawn
def test_layers(shape: list[int], outs: int, has_bias: bool, registry: Registry) -> None:
    weight, bias = floats(outs, shape[-1]), floats(outs) if has_bias else None

    assert differences(lambda x: functional.linear(x, weight, bias), [floats(*shape)], registry) == []


@given(
    batches=st.lists(st.integers(1, 3), max_size=2),
    rows=SIZES,
    columns=SIZES,
    features=SIZES,
    width=SIZES,
    mask=st.sampled_from(["none", "causal", "numbers", "truth"]),
)
@drawn
def test_attention(
    batches: list[int], rows: int, columns: int, features: int, width: int, mask: str, registry: Registry
) -> None:
    query, key, value = (
        floats(*batches, *sizes) for sizes in ((rows, features), (columns, features), (columns, width))
    )
    numbers = floats(rows, columns)
    # A row without any score left has no defined result.
    truth = torch.cat([torch.ones(rows, 1, dtype=torch.bool), numbers[:, 1:] > 0], 1)
    given_mask = {"numbers": numbers, "truth": truth}.get(mask)

    found = differences(
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, given_mask, is_causal=mask == "causal"),
        [query, key, value],
        registry,
    )

    assert found == []


@given(
    kind=st.sampled_from([torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN]),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    layers=st.integers(1, 2),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    steps=st.integers(1, 3),
    batch=st.integers(1, 2),
)
@drawn
def test_recurrent_layers(
    kind: Callable[..., torch.nn.Module],
    sizes: tuple[int, int],
    layers: int,
    flags: tuple[bool, bool, bool],
    steps: int,
    batch: int,
    registry: Registry,
) -> None:
    bias, batch_first, bidirectional = flags
    torch.manual_seed(0)
    layer = kind(*sizes, num_layers=layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional)
    shape = (batch, steps, sizes[0]) if batch_first else (steps, batch, sizes[0])

    assert differences(OutputsOf(layer), [floats(*shape)], registry) == []


@since("2.5", "it has no heads of queries that share one of keys")
@given(
    batch=st.integers(1, 2),
    keys=st.integers(1, 3),
    shares=st.integers(1, 4),
    masked=st.booleans(),
    causal=st.booleans(),
)
@settings(parent=drawn, max_examples=20)
def test_heads_of_queries_share_one_of_keys_and_values(
    batch: int, keys: int, shares: int, masked: bool, causal: bool, registry: Registry
) -> None:
    rows, columns = 5, 5 if causal else 7
    inputs = [floats(batch, keys * shares, rows, 4), floats(batch, keys, columns, 4), floats(batch, keys, columns, 6)]
    inputs += [floats(keys * shares, rows, columns)] if masked and not causal else []

    def attention(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        return functional.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, enable_gqa=True)

    found = runs(attention, inputs, registry)

    assert {level for level, run in found.items() if run.ways} >= {3, 6, 8}
    assert [(level, run.ways, run.differences) for level, run in found.items() if run.differences] == []
