"""Resampling: one RESIZE operation, repeated cells, or products with the matrices of the interpolation."""

from __future__ import annotations

from nnapi_check.analyzer.graph import Node
from nnapi_check.lowering.compositions.axis_products import resample_image, resample_last
from nnapi_check.lowering.compositions.element_moves import interleaved
from nnapi_check.lowering.compositions.sampling import Matrix, cubic, linear, nearest
from nnapi_check.lowering.emission.emitter import Emitter, RuleError
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.rule_table import lowers

_BILINEAR = ("aten.upsample_bilinear2d.vec", "aten.upsample_bilinear2d.default")
_BICUBIC = ("aten.upsample_bicubic2d.vec", "aten.upsample_bicubic2d.default")
_LINEAR = ("aten.upsample_linear1d.vec", "aten.upsample_linear1d.default")
_NEAREST = ("aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default")
_NEAREST_1D = ("aten.upsample_nearest1d.vec", "aten.upsample_nearest1d.default")
_CENTERED = ("aten._upsample_nearest_exact2d.vec", "aten._upsample_nearest_exact2d.default")
_CENTERED_1D = ("aten._upsample_nearest_exact1d.vec", "aten._upsample_nearest_exact1d.default")


def _source(emit: Emitter) -> str:
    """What the op's schema calls the tensor that is resampled."""
    return "input" if "input" in emit.node.arguments else "self"


def _factors(emit: Emitter) -> list[float | None]:
    """The factor of each axis that PyTorch computes positions with, None where the sizes give it."""
    if emit.has("scale_factors"):
        found = emit.argument("scale_factors")
        if not isinstance(found, tuple):
            raise RuleError(f"{emit.node.op}: scale_factors is {found!r}, a list was wanted")
        return [float(factor) for factor in found]
    names = [name for name in ("scales", "scales_h", "scales_w") if name in emit.node.arguments]
    if not names:
        return [None] * (emit.output_type().rank - 2)
    return [emit.real(name) if emit.has(name) else None for name in names]


def _axes(emit: Emitter) -> list[tuple[int, int, float | None]]:
    """Size before and after, and factor, of each resampled axis."""
    factors = _factors(emit)
    sizes, outputs = (kind.shape[2:] for kind in (emit.type_of(_source(emit)), emit.output_type()))
    return list(zip(sizes, outputs, factors, strict=True))


def _resize(emit: Emitter, kind: str, *flags: bool) -> OperandId:
    """Emit a RESIZE operation: the width before the height, the layout flag (NHWC), then ``flags``."""
    height, width = emit.output_type().shape[2:]
    scalars = [emit.int32(width), emit.int32(height), emit.boolean(False), *(emit.boolean(flag) for flag in flags)]
    return emit.operation(kind, [emit.input(_source(emit)), *scalars])


def _product(emit: Emitter, matrices: list[Matrix]) -> OperandId:
    """Multiply the resampled axes by a matrix each."""
    x = emit.input(_source(emit))
    if len(matrices) == 1:
        return resample_last(emit, x, matrices[0])
    height, width = matrices
    return resample_image(emit, x, height, width)


@lowers(*_BILINEAR, way="half-pixel")
def bilinear_half_pixel(node: Node, emit: Emitter) -> OperandId:
    """Lower to RESIZE_BILINEAR with half_pixel_centers."""
    return _resize(emit, "RESIZE_BILINEAR", False, True)


@lowers(*_BILINEAR, way="corners")
def bilinear_corners(node: Node, emit: Emitter) -> OperandId:
    """Lower to RESIZE_BILINEAR with align_corners."""
    return _resize(emit, "RESIZE_BILINEAR", True)


@lowers(*_BILINEAR, *_LINEAR, way="products")
def linear_products(node: Node, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix of the interpolation."""
    corners = emit.flag("align_corners")
    axes = _axes(emit)
    return _product(emit, [linear(size, output, scale=scale, align_corners=corners) for size, output, scale in axes])


@lowers(*_BICUBIC, way="products")
def cubic_products(node: Node, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix of the interpolation."""
    corners = emit.flag("align_corners")
    axes = _axes(emit)
    return _product(emit, [cubic(size, output, scale=scale, align_corners=corners) for size, output, scale in axes])


@lowers(*_NEAREST, way="operation")
def nearest_resize(node: Node, emit: Emitter) -> OperandId:
    """Lower to RESIZE_NEAREST_NEIGHBOR, whose positions are rounded down."""
    return _resize(emit, "RESIZE_NEAREST_NEIGHBOR")


@lowers(*_CENTERED, way="operation")
def nearest_exact_resize(node: Node, emit: Emitter) -> OperandId:
    """Lower to RESIZE_NEAREST_NEIGHBOR with half_pixel_centers."""
    return _resize(emit, "RESIZE_NEAREST_NEIGHBOR", False, True)


@lowers(*_NEAREST, *_CENTERED, *_NEAREST_1D, *_CENTERED_1D, way="repeated")
def nearest_repeated(node: Node, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of each cell with itself, along one axis after another."""
    x = emit.input(_source(emit))
    rank = emit.output_type().rank
    for axis, (size, output, _) in enumerate(_axes(emit), start=2):
        x = interleaved(emit, x, output // size, emit.axis(axis, rank))
    return x


@lowers(*_NEAREST, *_NEAREST_1D, way="products")
def nearest_products(node: Node, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix that picks its cells."""
    axes = _axes(emit)
    return _product(emit, [nearest(size, output, scale=scale, is_centered=False) for size, output, scale in axes])


@lowers(*_CENTERED, *_CENTERED_1D, way="products")
def nearest_exact_products(node: Node, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix that picks its cells."""
    axes = _axes(emit)
    return _product(emit, [nearest(size, output, scale=scale, is_centered=True) for size, output, scale in axes])
