"""Boxes from deltas and suppression, against torchvision and against a slow writing of the definitions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.box_geometry import by_score
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import F4, I4, U1, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import assert_close, compute, random, tensor

ops = pytest.importorskip("torchvision.ops")
box_coder = pytest.importorskip("torchvision.models.detection._utils")

Floats = npt.NDArray[np.float32]

U2 = OperandType.TENSOR_QUANT16_ASYMM
HARD, LINEAR, GAUSSIAN = 0, 1, 2


def boxes_of(count: int, seed: int = 0, size: float = 40.0) -> Floats:
    """Boxes (x1, y1, x2, y2) of which many overlap."""
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, size, (count, 2))
    sides = generator.uniform(5, size / 2, (count, 2))
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def scores_of(*shape: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def kept_by_torchvision(boxes: Floats, scores: Floats, threshold: float) -> list[int]:
    kept: list[int] = ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).tolist()
    return kept


@pytest.mark.parametrize("classes", [1, 3])
def test_boxes_move_as_torchvision_decodes_them(classes: int) -> None:
    boxes, deltas = boxes_of(6), random(6, 4 * classes) * 0.3
    sizes: Floats = np.asarray([[30, 50], [45, 35]], np.float32)
    batches: Array = np.asarray([0, 0, 0, 1, 1, 0], np.int32)

    y = compute("AXIS_ALIGNED_BBOX_TRANSFORM", tensor(boxes), tensor(deltas), tensor(batches), tensor(sizes))

    decoded = box_coder.BoxCoder((1.0, 1.0, 1.0, 1.0)).decode(torch.from_numpy(deltas), [torch.from_numpy(boxes)])
    for index, batch in enumerate(batches):
        wanted = ops.clip_boxes_to_image(decoded[index], (sizes[batch, 0], sizes[batch, 1]))
        assert_close(y[index].reshape(classes, 4), wanted.numpy(), rtol=1e-5, atol=1e-4)


def test_quantized_boxes_are_in_eighths() -> None:
    boxes, deltas = np.round(boxes_of(5) * 8), np.asarray(np.arange(20).reshape(5, 4) * 3 + 100)
    sizes: Floats = np.asarray([[30, 50]], np.float32)
    batches: Array = np.zeros(5, np.int32)

    (y,) = compute_all(
        "AXIS_ALIGNED_BBOX_TRANSFORM",
        *(typed(U2, boxes, 0.125), typed(U1, deltas, 0.05, 128), tensor(batches), typed(U2, sizes * 8, 0.125)),
        outputs=[(U2, 0.125, 0)],
    )

    real = [tensor((boxes / 8).astype(np.float32)), tensor(((deltas - 128) * 0.05).astype(np.float32))]
    wanted = compute("AXIS_ALIGNED_BBOX_TRANSFORM", *real, tensor(batches), tensor(sizes))
    assert_close(y.astype(np.float64) / 8, wanted, rtol=0, atol=0.07)


@pytest.mark.parametrize(("batch", "box"), [(2, [0, 0, 1, 1]), (0, [3, 0, 1, 1])])
def test_malformed_boxes_are_errors(batch: int, box: list[float]) -> None:
    boxes, batches = np.asarray([box], np.float32), np.asarray([batch], np.int32)

    with pytest.raises(ExecutionError, match=r"batch indices|x1 <= x2"):
        compute(
            "AXIS_ALIGNED_BBOX_TRANSFORM",
            *(tensor(boxes), tensor(random(1, 4)), tensor(batches), tensor(np.ones((2, 2), np.float32))),
        )


def limit_boxes(
    scores: Floats,
    boxes: Floats,
    batches: list[int],
    *,
    score_threshold: float = 0.2,
    limit: int = -1,
    method: int = HARD,
    overlap: float = 0.4,
    sigma: float = 0.5,
    lowest: float = 0.3,
) -> tuple[Array, ...]:
    return compute_all(
        "BOX_WITH_NMS_LIMIT",
        *(tensor(scores), tensor(boxes), typed(I4, batches), score_threshold, limit, method, overlap, sigma, lowest),
        outputs=[F4, F4, I4, I4],
    )


def test_hard_suppression_by_image_and_class_is_that_of_torchvision() -> None:
    count, classes = 20, 3
    scores = scores_of(count, classes)
    boxes = np.stack([boxes_of(count, seed, size=16.0) for seed in range(classes)], axis=1)
    batches = [4] * 12 + [7] * 8

    found = limit_boxes(scores, boxes.reshape(count, -1), batches, overlap=0.2, lowest=0.1)

    wanted: list[tuple[float, list[float], int, int]] = []
    for batch, rows in ((4, range(12)), (7, range(12, 20))):
        for label in (1, 2):
            wanted_rows = [row for row in rows if scores[row, label] > 0.2]
            kept = kept_by_torchvision(boxes[wanted_rows, label], scores[wanted_rows, label], 0.2)
            for row in (wanted_rows[index] for index in kept):
                wanted.append((float(scores[row, label]), boxes[row, label].tolist(), label, batch))
    assert len(wanted) < (scores[:, 1:] > 0.2).sum() - 5
    assert list(zip(*(array.tolist() for array in found), strict=True)) == wanted


def test_the_limit_holds_for_an_image_whatever_the_class() -> None:
    scores = scores_of(20, 3)
    boxes = np.stack([boxes_of(20, seed) for seed in range(3)], axis=1).reshape(20, -1)

    everything = limit_boxes(scores, boxes, [0] * 20)[0]
    limited = limit_boxes(scores, boxes, [0] * 20, limit=4)[0]

    assert sorted(limited, reverse=True) == sorted(everything, reverse=True)[:4]


def overlap_of(a: Floats, b: Floats) -> float:
    w = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(w * h / (areas - w * h))


def soft_suppression(boxes: Floats, scores: Floats, decay: Callable[[float], float], lowest: float) -> list[float]:
    pending = {index: float(score) for index, score in enumerate(scores) if score > 0.2}
    selected = []
    while pending:
        best = max(pending, key=lambda index: pending[index])
        selected.append(pending.pop(best))
        lowered = {index: score * decay(overlap_of(boxes[best], boxes[index])) for index, score in pending.items()}
        pending = {index: score for index, score in lowered.items() if score >= lowest}
    return sorted(selected, reverse=True)


@pytest.mark.parametrize(
    ("method", "decay"),
    [(LINEAR, lambda iou: 1 if iou < 0.4 else 1 - iou), (GAUSSIAN, lambda iou: math.exp(-iou * iou / 0.5))],
)
def test_soft_suppression_lowers_scores_before_it_drops_boxes(method: int, decay: Callable[[float], float]) -> None:
    scores, boxes = scores_of(20, 2), boxes_of(20)

    found = limit_boxes(scores, np.concatenate([boxes, boxes], axis=1), [0] * 20, method=method)

    wanted = soft_suppression(boxes, scores[:, 1], decay, 0.3)
    assert wanted != sorted(scores[scores[:, 1] > 0.2, 1].tolist(), reverse=True)
    assert_close(found[0], np.asarray(wanted), rtol=1e-5)


def test_no_boxes_and_none_good_enough_give_empty_outputs() -> None:
    empty = limit_boxes(np.zeros((0, 2), np.float32), np.zeros((0, 8), np.float32), [])
    poor = limit_boxes(scores_of(3, 2), np.tile(boxes_of(3), 2), [0] * 3, score_threshold=1.5)

    for found in (empty, poor):
        assert [array.shape for array in found] == [(0,), (0, 4), (0,), (0,)]


def test_quantized_scores_are_rounded_and_boxes_stay_as_they_are() -> None:
    scores, boxes = np.round(scores_of(9, 2) * 100), np.round(np.tile(boxes_of(9), 2) * 8)

    found = compute_all(
        "BOX_WITH_NMS_LIMIT",
        *(typed(U1, scores, 0.01), typed(U2, boxes, 0.125), typed(I4, [0] * 9), 0.2, -1, LINEAR, 0.4, 0.5, 0.3),
        outputs=[(U1, 0.01, 0), (U2, 0.125, 0), I4, I4],
    )

    real = limit_boxes((scores * 0.01).astype(np.float32), (boxes / 8).astype(np.float32), [0] * 9, method=LINEAR)
    assert_close(found[0].astype(np.float64) * 0.01, real[0], rtol=0, atol=0.006)
    np.testing.assert_array_equal(found[1].astype(np.float32) / 8, real[1])


@pytest.mark.parametrize("is_nchw", [False, True])
@pytest.mark.parametrize("before", [0, 10])
def test_proposals_are_the_best_anchors_that_do_not_overlap(is_nchw: bool, before: int) -> None:
    h, w, count, limit = 3, 4, 2, 5
    scores, deltas = scores_of(2, h, w, count), random(2, h, w, 4 * count) * 0.2
    anchors: Floats = np.asarray([[-6, -4, 6, 4], [-3, -9, 3, 9]], np.float32)
    sizes: Floats = np.asarray([[28, 32], [24, 30]], np.float32)

    def laid_out(x: Floats) -> Floats:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if is_nchw else x

    found = compute_all(
        "GENERATE_PROPOSALS",
        *(tensor(laid_out(scores)), tensor(laid_out(deltas)), tensor(anchors), tensor(sizes)),
        *(10.0, 8.0, before, limit, 0.5, 3.0, is_nchw),
        outputs=[F4, F4, I4],
    )

    wanted_scores, wanted_boxes, wanted_batches = [], [], []
    for batch in range(2):
        places = [(row, column, anchor) for row in range(h) for column in range(w) for anchor in range(count)]
        moved = np.stack([anchors[a] + [8 * c, 10 * r, 8 * c, 10 * r] for r, c, a in places]).astype(np.float32)
        decoder = box_coder.BoxCoder((1.0, 1.0, 1.0, 1.0))
        decoded = decoder.decode(torch.from_numpy(deltas[batch].reshape(-1, 4)), [torch.from_numpy(moved)])[:, 0]
        clipped = ops.clip_boxes_to_image(decoded, (sizes[batch, 0], sizes[batch, 1]))
        flat = torch.from_numpy(scores[batch].reshape(-1))
        order = flat.argsort(descending=True)[: before or None]
        sides = clipped[:, 2:] - clipped[:, :2]
        middle = clipped[:, :2] + sides / 2
        is_good = (sides > 3).all(1) & (middle[:, 0] < sizes[batch, 1]) & (middle[:, 1] < sizes[batch, 0])
        order = order[is_good[order]]
        kept = order[ops.nms(clipped[order], flat[order], 0.5)][:limit]
        wanted_scores += flat[kept].tolist()
        wanted_boxes += clipped[kept].tolist()
        wanted_batches += [batch] * len(kept)
    assert 2 < len(wanted_scores) <= 2 * limit
    assert_close(found[0], np.asarray(wanted_scores), rtol=1e-6)
    assert_close(found[1], np.asarray(wanted_boxes), rtol=1e-5, atol=1e-4)
    assert found[2].tolist() == wanted_batches


def detections(scores: Floats, deltas: Floats, anchors: Floats, *options: bool | int | float) -> tuple[Array, ...]:
    return compute_all(
        "DETECTION_POSTPROCESSING",
        *(tensor(scores), tensor(deltas), tensor(anchors), 10.0, 8.0, 5.0, 4.0, *options),
        outputs=[F4, F4, I4, I4],
    )


def decoded_boxes(deltas: Floats, anchors: Floats) -> Floats:
    """Boxes (y1, x1, y2, x2) of one image, one by one."""
    boxes = []
    for (dy, dx, dh, dw), (y, x, h, w) in zip(deltas[:, :4], anchors, strict=True):
        center_y, center_x = y + dy / 10 * h, x + dx / 8 * w
        half_h, half_w = h * math.exp(dh / 5) / 2, w * math.exp(dw / 4) / 2
        boxes.append([center_y - half_h, center_x - half_w, center_y + half_h, center_x + half_w])
    return np.asarray(boxes, np.float32)


def detection_inputs() -> tuple[Floats, Floats, Floats]:
    corners = boxes_of(12, size=20.0)
    anchors = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)
    return scores_of(2, 12, 4), random(2, 12, 5), anchors.astype(np.float32)


@pytest.mark.parametrize("has_background_label", [True, False])
def test_detections_by_class_are_those_of_torchvision(has_background_label: bool) -> None:
    scores, deltas, anchors = detection_inputs()

    found = detections(scores, deltas, anchors, True, 6, 9, 3, 0.3, 0.4, has_background_label)

    for batch in range(2):
        boxes = decoded_boxes(deltas[batch], anchors)
        wanted = []
        for label in (1, 2, 3):
            rows = [row for row in range(12) if scores[batch, row, label] > 0.3]
            kept = kept_by_torchvision(boxes[rows], scores[batch, rows, label], 0.4)[:3]
            wanted += [(float(scores[batch, rows[index], label]), label, rows[index]) for index in kept]
        wanted = sorted(wanted, reverse=True)[:6]
        assert found[3][batch] == 6
        assert found[0][batch].tolist() == [score for score, _, _ in wanted]
        assert_close(found[1][batch], boxes[[row for _, _, row in wanted]], rtol=1e-5, atol=1e-5)
        first = 0 if has_background_label else 1
        assert found[2][batch].tolist() == [label - first for _, label, _ in wanted]


def test_fast_detections_suppress_once_by_the_best_class() -> None:
    scores, deltas, anchors = detection_inputs()

    found = detections(scores, deltas, anchors, False, 9, 2, 3, 0.6, 0.4, True)

    assert found[0].shape == (2, 18)
    for batch in range(2):
        boxes = decoded_boxes(deltas[batch], anchors)
        best = scores[batch, :, 1:].max(axis=1)
        rows = [row for row in range(12) if best[row] > 0.6]
        kept = [rows[index] for index in kept_by_torchvision(boxes[rows], best[rows], 0.4)][:9]
        count = 2 * len(kept)
        labels = [(1 + np.argsort(scores[batch, row, 1:])[::-1][:2]).tolist() for row in kept]
        assert found[3][batch] == count
        assert found[2][batch, :count].tolist() == [label for both in labels for label in both]
        assert_close(found[1][batch, :count], boxes[np.repeat(kept, 2)], rtol=1e-5, atol=1e-5)
        assert not found[0][batch, count:].any()
        assert not found[1][batch, count:].any()


@pytest.mark.parametrize(("limit", "places"), [(-1, [2, 0, 1]), (0, []), (1, [2]), (2, [2, 0])])
def test_the_best_come_first_up_to_a_limit(limit: int, places: list[int]) -> None:
    candidates = [(0, 1, 0.5), (1, 1, 0.25), (2, 3, 0.75)]

    assert [place for place, _, _ in by_score(candidates, limit)] == places
