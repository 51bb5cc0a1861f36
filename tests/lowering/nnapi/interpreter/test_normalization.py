"""Softmax and the normalizations against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name that everyone knows it by

from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, nchw, nhwc, random, tensor


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_is_pytorchs_of_the_scaled_input(axis: int) -> None:
    values = random(3, 4, 5) * 50

    found = compute("SOFTMAX", tensor(values), 0.5, axis)

    assert_close(found, torch.from_numpy(values * 0.5).softmax(axis).numpy(), rtol=1e-5, atol=1e-7)


def test_softmax_takes_the_last_axis_by_default() -> None:
    values = random(3, 4)

    assert np.array_equal(compute("SOFTMAX", tensor(values), 1.0), compute("SOFTMAX", tensor(values), 1.0, -1))


def test_quantized_softmax_counts_in_256ths() -> None:
    stored = np.array([[10, 12, 200]], np.uint8)

    found = compute("SOFTMAX", tensor(stored, 0.5, 0), 1.0, quant=QuantParams(1 / 256, 0))

    # exp(-94) and less leave nothing for the first two, and 256 does not fit.
    assert found.tolist() == [[0, 0, 255]]


def test_softmax_refuses_a_beta_that_is_not_positive() -> None:
    with pytest.raises(ExecutionError, match="beta is 0"):
        compute("SOFTMAX", tensor(random(2, 3)), 0.0)


def test_log_softmax_is_pytorchs() -> None:
    values = random(3, 4, 5) * 50

    found = compute("LOG_SOFTMAX", tensor(values), 2.0, 1)

    assert_close(found, torch.from_numpy(values * 2).log_softmax(1).numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_l2_normalization_is_pytorchs_with_its_epsilon(axis: int) -> None:
    values = random(2, 3, 4, 5)

    found = compute("L2_NORMALIZATION", tensor(values), axis)

    assert_close(found, F.normalize(torch.from_numpy(values), dim=axis, eps=1e-6).numpy(), rtol=1e-5, atol=1e-6)


def test_a_vector_of_zeros_stays_zero() -> None:
    assert compute("L2_NORMALIZATION", tensor(np.zeros((1, 3), np.float32))).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("radius", [0, 1, 2, 9])
def test_local_response_normalization_is_pytorchs_with_a_divided_alpha(radius: int) -> None:
    values = random(2, 3, 4, 7)
    size = 2 * radius + 1
    expected = F.local_response_norm(nchw(values), size, alpha=0.3 * size, beta=0.6, k=1.5)

    found = compute("LOCAL_RESPONSE_NORMALIZATION", tensor(values), radius, 1.5, 0.3, 0.6)

    assert_close(found, nhwc(expected), rtol=1e-4, atol=1e-5)


def test_local_response_normalization_runs_along_its_axis() -> None:
    values = random(2, 3, 4, 7)
    turned = np.ascontiguousarray(np.moveaxis(values, 1, 3))

    found = compute("LOCAL_RESPONSE_NORMALIZATION", tensor(values), 1, 1.5, 0.3, 0.6, 1)

    last = compute("LOCAL_RESPONSE_NORMALIZATION", tensor(turned), 1, 1.5, 0.3, 0.6, -1)
    assert_close(np.moveaxis(found, 1, 3), last, rtol=1e-6)


@pytest.mark.parametrize("is_nchw", [False, True])
def test_instance_normalization_is_pytorchs_with_equal_gamma_and_beta(is_nchw: bool) -> None:
    values = random(2, 3, 4, 5) + 3
    expected = F.instance_norm(nchw(values), weight=torch.full((5,), 2.0), bias=torch.full((5,), 0.5), eps=1e-2)
    given = nchw(values).numpy() if is_nchw else values

    found = compute("INSTANCE_NORMALIZATION", tensor(given), 2.0, 0.5, 1e-2, is_nchw)

    assert_close(found, expected.numpy() if is_nchw else nhwc(expected), rtol=1e-4, atol=1e-5)


def test_an_axis_outside_the_rank_is_refused() -> None:
    with pytest.raises(ExecutionError, match="the axis is 2"):
        compute("L2_NORMALIZATION", tensor(random(2, 3)), 2)
