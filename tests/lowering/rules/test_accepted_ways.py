"""Whatever is accepted computes the same: arguments, shapes and element types are drawn, at every feature level."""

from collections.abc import Callable

import hypothesis.extra.numpy as arrays
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.lowering.whole_graphs import runs

FLOATS = (torch.float32, torch.float16)
TYPES = (*FLOATS, torch.int64, torch.int32, torch.bool)
NUMBERS = st.one_of(st.integers(-9, 9), st.floats(-9, 9, width=32).map(lambda number: round(number, 3)))

BINARY: dict[str, Callable[..., object]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "rsub": torch.rsub,
    "maximum": torch.maximum,
    "gt": torch.gt,
    "eq": torch.eq,
    "floor_divide": lambda x, y: torch.floor_divide(x, y + 11),
    "remainder": lambda x, y: torch.remainder(x, y + 11),
    "fmod": lambda x, y: torch.fmod(x, y + 11),
    "fmod of either sign": lambda x, y: torch.fmod(x, y * 2 + 1),
    "where": lambda x, y: torch.where(x > y, x, y),
    "clamp": lambda x, y: torch.clamp(x, min=y),
    "masked_fill": lambda x, y: x.masked_fill(y > 0, 3),
    # Squares, so that no difference of nearly equal numbers is left.
    "addcmul": lambda x, y: torch.addcmul(x * x, y, y, value=2),
    "pow": lambda x, y: torch.pow(x.abs() + 1, y),
    "bitwise_or": torch.bitwise_or,
    "logical_and": torch.logical_and,
    "hypot": torch.hypot,
    "logaddexp": torch.logaddexp,
    "atan2": torch.atan2,
}
WITH_NUMBER = ("add", "sub", "mul", "rsub", "gt", "eq")
UNARY: dict[str, Callable[[torch.Tensor], object]] = {
    name: getattr(torch, name)
    for name in (
        "abs",
        "neg",
        "exp",
        "floor",
        "ceil",
        "trunc",
        "round",
        "sign",
        "square",
        "sin",
        "cos",
        "tan",
        "erf",
        "tanh",
        "atan",
        "acos",
    )
} | {
    name: getattr(torch.nn.functional, name)
    for name in ("relu", "relu6", "hardsigmoid", "hardswish", "silu", "gelu", "elu", "selu", "mish", "softplus")
}
REDUCTIONS: dict[str, Callable[..., object]] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "amax": torch.amax,
    "amin": torch.amin,
    "var": torch.var,
    "logsumexp": torch.logsumexp,
    "norm": torch.linalg.vector_norm,
}
ALONG_ONE: dict[str, Callable[..., object]] = {
    "softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
    "argmax": torch.argmax,
    "max": torch.max,
    "cumsum": torch.cumsum,
    "cumprod": torch.cumprod,
    "cummax": torch.cummax,
    "cummin": torch.cummin,
    "prod": torch.prod,
}

drawn = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def tensor(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(dtype)
    numbers = torch.randint(-9, 10, shape, generator=generator)
    return numbers > 0 if dtype is torch.bool else numbers.to(dtype)


def differences(function: Callable[..., object], inputs: list[torch.Tensor], registry: Registry) -> list[object]:
    try:
        found = runs(function, inputs, registry)
    except (InputError, RuntimeError, IndexError):
        # PyTorch itself refuses such arguments.
        assume(False)
        raise
    return [(level, run.ways, run.differences) for level, run in found.items() if run.differences]


@given(
    name=st.sampled_from(sorted(BINARY)),
    shapes=arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4),
    types=st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES)),
    is_constant=st.booleans(),
    seed=st.integers(0, 99),
)
@drawn
def test_two_tensors(
    name: str,
    shapes: arrays.BroadcastableShapes,
    types: tuple[torch.dtype, torch.dtype],
    is_constant: bool,
    seed: int,
    registry: Registry,
) -> None:
    left, right = (tensor(shape, dtype, seed) for shape, dtype in zip(shapes.input_shapes, types, strict=True))
    function = BINARY[name]

    if is_constant and right.dim() > 0:
        assert differences(lambda x: function(x, right), [left], registry) == []
    else:
        assert differences(function, [left, right], registry) == []


@given(
    name=st.sampled_from(WITH_NUMBER),
    shape=arrays.array_shapes(min_dims=0, max_dims=4, max_side=4),
    dtype=st.sampled_from(TYPES),
    number=NUMBERS,
    seed=st.integers(0, 99),
)
@drawn
def test_a_tensor_and_a_number(
    name: str, shape: tuple[int, ...], dtype: torch.dtype, number: float, seed: int, registry: Registry
) -> None:
    function = BINARY[name]

    assert differences(lambda x: function(x, number), [tensor(shape, dtype, seed)], registry) == []


@given(
    name=st.sampled_from(sorted(UNARY)),
    shape=arrays.array_shapes(min_dims=0, max_dims=4, max_side=5),
    dtype=st.sampled_from(TYPES),
    seed=st.integers(0, 99),
)
@drawn
def test_functions_of_one_tensor(
    name: str, shape: tuple[int, ...], dtype: torch.dtype, seed: int, registry: Registry
) -> None:
    assert differences(UNARY[name], [tensor(shape, dtype, seed)], registry) == []


@given(
    shape=arrays.array_shapes(min_dims=0, max_dims=4, max_side=5),
    bounds=st.tuples(st.none() | NUMBERS, st.none() | NUMBERS),
    dtype=st.sampled_from(TYPES),
    seed=st.integers(0, 99),
)
@drawn
def test_clamps(
    shape: tuple[int, ...],
    bounds: tuple[float | None, float | None],
    dtype: torch.dtype,
    seed: int,
    registry: Registry,
) -> None:
    assert differences(lambda x: x.clamp(*bounds), [tensor(shape, dtype, seed)], registry) == []


@given(
    name=st.sampled_from(sorted(REDUCTIONS)),
    shape=arrays.array_shapes(min_dims=1, max_dims=4, max_side=5),
    data=st.data(),
    keepdim=st.booleans(),
    seed=st.integers(0, 99),
)
@drawn
def test_reductions(
    name: str, shape: tuple[int, ...], data: st.DataObject, keepdim: bool, seed: int, registry: Registry
) -> None:
    axes = st.integers(-len(shape), len(shape) - 1)
    dims = data.draw(st.lists(axes, min_size=1, max_size=len(shape), unique_by=lambda dim: dim % len(shape)))
    function = REDUCTIONS[name]

    found = differences(
        lambda x: function(x, dim=dims, keepdim=keepdim), [tensor(shape, torch.float32, seed)], registry
    )

    assert found == []


@given(
    name=st.sampled_from(sorted(ALONG_ONE)),
    shape=arrays.array_shapes(min_dims=1, max_dims=4, max_side=5),
    data=st.data(),
    seed=st.integers(0, 99),
)
@drawn
def test_ops_along_one_dimension(
    name: str, shape: tuple[int, ...], data: st.DataObject, seed: int, registry: Registry
) -> None:
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    function = ALONG_ONE[name]

    assert differences(lambda x: function(x, dim=dim), [tensor(shape, torch.float32, seed)], registry) == []
