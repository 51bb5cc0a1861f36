"""Convolutions against PyTorch, in all layouts, paddings and element types."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the name that everyone knows it by

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter import convolution
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.single_operation import (
    assert_close,
    compute,
    nchw,
    nhwc,
    per_channel,
    random,
    random_integers,
    tensor,
)

EXPLICIT = (2, 1, 1, 0)
"""Padding left, right, top, bottom: no two equal along an axis."""


def torch_conv(
    values: Array, weights: Array, bias: npt.ArrayLike, pads: tuple[int, int, int, int], stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1), groups: int = 1,
) -> torch.Tensor:  # fmt: skip
    """PyTorch's answer in float64 for NHWC values and OHWI weights. Strides and dilations are height, width."""
    padded = F.pad(nchw(values.astype(np.float64)), pads)
    sums = torch.as_tensor(np.asarray(bias, np.float64))
    return F.conv2d(padded, nchw(weights.astype(np.float64)), sums, stride, 0, dilation, groups)


@pytest.mark.parametrize("is_nchw", [False, True])
@pytest.mark.parametrize("dilation", [(1, 1), (3, 2)])
def test_conv_2d_with_explicit_padding_is_pytorchs(is_nchw: bool, dilation: tuple[int, int]) -> None:
    values, weights, bias = random(2, 9, 11, 5), random(7, 3, 4, 5), random(7)
    expected = torch_conv(values, weights, bias, EXPLICIT, (2, 3), dilation).numpy()
    given = np.ascontiguousarray(np.moveaxis(values, 3, 1)) if is_nchw else values

    found = compute(
        "CONV_2D", tensor(given), tensor(weights), tensor(bias), *EXPLICIT, 3, 2, 0, is_nchw, dilation[1], dilation[0]
    )

    assert_close(found if is_nchw else np.moveaxis(found, 3, 1), expected, rtol=1e-4, atol=1e-4)


def test_conv_2d_without_layout_and_dilation_means_channels_last_and_dense() -> None:
    values, weights, bias = random(1, 6, 7, 3), random(4, 2, 3, 3), random(4)
    expected = nhwc(torch_conv(values, weights, bias, (*EXPLICIT[:2], 0, 0), (1, 2)))

    found = compute("CONV_2D", tensor(values), tensor(weights), tensor(bias), 2, 1, 0, 0, 2, 1, 0)

    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_same_padding_puts_the_odd_cell_at_the_far_side() -> None:
    values, weights, bias = random(1, 7, 10, 3), random(4, 2, 4, 3), random(4)
    # Height 7 at stride 2 needs (4 - 1) * 2 + 2 - 7 = 1 cell, width 10 at stride 3 needs (4 - 1) * 3 + 4 - 10 = 3.
    expected = nhwc(torch_conv(values, weights, bias, (1, 2, 0, 1), (2, 3)))

    found = compute("CONV_2D", tensor(values), tensor(weights), tensor(bias), 1, 3, 2, 0)

    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_valid_padding_is_none() -> None:
    values, weights, bias = random(1, 7, 10, 3), random(4, 2, 4, 3), random(4)
    expected = nhwc(torch_conv(values, weights, bias, (0, 0, 0, 0), (2, 3)))

    found = compute("CONV_2D", tensor(values), tensor(weights), tensor(bias), 2, 3, 2, 0)

    assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_fused_activation_limits_the_sums() -> None:
    values, weights, bias = random(1, 4, 5, 3), random(4, 2, 3, 3), random(4)
    expected = nhwc(torch_conv(values, weights, bias, (0, 0, 0, 0), (1, 1)).clamp(-1, 1))

    found = compute("CONV_2D", tensor(values), tensor(weights), tensor(bias), 0, 0, 0, 0, 1, 1, 2)

    assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(found).max() == 1


def test_windows_unfold_piece_by_piece_without_changing_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (tensor(random(2, 9, 11, 5)), tensor(random(7, 3, 4, 5)), tensor(random(7)), 0, 0, 0, 0, 1, 2, 0)
    at_once = compute("CONV_2D", *arguments)

    monkeypatch.setattr(convolution, "UNFOLDED_NUMBERS", 1)
    row_by_row = compute("CONV_2D", *arguments)

    assert_close(row_by_row, at_once, rtol=1e-5, atol=1e-5)


def test_a_batch_of_no_images_gives_no_images() -> None:
    none, bias, padding = tensor(random(0, 6, 7, 3)), tensor(random(4)), (0, 0, 0, 0)

    found = (
        compute("CONV_2D", none, tensor(random(4, 2, 3, 3)), bias, *padding, 2, 1, 0),
        compute("GROUPED_CONV_2D", none, tensor(random(4, 2, 3, 3)), bias, *padding, 2, 1, 1, 0, False),
        compute("DEPTHWISE_CONV_2D", none, tensor(random(1, 2, 3, 3)), tensor(random(3)), *padding, 2, 1, 1, 0),
        compute("TRANSPOSE_CONV_2D", none, tensor(random(4, 2, 3, 3)), bias, *padding, 2, 1, 0, False),
    )

    assert [array.shape for array in found] == [(0, 5, 3, 4), (0, 5, 3, 4), (0, 5, 3, 3), (0, 7, 15, 4)]


@pytest.mark.parametrize(("dtype", "low"), [("u1", 0), ("i1", -128)])
@pytest.mark.parametrize("depth", [3, 300])
def test_quantized_conv_2d_is_exact(dtype: str, low: int, depth: int) -> None:
    # 300 channels in 6 cells sum to more than 2^24, where float32 is no longer exact.
    values = random_integers(low, low + 256, 1, 5, 7, depth, dtype=dtype)
    weights = random_integers(low, low + 256, 4, 2, 3, depth, dtype=dtype, seed=8)
    bias = random_integers(-1000, 1000, 4, dtype="i4")
    sums = torch_conv(values.astype("f8") - (low + 3), weights.astype("f8") - (low + 5), bias, EXPLICIT, (1, 2))
    scale = float(sums.abs().max()) / 120
    expected = np.clip(np.floor(nhwc(sums / scale + 0.5)) + low + 128, low, low + 255)

    found = compute(
        "CONV_2D", tensor(values, 0.5, low + 3), tensor(weights, 0.25, low + 5), tensor(bias, 0.125),
        *EXPLICIT, 2, 1, 0, quant=QuantParams(scale * 0.125, low + 128),
    )  # fmt: skip

    assert np.array_equal(found, expected)


def test_scales_per_channel_apply_to_their_own_channel() -> None:
    values = random_integers(0, 256, 1, 5, 7, 3)
    weights = random_integers(-127, 128, 4, 2, 3, 3, dtype="i1")
    bias, scales = random_integers(-1000, 1000, 4, dtype="i4"), (0.5, 0.25, 0.75, 1.0)
    sums = torch_conv(values.astype("f8") - 10, weights, bias, EXPLICIT, (1, 2))
    expected = np.clip(np.floor(nhwc(sums * torch.tensor(scales).reshape(4, 1, 1) / 400 + 0.5)) + 100, 0, 255)

    found = compute(
        "CONV_2D", tensor(values, 0.5, 10), per_channel(weights, scales, 0), tensor(bias),
        *EXPLICIT, 2, 1, 0, quant=QuantParams(200.0, 100),
    )  # fmt: skip

    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("groups", "depth"), [(3, 2), (6, 1)])
def test_grouped_conv_2d_is_pytorchs(groups: int, depth: int) -> None:
    values, weights, bias = random(2, 5, 8, 6), random(12, 3, 2, depth), random(12)
    expected = nhwc(torch_conv(values, weights, bias, (1, 0, 2, 1), (2, 1), groups=groups))

    found = compute(
        "GROUPED_CONV_2D", tensor(values), tensor(weights), tensor(bias), 1, 0, 2, 1, 1, 2, groups, 0, False
    )

    assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_nchw", [False, True])
@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("stride", [(1, 2), (2, 1)])
def test_depthwise_conv_2d_is_pytorchs(is_nchw: bool, multiplier: int, stride: tuple[int, int]) -> None:
    values, weights, bias = random(2, 9, 11, 5), random(1, 3, 2, 5 * multiplier), random(5 * multiplier)
    as_groups = np.moveaxis(weights[0], 2, 0)[..., np.newaxis]
    expected = torch_conv(values, as_groups, bias, (1, 0, 1, 2), stride, (1, 3), groups=5).numpy()
    given = np.ascontiguousarray(np.moveaxis(values, 3, 1)) if is_nchw else values

    found = compute(
        "DEPTHWISE_CONV_2D", tensor(given), tensor(weights), tensor(bias),
        1, 0, 1, 2, stride[1], stride[0], multiplier, 0, is_nchw, 3, 1,
    )  # fmt: skip

    assert_close(found if is_nchw else np.moveaxis(found, 3, 1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_nchw", [False, True])
def test_transpose_conv_2d_is_pytorchs(is_nchw: bool) -> None:
    values, weights, bias = random(2, 4, 5, 3), random(7, 3, 4, 3), random(7)
    full = F.conv_transpose2d(
        nchw(values), torch.from_numpy(weights).permute(3, 0, 1, 2), torch.from_numpy(bias), stride=(2, 3)
    )
    expected = full[:, :, 1:-1, 2:-1].numpy()
    given = np.ascontiguousarray(np.moveaxis(values, 3, 1)) if is_nchw else values

    found = compute("TRANSPOSE_CONV_2D", tensor(given), tensor(weights), tensor(bias), 2, 1, 1, 1, 3, 2, 0, is_nchw)

    assert_close(found if is_nchw else np.moveaxis(found, 3, 1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("before", [0, 1])
def test_negative_padding_adds_output_cells_as_output_padding_does(before: int) -> None:
    values, weights, bias = random(1, 4, 5, 3), random(7, 3, 4, 3), random(7)
    full = F.conv_transpose2d(
        nchw(values), torch.from_numpy(weights).permute(3, 0, 1, 2), torch.from_numpy(bias),
        stride=(2, 3), output_padding=(1, 2),
    )  # fmt: skip
    padding = (before, -2, before, -1)

    found = compute("TRANSPOSE_CONV_2D", tensor(values), tensor(weights), tensor(bias), *padding, 3, 2, 0, False)

    assert_close(found, nhwc(full[:, :, before:, before:]), rtol=1e-4, atol=1e-4)


def test_an_output_shape_decides_how_much_is_cut_off() -> None:
    values, weights, bias = random(1, 4, 5, 3), random(7, 3, 4, 3), random(7)
    full = F.conv_transpose2d(
        nchw(values), torch.from_numpy(weights).permute(3, 0, 1, 2), torch.from_numpy(bias), stride=(2, 3)
    )
    shape = tensor(np.array([1, 8, 14, 7], np.int32))
    # SAME padding of 14 cells at stride 3 with a filter of 4 is (5 - 1) * 3 + 4 - 14 = 2, of 8 at 2 with 3 it is 1.
    expected = full[:, :, 0:-1, 1:-1]

    found = compute("TRANSPOSE_CONV_2D", tensor(values), tensor(weights), tensor(bias), shape, 1, 3, 2, 0, False)

    assert_close(found, nhwc(expected), rtol=1e-4, atol=1e-4)


def test_float16_is_computed_with_the_precision_of_float32() -> None:
    values, weights = np.full((1, 1, 1, 4096), 1, np.float16), np.full((1, 1, 1, 4096), 1, np.float16)

    found = compute("CONV_2D", tensor(values), tensor(weights), tensor(np.zeros(1, np.float16)), 2, 1, 1, 0)

    # Sums in float16 would stop growing at 2048.
    assert found.item() == 4096


@pytest.mark.parametrize(
    ("pads", "stride", "message"),
    [((4, 0, 0, 0), (1, 1), "smaller than the filter"), ((0, 0, 0, 0), (0, 1), "must be positive"),
     ((-1, 0, 0, 0), (1, 1), "must not be negative")],
)  # fmt: skip
def test_windows_that_the_reference_rejects_are_refused(
    pads: tuple[int, int, int, int], stride: tuple[int, int], message: str
) -> None:
    with pytest.raises(ExecutionError, match=message):
        compute("CONV_2D", tensor(random(1, 6, 7, 3)), tensor(random(4, 2, 3, 3)), tensor(random(4)), *pads, *stride, 0)


def test_a_filter_larger_than_the_input_is_refused() -> None:
    with pytest.raises(ExecutionError, match="larger than the padded height"):
        compute("CONV_2D", tensor(random(1, 2, 7, 3)), tensor(random(4, 3, 3, 3)), tensor(random(4)), 2, 1, 1, 0)


def test_a_depth_multiplier_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ExecutionError, match="depth multiplier 2 do not fit"):
        compute(
            "DEPTHWISE_CONV_2D",
            tensor(random(1, 6, 7, 3)),
            tensor(random(1, 2, 2, 3)),
            tensor(random(3)),
            2,
            1,
            1,
            2,
            0,
        )


def test_an_unknown_fused_activation_is_refused() -> None:
    with pytest.raises(ExecutionError, match="fused activation is 4"):
        compute("CONV_2D", tensor(random(1, 2, 7, 3)), tensor(random(4, 1, 3, 3)), tensor(random(4)), 2, 1, 1, 4)


def test_a_convolution_of_integers_has_the_output_type_it_declares() -> None:
    values = random_integers(0, 256, 1, 3, 4, 2)

    found = compute(
        "CONV_2D", tensor(values, 1.0, 0), tensor(values[:, :2, :2], 1.0, 0), tensor(np.zeros(1, np.int32)), 2, 1, 1, 0,
        output=OperandType.TENSOR_QUANT8_ASYMM, quant=QuantParams(1000.0, 0),
    )  # fmt: skip

    assert found.dtype == np.uint8


def test_a_transposed_convolution_without_strides_fails_by_name() -> None:
    inputs = tensor(random(1, 4, 5, 3)), tensor(random(7, 3, 4, 3)), tensor(random(7))

    with pytest.raises(ExecutionError, match="stride, padding and filter leave no output"):
        compute("TRANSPOSE_CONV_2D", *inputs, 0, 0, 0, 0, 0, 2, 0, False)
