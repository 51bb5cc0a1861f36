"""Resizing against PyTorch where the two agree, and against worked out numbers where they do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F  # noqa: N812, the name that everyone knows it by

from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, nchw, nhwc, random, tensor

SIZES = [(8, 15), (3, 4), (5, 7), (13, 2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_bilinear_with_half_pixels_or_aligned_corners_is_pytorchs(size: tuple[int, int], align_corners: bool) -> None:
    values = random(2, 5, 7, 3)
    expected = F.interpolate(nchw(values), size, mode="bilinear", align_corners=align_corners)

    found = compute("RESIZE_BILINEAR", tensor(values), size[1], size[0], False, align_corners, not align_corners)

    assert_close(found, nhwc(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("half_pixels", "mode"), [(False, "nearest"), (True, "nearest-exact")])
def test_nearest_is_pytorchs(size: tuple[int, int], half_pixels: bool, mode: str) -> None:
    values = random(2, 5, 7, 3)
    expected = F.interpolate(nchw(values), size, mode=mode)

    found = compute("RESIZE_NEAREST_NEIGHBOR", tensor(values), size[1], size[0], False, False, half_pixels)

    assert np.array_equal(found, nhwc(expected))


def test_default_bilinear_sampling_is_asymmetric() -> None:
    values = np.array([0, 10, 20], np.float32).reshape(1, 1, 3, 1)

    found = compute("RESIZE_BILINEAR", tensor(values), 6, 1)

    assert found.reshape(-1).tolist() == [0, 5, 10, 15, 20, 20]


def test_scales_round_the_size_down_and_come_width_first() -> None:
    found = compute("RESIZE_BILINEAR", tensor(random(1, 5, 7, 3)), 1.5, 0.5, False)

    assert found.shape == (1, 2, 10, 3)


def test_channels_first_resizes_the_last_two_axes() -> None:
    found = compute("RESIZE_NEAREST_NEIGHBOR", tensor(random(1, 3, 5, 7)), 4, 9, True)

    assert found.shape == (1, 3, 9, 4)


def test_quantized_bilinear_mixes_stored_integers() -> None:
    values = np.array([0, 9, 254], np.uint8).reshape(1, 1, 3, 1)

    found = compute("RESIZE_BILINEAR", tensor(values, 0.5, 3), 6, 1)

    assert found.reshape(-1).tolist() == [0, 5, 9, 132, 254, 254]


def test_two_ways_of_sampling_at_once_are_refused() -> None:
    with pytest.raises(ExecutionError, match="both set"):
        compute("RESIZE_BILINEAR", tensor(random(1, 5, 7, 3)), 4, 9, False, True, True)
