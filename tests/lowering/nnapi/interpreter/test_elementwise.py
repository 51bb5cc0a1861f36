"""Functions of one tensor against PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name that everyone knows it by

from nnapi_check.lowering.nnapi.interpreter.kernels import Array
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, random, tensor

FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "ABS": torch.abs,
    "EXP": torch.exp,
    "FLOOR": torch.floor,
    "HARD_SWISH": F.hardswish,
    "LOG": torch.log,
    "LOGISTIC": torch.sigmoid,
    "NEG": torch.neg,
    "RELU": torch.relu,
    "RELU1": lambda x: x.clamp(-1, 1),
    "RELU6": F.relu6,
    "RSQRT": torch.rsqrt,
    "SIN": torch.sin,
    "SQRT": torch.sqrt,
    "TANH": torch.tanh,
}
POSITIVE = {"LOG", "RSQRT", "SQRT"}


def values_for(kind: str) -> Array:
    values = random(3, 4, 5) * 4
    return np.abs(values) + np.float32(0.01) if kind in POSITIVE else values


@pytest.mark.parametrize("kind", sorted(FUNCTIONS))
def test_float32_is_pytorchs(kind: str) -> None:
    values = values_for(kind)

    found = compute(kind, tensor(values))

    assert_close(found, FUNCTIONS[kind](torch.from_numpy(values)).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(FUNCTIONS))
def test_float16_is_float32_rounded_once(kind: str) -> None:
    values = values_for(kind).astype(np.float16)
    wide = FUNCTIONS[kind](torch.from_numpy(values.astype(np.float32))).numpy()

    found = compute(kind, tensor(values))

    assert found.dtype == np.float16
    assert_close(found.astype(np.float32), wide, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "quant"),
    [
        ("HARD_SWISH", QuantParams(0.05, 10)),
        ("LOGISTIC", QuantParams(1 / 256, 0)),
        ("TANH", QuantParams(1 / 128, 128)),
        ("RSQRT", QuantParams(0.01, 0)),
        ("RELU", QuantParams(0.05, 100)),
        ("RELU1", QuantParams(0.05, 100)),
        ("RELU6", QuantParams(0.05, 100)),
    ],
)
def test_every_quantized_value_is_the_nearest_to_the_real_one(kind: str, quant: QuantParams) -> None:
    values = np.arange(256, dtype=np.uint8)
    real = FUNCTIONS[kind](torch.from_numpy((values.astype(np.float64) - 100) * 0.05)).numpy()
    steps = np.nan_to_num(real / quant.scale, nan=np.inf)
    expected = np.clip(np.floor(steps + 0.5) + quant.zero_point, 0, 255)

    found = compute(kind, tensor(values, 0.05, 100), quant=quant)

    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found == expected).mean() > 0.99


def test_elu_is_pytorchs() -> None:
    values = random(3, 4, 5) * 4

    found = compute("ELU", tensor(values), 0.7)

    assert_close(found, F.elu(torch.from_numpy(values), 0.7).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "expected"), [("ABS", [3, 0, 4]), ("NEG", [3, 0, -4])])
def test_integers_stay_integers(kind: str, expected: list[int]) -> None:
    found = compute(kind, tensor(np.array([-3, 0, 4], np.int32)))

    assert found.dtype == np.int32
    assert found.tolist() == expected
