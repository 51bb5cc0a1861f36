"""Axis-aligned boxes on real numbers: moving them by deltas, how much they overlap, and which of them survive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.interpreter.quantization import Floats

Indices = npt.NDArray[np.int64]

Flags = npt.NDArray[np.bool_]

Decay = Callable[[Floats, Floats], tuple[Floats, Flags]]
"""From overlaps with a selected box and the scores so far: the new scores, and which boxes stay."""


def require_valid(boxes: Floats, name: str) -> None:
    """Check that ``x1 <= x2`` and ``y1 <= y2`` in boxes of four coordinates along the last axis."""
    if not bool(np.all(boxes[..., 0] <= boxes[..., 2]) and np.all(boxes[..., 1] <= boxes[..., 3])):
        raise ExecutionError(f"{name} are not all boxes with x1 <= x2 and y1 <= y2")


def moved_boxes(boxes: Floats, deltas: Floats, image_sizes: Floats) -> Floats:
    """Boxes moved and resized by deltas, and clipped to their images.

    Boxes are ``[n, 4]`` (x1, y1, x2, y2), deltas ``[n, classes, 4]`` (dx, dy, dw, dh), sizes ``[n, 2]`` (height,
    width). The result is ``[n, classes, 4]``.
    """
    sizes = (boxes[:, 2:] - boxes[:, :2])[:, np.newaxis]
    centers = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, np.newaxis]
    new_centers = centers + deltas[..., :2] * sizes
    half_sizes = np.exp(deltas[..., 2:]) * sizes / 2
    corners: Floats = np.concatenate([new_centers - half_sizes, new_centers + half_sizes], axis=-1)
    limits = np.tile(image_sizes[:, ::-1], 2)[:, np.newaxis]
    return np.minimum(np.maximum(corners, np.float32(0)), limits)


def overlaps(box: Floats, others: Floats) -> Floats:
    """The intersection over the union of one box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, np.float32(0)), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    ratio: Floats = shared / (area + areas - shared)
    return ratio


def hard_decay(overlap_threshold: float) -> Decay:
    """Boxes that overlap by the threshold or more go; the scores of the others stay."""

    def decay(overlap: Floats, scores: Floats) -> tuple[Floats, Flags]:
        return scores, ~(overlap >= overlap_threshold)

    return decay


def select_boxes(boxes: Floats, scores: Floats, limit: int, decay: Decay) -> tuple[list[int], Floats]:
    """The boxes that survive, in the order of their selection, and all scores as they are then.

    The box with the largest score is selected, the others that overlap with it lose score or go, and so on until
    none is left or ``limit`` are selected; a negative limit is none.
    """
    scores = scores.copy()
    pending: Indices = np.arange(scores.size)
    selected: list[int] = []
    while pending.size and (limit < 0 or len(selected) < limit):
        position = int(np.argmax(scores[pending]))
        best = int(pending[position])
        selected.append(best)
        pending = np.delete(pending, position)
        lowered, stays = decay(overlaps(boxes[best], boxes[pending]), scores[pending])
        scores[pending] = lowered
        pending = pending[stays]
    return selected, scores


def by_score(candidates: Sequence[tuple[int, int, float]], limit: int) -> list[tuple[int, int, float]]:
    """The candidates (box, class, score) with the largest scores, in descending order; a negative limit is none."""
    ordered = sorted(candidates, key=lambda candidate: -candidate[2])
    return ordered if limit < 0 else ordered[:limit]
