"""Kernels of object detectors: boxes from deltas, proposals, and the suppression of boxes that overlap."""

from __future__ import annotations

import numpy as np

from nnapi_check.lowering.nnapi.interpreter.arguments import bool_at, float_at, int_at, required
from nnapi_check.lowering.nnapi.interpreter.box_geometry import (
    Decay,
    Flags,
    by_score,
    hard_decay,
    moved_boxes,
    require_valid,
    select_boxes,
)
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, ExecutionError, kernel
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats, real_values, store
from nnapi_check.lowering.nnapi.interpreter.shape_arguments import array_at, integers_at

HARD = 0
LINEAR = 1
GAUSSIAN = 2


@kernel("AXIS_ALIGNED_BBOX_TRANSFORM")
def axis_aligned_bbox_transform(call: Call) -> tuple[Array, ...]:
    """Proposals moved and resized by the deltas of each class, clipped to the image."""
    boxes = _reals_at(call, 0, 2)
    deltas = _reals_at(call, 1, 2)
    batches = np.asarray(integers_at(call, 2), dtype=np.int64)
    image_sizes = _reals_at(call, 3, 2)
    count = boxes.shape[0]
    if boxes.shape[1] != 4 or deltas.shape[0] != count or deltas.shape[1] % 4 or batches.size != count:
        raise ExecutionError(f"boxes {boxes.shape}, deltas {deltas.shape} and {batches.size} batch indices do not fit")
    if batches.size and not 0 <= batches.min() <= batches.max() < image_sizes.shape[0]:
        raise ExecutionError(f"batch indices reach to {batches.max()}, there are {image_sizes.shape[0]} images")
    require_valid(boxes, "input 0")
    moved = moved_boxes(boxes, deltas.reshape(count, deltas.shape[1] // 4, 4), image_sizes[batches])
    return (store(moved.reshape(deltas.shape), call.outputs[0]),)


@kernel("BOX_WITH_NMS_LIMIT")
def box_with_nms_limit(call: Call) -> tuple[Array, ...]:
    """The boxes of each image and class that survive, ordered by class and by descending score.

    Class 0 is the background, and left out.
    """
    scores = _reals_at(call, 0, 2)
    count, classes = scores.shape
    stored_boxes = array_at(call, 1, 2)
    batches = integers_at(call, 2)
    if stored_boxes.shape != (count, 4 * classes) or len(batches) != count:
        raise ExecutionError(f"scores {scores.shape}, boxes {stored_boxes.shape} and {len(batches)} batches do not fit")
    stored_boxes = stored_boxes.reshape(count, classes, 4)
    boxes = real_values(required(call, 1)).reshape(count, classes, 4)
    require_valid(boxes[:, 1:], "input 1")
    score_threshold = float_at(call, 3)
    limit = int_at(call, 4)
    decay = _soft_decay(call)
    found: list[tuple[int, int, float]] = []
    for first, last in _runs_of_equals(batches):
        candidates = []
        for label in range(1, classes):
            wanted = first + np.flatnonzero(scores[first:last, label] > score_threshold)
            selected, lowered = select_boxes(boxes[wanted, label], scores[wanted, label], limit, decay)
            candidates += [(int(wanted[index]), label, float(lowered[index])) for index in selected]
        found += sorted(by_score(candidates, limit), key=lambda candidate: (candidate[1], -candidate[2]))
    chosen = np.asarray([index for index, _, _ in found], dtype=np.int64)
    labels = np.asarray([label for _, label, _ in found], dtype=np.int32)
    final_scores = np.asarray([score for _, _, score in found], dtype=np.float32)
    return (
        store(final_scores, call.outputs[0]),
        stored_boxes[chosen, labels],
        labels,
        np.asarray(batches, dtype=np.int32)[chosen],
    )


def _soft_decay(call: Call) -> Decay:
    method = int_at(call, 5)
    overlap_threshold = float_at(call, 6)
    sigma = float_at(call, 7)
    lowest = float_at(call, 8)
    if method not in (HARD, LINEAR, GAUSSIAN):
        raise ExecutionError(f"the suppression method is {method}, wanted {HARD}, {LINEAR} or {GAUSSIAN}")

    def decay(overlap: Floats, scores: Floats) -> tuple[Floats, Flags]:
        if method == GAUSSIAN:
            weights = np.exp(-overlap * overlap / np.float32(sigma))
        else:
            reduced = np.zeros_like(overlap) if method == HARD else 1 - overlap
            weights = np.where(overlap < overlap_threshold, np.float32(1), reduced)
        lowered: Floats = scores * weights
        return lowered, ~(lowered < lowest)

    return decay


def _runs_of_equals(values: tuple[int, ...]) -> list[tuple[int, int]]:
    """Where each run of equal neighbors begins and ends."""
    edges = [index for index in range(1, len(values)) if values[index] != values[index - 1]]
    return list(zip([0, *edges], [*edges, len(values)], strict=True)) if values else []


@kernel("GENERATE_PROPOSALS")
def generate_proposals(call: Call) -> tuple[Array, ...]:
    """For each image the anchors, moved by their deltas, that score best and do not overlap."""
    nchw = bool_at(call, 10)
    scores = _activations_at(call, 0, nchw=nchw)
    deltas = _activations_at(call, 1, nchw=nchw)
    anchors = _reals_at(call, 2, 2)
    image_sizes = _reals_at(call, 3, 2)
    n, h, w, count = scores.shape
    if deltas.shape != (n, h, w, 4 * count) or anchors.shape != (count, 4) or image_sizes.shape != (n, 2):
        raise ExecutionError(
            f"scores {scores.shape}, deltas {deltas.shape}, anchors {anchors.shape} and image sizes "
            f"{image_sizes.shape} do not fit"
        )
    shift_h = np.arange(h, dtype=np.float32) * np.float32(float_at(call, 4))
    shift_w = np.arange(w, dtype=np.float32) * np.float32(float_at(call, 5))
    shifts = np.stack(np.broadcast_arrays(shift_w[np.newaxis, :], shift_h[:, np.newaxis]), axis=-1)
    boxes = (anchors + np.tile(shifts, 2)[:, :, np.newaxis]).reshape(-1, 4)
    require_valid(boxes, "anchors")
    before, after = int_at(call, 6), int_at(call, 7)
    decay = hard_decay(float_at(call, 8))
    min_size = float_at(call, 9)
    found_scores, found_boxes, found_batches = [], [], []
    for batch in range(n):
        size = image_sizes[batch : batch + 1]
        moved = moved_boxes(boxes, deltas[batch].reshape(-1, 1, 4), size.repeat(len(boxes), axis=0))[:, 0]
        flat = scores[batch].reshape(-1)
        order = np.argsort(-flat, kind="stable")[:before] if 0 < before < flat.size else np.arange(flat.size)
        order = order[_inside(moved[order], size[0], min_size)]
        # A limit that is not positive is none.
        selected, _ = select_boxes(moved[order], flat[order], after if after > 0 else -1, decay)
        chosen = order[selected]
        found_scores.append(flat[chosen])
        found_boxes.append(moved[chosen])
        found_batches.append(np.full(len(selected), batch, dtype=np.int32))
    return (
        store(np.concatenate([*found_scores, np.empty(0, np.float32)]), call.outputs[0]),
        store(np.concatenate([*found_boxes, np.empty((0, 4), np.float32)]), call.outputs[1]),
        np.concatenate([*found_batches, np.empty(0, np.int32)]),
    )


def _inside(boxes: Floats, image_size: Floats, min_size: float) -> Flags:
    """Which boxes are larger than ``min_size`` both ways and have their center within the image."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    centers = boxes[:, :2] + sizes / 2
    inside: Flags = np.all(sizes > min_size, axis=1) & np.all(centers < image_size[::-1], axis=1)
    return inside


@kernel("DETECTION_POSTPROCESSING")
def detection_postprocessing(call: Call) -> tuple[Array, ...]:
    """The detections of each image, padded with zeros to a fixed number, and how many there are.

    Class 0 is the background, and left out. Boxes are (y1, x1, y2, x2).
    """
    scores = _reals_at(call, 0, 3)
    deltas = _reals_at(call, 1, 3)
    anchors = _reals_at(call, 2, 2)
    n, count, classes = scores.shape
    if deltas.shape[:2] != (n, count) or deltas.shape[2] < 4 or anchors.shape != (count, 4) or classes < 2:
        raise ExecutionError(f"scores {scores.shape}, deltas {deltas.shape} and anchors {anchors.shape} do not fit")
    scales = np.asarray([float_at(call, index) for index in (3, 4, 5, 6)], dtype=np.float32)
    if not np.all(scales > 0):
        raise ExecutionError(f"the scaling factors of the deltas are {scales.tolist()}, wanted above 0")
    scaled = deltas[..., :4] / scales
    centers = anchors[:, :2] + anchors[:, 2:] * scaled[..., :2]
    half_sizes = anchors[:, 2:] * np.exp(scaled[..., 2:]) * np.float32(0.5)
    boxes = np.concatenate([centers - half_sizes, centers + half_sizes], axis=-1)
    is_regular = bool_at(call, 7)
    room = int_at(call, 8) * (1 if is_regular else int_at(call, 9))
    first_label = 0 if bool_at(call, 13) else 1
    out_scores = np.zeros((n, room), np.float32)
    out_boxes = np.zeros((n, room, 4), np.float32)
    out_labels = np.zeros((n, room), np.int32)
    out_counts = np.zeros(n, np.int32)
    detect = _detect_by_class if is_regular else _detect_by_best_class
    for batch in range(n):
        found = detect(call, boxes[batch], scores[batch])
        for position, (index, label, score) in enumerate(found):
            out_scores[batch, position] = score
            out_boxes[batch, position] = boxes[batch, index]
            out_labels[batch, position] = label - first_label
        out_counts[batch] = len(found)
    return store(out_scores, call.outputs[0]), store(out_boxes, call.outputs[1]), out_labels, out_counts


def _detect_by_class(call: Call, boxes: Floats, scores: Floats) -> list[tuple[int, int, float]]:
    """Suppress within each class apart, then keep the best of all."""
    candidates = []
    for label in range(1, scores.shape[1]):
        wanted = np.flatnonzero(scores[:, label] > float_at(call, 11))
        selected, _ = select_boxes(
            boxes[wanted], scores[wanted, label], int_at(call, 10), hard_decay(float_at(call, 12))
        )
        candidates += [(int(wanted[index]), label, float(scores[wanted[index], label])) for index in selected]
    return by_score(candidates, int_at(call, 8))


def _detect_by_best_class(call: Call, boxes: Floats, scores: Floats) -> list[tuple[int, int, float]]:
    """Suppress once by the best score of any class, then report the best classes of each survivor."""
    best = scores[:, 1:].max(axis=1)
    wanted = np.flatnonzero(best > float_at(call, 11))
    selected, _ = select_boxes(boxes[wanted], best[wanted], int_at(call, 8), hard_decay(float_at(call, 12)))
    found = []
    for index in wanted[selected]:
        labels = 1 + np.argsort(-scores[index, 1:], kind="stable")[: int_at(call, 9)]
        found += [(int(index), int(label), float(scores[index, label])) for label in labels]
    return found


def _reals_at(call: Call, index: int, rank: int) -> Floats:
    array_at(call, index, rank)
    return real_values(required(call, index))


def _activations_at(call: Call, index: int, *, nchw: bool) -> Floats:
    activations = _reals_at(call, index, 4)
    return activations.transpose(0, 2, 3, 1) if nchw else activations
