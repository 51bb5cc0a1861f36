"""Small models of operations on boxes, over any of their element types."""

from __future__ import annotations

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Model, Operand, Shape
from tests.lowering.nnapi.small_models import (
    F16,
    F32,
    I32,
    Q8,
    Q8S,
    Q16,
    Q16S,
    computed,
    given,
    half,
    scalar,
    single,
)

BOX_SCALE = 0.125


def tensor(kind: OperandType, shape: Shape) -> Operand:
    """A given main tensor."""
    return given(kind, shape, 0.5 if kind in (Q8, Q8S) else 0.0)


def result(kind: OperandType, shape: Shape) -> Operand:
    """A computed main tensor."""
    return computed(kind, shape, 0.5 if kind in (Q8, Q8S) else 0.0)


def boxes(kind: OperandType, shape: Shape) -> Operand:
    """Given boxes beside a main tensor of a type."""
    return given(Q16, shape, BOX_SCALE) if kind in (Q8, Q8S) else given(kind, shape)


def found_boxes(kind: OperandType, shape: Shape) -> Operand:
    """Computed boxes beside a main tensor of a type."""
    return computed(Q16, shape, BOX_SCALE) if kind in (Q8, Q8S) else computed(kind, shape)


def number(kind: OperandType, value: float) -> Operand:
    """A float scalar as wide as the main tensor."""
    return half(value) if kind is F16 else scalar(value)


def align(kind: OperandType = F32) -> Model:
    """ROI_ALIGN of 3 regions to 2 x 5 pixels."""
    inputs = [
        tensor(kind, (1, 7, 9, 4)),
        boxes(kind, (3, 4)),
        given(I32, (3,)),
        scalar(2),
        scalar(5),
        number(kind, 2.0),
        number(kind, 2.0),
        scalar(4),
        scalar(4),
        scalar(False),
    ]
    return single("ROI_ALIGN", inputs, [result(kind, (3, 2, 5, 4))])


def roi_pooling(kind: OperandType = F32) -> Model:
    """ROI_POOLING of 3 regions to 2 x 5 pixels."""
    inputs = [
        tensor(kind, (1, 7, 9, 4)),
        boxes(kind, (3, 4)),
        given(I32, (3,)),
        scalar(2),
        scalar(5),
        number(kind, 2.0),
        number(kind, 2.0),
        scalar(False),
    ]
    return single("ROI_POOLING", inputs, [result(kind, (3, 2, 5, 4))])


def nms(kind: OperandType = F32) -> Model:
    """BOX_WITH_NMS_LIMIT of 5 regions and 3 classes."""
    inputs = [
        tensor(kind, (5, 3)),
        boxes(kind, (5, 12)),
        given(I32, (5,)),
        number(kind, 0.3),
        scalar(-1),
        scalar(0),
        number(kind, 0.4),
        number(kind, 1.0),
        number(kind, 0.3),
    ]
    outputs = [
        result(kind, (UNSPECIFIED,)),
        found_boxes(kind, (UNSPECIFIED, 4)),
        computed(I32, (UNSPECIFIED,)),
        computed(I32, (UNSPECIFIED,)),
    ]
    return single("BOX_WITH_NMS_LIMIT", inputs, outputs)


def detection(kind: OperandType = F32) -> Model:
    """DETECTION_POSTPROCESSING of 6 anchors and 3 classes into 2 detections."""
    inputs = [
        given(kind, (1, 6, 3)),
        given(kind, (1, 6, 4)),
        given(kind, (6, 4)),
        *(number(kind, value) for value in (10.0, 10.0, 5.0, 5.0)),
        scalar(True),
        scalar(2),
        scalar(1),
        scalar(1),
        number(kind, 0.0),
        number(kind, 0.5),
        scalar(False),
    ]
    outputs = [computed(kind, (1, 2)), computed(kind, (1, 2, 4)), computed(I32, (1, 2)), computed(I32, (1,))]
    return single("DETECTION_POSTPROCESSING", inputs, outputs)


def proposals(kind: OperandType = F32) -> Model:
    """GENERATE_PROPOSALS of a 2 x 3 grid with 5 anchors."""
    anchors = given(Q16S, (5, 4), BOX_SCALE) if kind in (Q8, Q8S) else given(kind, (5, 4))
    inputs = [
        tensor(kind, (1, 2, 3, 5)),
        tensor(kind, (1, 2, 3, 20)),
        anchors,
        boxes(kind, (1, 2)),
        number(kind, 4.0),
        number(kind, 4.0),
        scalar(-1),
        scalar(-1),
        number(kind, 0.3),
        number(kind, 1.0),
        scalar(False),
    ]
    outputs = [
        result(kind, (UNSPECIFIED,)),
        found_boxes(kind, (UNSPECIFIED, 4)),
        computed(I32, (UNSPECIFIED,)),
    ]
    return single("GENERATE_PROPOSALS", inputs, outputs)


def heatmap(kind: OperandType = F32) -> Model:
    """HEATMAP_MAX_KEYPOINT of 2 boxes and 3 keypoints."""
    inputs = [tensor(kind, (2, 7, 7, 3)), boxes(kind, (2, 4)), scalar(False)]
    return single("HEATMAP_MAX_KEYPOINT", inputs, [result(kind, (2, 3)), found_boxes(kind, (2, 3, 2))])


def bbox_transform(deltas: OperandType = F32) -> Model:
    """AXIS_ALIGNED_BBOX_TRANSFORM of 3 regions and 2 classes, with deltas of a type."""
    regions = boxes(deltas, (3, 4))
    inputs = [regions, tensor(deltas, (3, 8)), given(I32, (3,)), boxes(deltas, (1, 2))]
    return single("AXIS_ALIGNED_BBOX_TRANSFORM", inputs, [found_boxes(deltas, (3, 8))])
