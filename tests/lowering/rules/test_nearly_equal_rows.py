"""Rows whose elements are equal, or nearly: what is left once their mean is away is as small as its rounding."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.nnapi.interpreter import reduction
from nnapi_check.lowering.nnapi.interpreter.kernels import Array
from tests.lowering.whole_graphs import runs

UNIT = 2.0**-24
"""Half the distance of float32's numbers from 1 on."""
EPSILON = 1e-5
"""What PyTorch's normalizations add to a variance."""

Function = Callable[[torch.Tensor], torch.Tensor | tuple[torch.Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Tried:
    """A function of rows; ``absolute`` is what its outputs may be off by however small they are.

    What divides by a deviation takes the mean of so many rows together, ``normalized_rows``.
    """

    function: Function
    absolute: float = 1e-5
    normalized_rows: int = 0

    def left(self, x: torch.Tensor) -> float:
        """The most that is left of equal elements once their mean is away, divided by the root of epsilon.

        A mean of ``n`` is off by half a unit for each. What that leaves has a mean too, which is taken away as well.
        """
        off = self.normalized_rows * x.shape[-1] / 2 * UNIT
        return float(x.abs().max()) * off * off / math.sqrt(EPSILON)


TRIED = {
    "layer_norm": Tried(lambda x: functional.layer_norm(x, x.shape[-1:]), normalized_rows=1),
    "layer_norm of two dimensions": Tried(lambda x: functional.layer_norm(x, x.shape[-2:]), normalized_rows=4),
    "group_norm": Tried(lambda x: functional.group_norm(x, 2), normalized_rows=2),
    "group_norm of an image": Tried(lambda x: functional.group_norm(x.unsqueeze(3), 2), normalized_rows=2),
    "instance_norm": Tried(functional.instance_norm, normalized_rows=1),
    "rms_norm": Tried(lambda x: functional.rms_norm(x, x.shape[-1:], eps=1e-5)),
    "normalize": Tried(lambda x: functional.normalize(x, dim=-1)),
    "softmax": Tried(lambda x: x.softmax(-1)),
    "log_softmax": Tried(lambda x: x.log_softmax(-1)),
    "logsumexp": Tried(lambda x: x.logsumexp(-1)),
    "mean": Tried(lambda x: x.mean(-1), 0.0),
    "var": Tried(lambda x: x.var(-1), 0.0),
    "var of all": Tried(lambda x: x.var(unbiased=False), 0.0),
    "var with a correction": Tried(lambda x: torch.var(x, -1, correction=2), 0.0),
    "std": Tried(lambda x: x.std(-1, unbiased=False), 0.0),
    "std of all": Tried(lambda x: x.std(unbiased=False), 0.0),
    "std with a correction": Tried(lambda x: torch.std(x, (1, 2), correction=0), 0.0),
    "var_mean": Tried(lambda x: torch.var_mean(x, -1, unbiased=True), 0.0),
    "var_mean with a correction": Tried(lambda x: torch.var_mean(x, (0, 2), correction=0), 0.0),
    "std_mean": Tried(lambda x: torch.std_mean(x, -1, unbiased=True), 0.0),
    "std_mean with a correction": Tried(lambda x: torch.std_mean(x, -1, correction=0), 0.0),
}
OF_SEVERAL_LAYERS = {"aten._transformer_encoder_layer_fwd.default"}
"""It normalizes as layer_norm does, of what its own products are."""


def in_order(array: Array, axis: tuple[int, ...], *, keepdims: bool = False) -> Array:
    """The sums that a driver makes which adds one element after another."""
    kept = [place for place in range(array.ndim) if place not in axis]
    rows = np.transpose(array, [*kept, *axis]).reshape([*(array.shape[place] for place in kept), -1])
    sums = np.add.accumulate(rows, axis=-1, dtype=np.float32)[..., -1]
    return np.asarray(np.expand_dims(sums, axis) if keepdims else sums)


def mean_in_order(array: Array, axis: tuple[int, ...], *, keepdims: bool = False) -> Array:
    count = np.float32(np.prod([array.shape[place] for place in axis]))
    return np.asarray(np.divide(in_order(array, axis, keepdims=keepdims).astype(np.float32), count))


@pytest.fixture(scope="module", autouse=True)
def _one_element_after_another() -> Iterator[None]:
    """MEAN and REDUCE_SUM as the worst driver computes them: NumPy adds in pairs, which rounds less."""
    patch = pytest.MonkeyPatch()
    names = {name: getattr(np, name) for name in dir(np)}
    patch.setattr(reduction, "np", SimpleNamespace(**{**names, "sum": in_order, "mean": mean_in_order}))
    yield
    patch.undo()


def rows(length: int, size: float, spread: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    level = size * torch.randn(2, 4, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, 4, length, generator=generator, dtype=torch.float64)
    return (level + spread * level * noise).float()


def listed(found: object) -> Sequence[torch.Tensor]:
    return [found] if isinstance(found, torch.Tensor) else list(found)  # type: ignore[call-overload]  # a tuple


@pytest.mark.parametrize("name", TRIED)
@settings(max_examples=5)
@given(
    length=st.sampled_from([7, 255, 1056]),
    size=st.sampled_from([1e-6, 1e-3, 1.0, 30.0, 1e4]),
    spread=st.sampled_from([0.0, 1e-7, 1e-4, 0.5]),
    seed=st.integers(0, 2**31),
)
def test_nearly_equal_rows_are_as_in_64_bits_however_they_are_added_up(
    name: str, length: int, size: float, spread: float, seed: int
) -> None:
    tried, x = TRIED[name], rows(length, size, spread, seed)
    wanted = listed(tried.function(x.double()))

    found = runs(tried.function, [x], open_registry())

    assert found
    for level, run in found.items():
        for ours, truth in zip(run.outputs, wanted, strict=True):
            # Sums of numbers of one sign, one after another, are off by half a unit for each of them at most.
            relative = 1e-4 + x.numel() / truth.numel() * UNIT
            allowed = relative * float(truth.abs().max()) + tried.absolute + tried.left(x)
            assert float((ours.double() - truth).abs().max()) <= allowed, f"level {level}: {run.ways}"


def test_every_way_that_takes_a_mean_away_is_tried() -> None:
    registry = open_registry()
    taking = {
        f"{card.op}/{way.name}"
        for card in registry.cards()
        for way in card.ways
        if {"MEAN", "SUB"} <= {emission.operation for emission in way.emits}
        # Quantized rows are never nearly equal: they are, or differ by whole steps.
        if card.op not in OF_SEVERAL_LAYERS and not card.op.startswith("quantized.")
    }

    x = rows(9, 1.0, 0.5, 1)
    ways = {way for tried in TRIED.values() for run in runs(tried.function, [x], registry).values() for way in run.ways}

    assert taking - ways == set()
