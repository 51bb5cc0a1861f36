"""Regions of interest against torchvision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import F4, U1, Input, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import assert_close, nchw, nhwc, random, random_integers, tensor

ops = pytest.importorskip("torchvision.ops")

Floats = npt.NDArray[np.float32]

U2 = OperandType.TENSOR_QUANT16_ASYMM

# Height 7 and width 9 at a ratio of 4 and 2: images of 28 by 18.
RATIO_H, RATIO_W = 4.0, 2.0
BOXES: Floats = np.asarray([[2, 4, 14, 24], [0, 0, 18, 28], [5.5, 3.25, 6, 4], [14, 20, 18, 28]], np.float32)
BATCHES: Array = np.asarray([0, 1, 1, 0], np.int32)


def inputs(x: Input, boxes: Input, *rest: bool | int | float) -> list[Input]:
    return [x, boxes, tensor(BATCHES), 3, 5, RATIO_H, RATIO_W, *rest]


def torch_boxes() -> torch.Tensor:
    """Batch index and box on the feature map, for torchvision has one ratio for both directions."""
    scaled = BOXES / np.asarray([RATIO_W, RATIO_H, RATIO_W, RATIO_H], np.float32)
    return torch.from_numpy(np.concatenate([BATCHES[:, None].astype(np.float32), scaled], axis=1))


@pytest.mark.parametrize("samples", [2, 3])
def test_roi_align_is_that_of_torchvision(samples: int) -> None:
    x = random(2, 7, 9, 4)

    (y,) = compute_all("ROI_ALIGN", *inputs(tensor(x), tensor(BOXES), samples, samples, False), outputs=[F4])

    wanted = ops.roi_align(nchw(x), torch_boxes(), (3, 5), 1.0, samples, aligned=False)
    assert_close(y, nhwc(wanted), rtol=1e-4, atol=1e-5)


def test_roi_align_takes_as_many_samples_as_the_region_is_long_when_asked_for_none() -> None:
    x = random(2, 7, 9, 4)

    (y,) = compute_all("ROI_ALIGN", *inputs(tensor(x), tensor(BOXES), 0, 0, False), outputs=[F4])

    wanted = ops.roi_align(nchw(x), torch_boxes(), (3, 5), 1.0, -1, aligned=False)
    assert_close(y, nhwc(wanted), rtol=1e-4, atol=1e-5)


def test_roi_align_samples_height_and_width_apart() -> None:
    x = np.broadcast_to(np.square(np.arange(7, dtype=np.float32))[None, :, None, None], (2, 7, 9, 1)).copy()

    (one,) = compute_all("ROI_ALIGN", *inputs(tensor(x), tensor(BOXES), 1, 4, False), outputs=[F4])
    (four,) = compute_all("ROI_ALIGN", *inputs(tensor(x), tensor(BOXES), 4, 1, False), outputs=[F4])

    # The map changes with height only, so samples along the width change nothing.
    for y, samples in ((one, 1), (four, 4)):
        wanted = ops.roi_align(nchw(x), torch_boxes(), (3, 5), 1.0, samples, aligned=False)
        assert_close(y, nhwc(wanted), rtol=1e-4, atol=1e-5)


def test_roi_pooling_is_that_of_torchvision() -> None:
    x = random(2, 7, 9, 4)

    (y,) = compute_all("ROI_POOLING", *inputs(tensor(x), tensor(BOXES), False), outputs=[F4])

    wanted = ops.roi_pool(nchw(x), torch_boxes(), (3, 5), 1.0)
    np.testing.assert_array_equal(y, nhwc(wanted))


@pytest.mark.parametrize(("kind", "rest"), [("ROI_ALIGN", (2, 2)), ("ROI_POOLING", ())])
def test_regions_know_both_layouts(kind: str, rest: tuple[int, ...]) -> None:
    x = random(2, 7, 9, 4)

    (last,) = compute_all(kind, *inputs(tensor(x), tensor(BOXES), *rest, False), outputs=[F4])
    (first,) = compute_all(
        kind, *inputs(tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2))), tensor(BOXES), *rest, True), outputs=[F4]
    )

    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))


def test_quantized_roi_align_has_a_scale_of_its_own() -> None:
    x = random_integers(0, 256, 2, 7, 9, 4)
    boxes = typed(U2, np.round(BOXES * 8), 0.125)

    (y,) = compute_all("ROI_ALIGN", *inputs(typed(U1, x, 0.5, 100), boxes, 2, 2, False), outputs=[(U1, 0.6, 90)])

    real = (x.astype(np.float32) - 100) * 0.5
    wanted = nhwc(ops.roi_align(nchw(real), torch_boxes(), (3, 5), 1.0, 2, aligned=False))
    # Half a step, for each element is rounded once.
    assert_close((y.astype(np.float32) - 90) * np.float32(0.6), wanted, rtol=0, atol=0.31)


@pytest.mark.parametrize(("kind", "rest"), [("ROI_ALIGN", (2, 2, False)), ("ROI_POOLING", (False,))])
@pytest.mark.parametrize(
    ("box", "batch", "message"),
    [
        ([6, 4, 2, 8], 0, "x1 <= x2"),
        ([2, 4, 19, 8], 0, "within the feature map"),
        ([-1, 4, 2, 8], 0, "within the feature map"),
        ([2, 4, 6, 8], 2, "wanted 0 to 1"),
    ],
)
def test_malformed_regions_are_errors(
    kind: str, rest: tuple[int, ...], box: list[float], batch: int, message: str
) -> None:
    boxes = tensor(np.asarray([box], np.float32))

    with pytest.raises(ExecutionError, match=message):
        compute_all(
            kind,
            *(tensor(random(2, 7, 9, 4)), boxes, tensor(np.asarray([batch], np.int32)), 3, 5, RATIO_H, RATIO_W),
            *rest,
            outputs=[F4],
        )


@pytest.mark.parametrize(("kind", "rest"), [("ROI_ALIGN", (2, 2, False)), ("ROI_POOLING", (False,))])
def test_no_regions_give_an_empty_output(kind: str, rest: tuple[int, ...]) -> None:
    none, no_batches = tensor(np.zeros((0, 4), np.float32)), tensor(np.zeros(0, np.int32))

    (y,) = compute_all(
        kind, *(tensor(random(2, 7, 9, 4)), none, no_batches, 3, 5, RATIO_H, RATIO_W), *rest, outputs=[F4]
    )

    assert y.shape == (0, 3, 5, 4)


@pytest.mark.parametrize(("kind", "samples"), [("ROI_ALIGN", (2, 2)), ("ROI_POOLING", ())])
def test_a_region_may_become_one_cell(kind: str, samples: tuple[int, ...]) -> None:
    x = np.full((2, 7, 9, 4), 3.5, np.float32)

    (y,) = compute_all(
        kind, tensor(x), tensor(BOXES), tensor(BATCHES), 1, 1, RATIO_H, RATIO_W, *samples, False, outputs=[F4]
    )

    assert_close(y, np.full((4, 1, 1, 4), 3.5, np.float32), rtol=1e-6)
