"""Resampling: one RESIZE operation, repeated cells, or products with the matrices of the interpolation."""

from __future__ import annotations

from nnapi_check.lowering.compositions.axis_products import resample_image, resample_last
from nnapi_check.lowering.compositions.element_moves import interleaved
from nnapi_check.lowering.compositions.in_floats import dequantized, quantized
from nnapi_check.lowering.compositions.sampling import (
    Interpolation,
    Matrix,
    cubic,
    linear,
    nearest,
    smoothed_cubic,
    smoothed_linear,
)
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader, RuleError
from nnapi_check.lowering.emission.rule_table import lowers

_BILINEAR = ("aten.upsample_bilinear2d.vec", "aten.upsample_bilinear2d.default")
_BICUBIC = ("aten.upsample_bicubic2d.vec", "aten.upsample_bicubic2d.default")
_SMOOTHED_BILINEAR = ("aten._upsample_bilinear2d_aa.vec",)
_SMOOTHED_BICUBIC = ("aten._upsample_bicubic2d_aa.vec",)
_LINEAR = ("aten.upsample_linear1d.vec", "aten.upsample_linear1d.default")
_NEAREST = ("aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default")
_NEAREST_1D = ("aten.upsample_nearest1d.vec", "aten.upsample_nearest1d.default")
_CENTERED = ("aten._upsample_nearest_exact2d.vec", "aten._upsample_nearest_exact2d.default")
_CENTERED_1D = ("aten._upsample_nearest_exact1d.vec", "aten._upsample_nearest_exact1d.default")


def _source(node: NodeReader) -> str:
    """What the op's schema calls the tensor that is resampled."""
    return "input" if node.takes("input") else "self"


def _factors(node: NodeReader) -> list[float | None]:
    """The factor of each axis that PyTorch computes positions with, None where the sizes give it."""
    if node.has("scale_factors"):
        found = node.argument("scale_factors")
        if not isinstance(found, tuple):
            raise RuleError(f"{node.op}: scale_factors is {found!r}, a list was wanted")
        return [float(factor) for factor in found]
    names = [name for name in ("scales", "scales_h", "scales_w") if node.takes(name)]
    if not names:
        return [None] * (node.output_type().rank - 2)
    return [node.real(name) if node.has(name) else None for name in names]


def _axes(node: NodeReader) -> list[tuple[int, int, float | None]]:
    """Size before and after, and factor, of each resampled axis."""
    factors = _factors(node)
    sizes, outputs = (kind.shape[2:] for kind in (node.type_of(_source(node)), node.output_type()))
    return list(zip(sizes, outputs, factors, strict=True))


def _resize(emit: Emitter, kind: str, *flags: bool) -> OperandId:
    """Emit a RESIZE operation: the width before the height, the layout flag (NHWC), then ``flags``."""
    height, width = emit.node.output_type().shape[2:]
    scalars = [emit.int32(width), emit.int32(height), emit.boolean(False), *(emit.boolean(flag) for flag in flags)]
    return emit.operation(kind, [emit.input(_source(emit.node)), *scalars])


def _product(emit: Emitter, matrices: list[Matrix]) -> OperandId:
    """Multiply the resampled axes of the input by a matrix each."""
    return _multiplied(emit, emit.input(_source(emit.node)), matrices)


def _product_in_floats(emit: Emitter, matrices: list[Matrix]) -> OperandId:
    """The same of a quantized tensor's real numbers, rounded again."""
    return quantized(emit, _multiplied(emit, dequantized(emit, emit.input(_source(emit.node))), matrices))


def _multiplied(emit: Emitter, x: OperandId, matrices: list[Matrix]) -> OperandId:
    if len(matrices) == 1:
        return resample_last(emit, x, matrices[0])
    height, width = matrices
    return resample_image(emit, x, height, width)


@lowers(*_BILINEAR, way="half-pixel")
def bilinear_half_pixel(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESIZE_BILINEAR with half_pixel_centers."""
    return _resize(emit, "RESIZE_BILINEAR", False, True)


@lowers(*_BILINEAR, way="corners")
def bilinear_corners(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESIZE_BILINEAR with align_corners."""
    return _resize(emit, "RESIZE_BILINEAR", True)


def _matrices(node: NodeReader, interpolation: Interpolation) -> list[Matrix]:
    """The matrix of each resampled axis."""
    corners = node.flag("align_corners")
    return [interpolation(size, output, scale=scale, align_corners=corners) for size, output, scale in _axes(node)]


@lowers(*_BILINEAR, *_LINEAR, way="products")
def linear_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix of the interpolation."""
    return _product(emit, _matrices(node, linear))


@lowers(*_BILINEAR, way="products in floats")
def linear_products_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same between DEQUANTIZE and QUANTIZE."""
    return _product_in_floats(emit, _matrices(node, linear))


@lowers(*_BICUBIC, way="products")
def cubic_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix of the interpolation."""
    return _product(emit, _matrices(node, cubic))


@lowers(*_SMOOTHED_BILINEAR, way="products")
def smoothed_linear_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix of the interpolation, which takes means of what it skips."""
    return _product(emit, _matrices(node, smoothed_linear))


@lowers(*_SMOOTHED_BICUBIC, way="products")
def smoothed_cubic_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix of the interpolation, which takes means of what it skips."""
    return _product(emit, _matrices(node, smoothed_cubic))


@lowers(*_NEAREST, way="operation")
def nearest_resize(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESIZE_NEAREST_NEIGHBOR, whose positions are rounded down."""
    return _resize(emit, "RESIZE_NEAREST_NEIGHBOR")


@lowers(*_CENTERED, way="operation")
def nearest_exact_resize(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to RESIZE_NEAREST_NEIGHBOR with half_pixel_centers."""
    return _resize(emit, "RESIZE_NEAREST_NEIGHBOR", False, True)


@lowers(*_NEAREST, *_CENTERED, *_NEAREST_1D, *_CENTERED_1D, way="repeated")
def nearest_repeated(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to CONCATENATION of each cell with itself, along one axis after another."""
    x = emit.input(_source(node))
    rank = node.output_type().rank
    for axis, (size, output, _) in enumerate(_axes(node), start=2):
        x = interleaved(emit, x, output // size, node.axis(axis, rank))
    return x


def _nearest_matrices(node: NodeReader, *, is_centered: bool) -> list[Matrix]:
    return [nearest(size, output, scale=scale, is_centered=is_centered) for size, output, scale in _axes(node)]


@lowers(*_NEAREST, *_NEAREST_1D, way="products")
def nearest_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix that picks its cells."""
    return _product(emit, _nearest_matrices(node, is_centered=False))


@lowers(*_NEAREST, way="products in floats")
def nearest_products_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same between DEQUANTIZE and QUANTIZE."""
    return _product_in_floats(emit, _nearest_matrices(node, is_centered=False))


@lowers(*_CENTERED, *_CENTERED_1D, way="products")
def nearest_exact_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix that picks its cells."""
    return _product(emit, _nearest_matrices(node, is_centered=True))


@lowers(*_CENTERED, way="products in floats")
def nearest_exact_products_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same between DEQUANTIZE and QUANTIZE."""
    return _product_in_floats(emit, _nearest_matrices(node, is_centered=True))
