"""Pooling: explicit padding, and on the far side just as much as the last window reaches over the border."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.axis_products import resample_image, resample_last
from nnapi_check.lowering.compositions.depth_slices import images_of
from nnapi_check.lowering.compositions.element_moves import padded, reshaped
from nnapi_check.lowering.compositions.in_floats import dequantized, quantized
from nnapi_check.lowering.compositions.sampling import adaptive_mean
from nnapi_check.lowering.compositions.windows import PoolAxis, Pooling, rescaling
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Inline
from nnapi_check.lowering.emission.rule_table import lowers
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def _axes(node: NodeReader) -> list[PoolAxis]:
    """The node's windows along each axis that it pools."""
    kernel, stride, padding = (node.ints(name) for name in ("kernel_size", "stride", "padding"))
    sizes, outputs = (kind.shape[-len(kernel) :] for kind in (node.type_of("self"), node.output_type()))
    return [PoolAxis(*axis) for axis in zip(sizes, outputs, kernel, stride, padding, strict=True)]


def _even_axes(node: NodeReader) -> list[PoolAxis]:
    """Windows of one size, side by side, that give the node's output size."""
    wanted = node.ints("output_size")
    sizes = node.type_of("self").shape[-len(wanted) :]
    axes = zip(sizes, wanted, strict=True)
    return [PoolAxis(size, output, size // output, size // output, 0) for size, output in axes]


def _pool(emit: Emitter, kind: str, x: OperandId, axes: list[PoolAxis], output: TensorSpec | None = None) -> OperandId:
    """Pool height and width of an operand in NHWC."""
    scalars = [emit.int32(number) for number in Pooling(*axes).scalars()]
    return emit.operation(kind, [x, *scalars, emit.fuse()], output)


def _pool_length(emit: Emitter, kind: str, axes: list[PoolAxis]) -> OperandId:
    """Pool the last axis of a tensor of any rank: all others together become the height of one image."""
    (length,) = axes
    x = emit.input("self")
    spec = emit.spec(x)
    rows = emit.node.type_of("self").numel // length.size
    image = reshaped(emit, x, (1, rows, length.size, 1))
    pooled = replace(spec, shape=(1, rows, length.output, 1))
    made = _pool(emit, kind, image, [PoolAxis(rows, rows, 1, 1, 0), length], pooled)
    return reshaped(emit, made, emit.output_spec().shape)


def _pool_unbatched(emit: Emitter, kind: str, axes: list[PoolAxis]) -> OperandId:
    """Pool [channels, height, width]: channels become the batch of images of one channel."""
    x = emit.input("self")
    image = reshaped(emit, x, (*emit.spec(x).shape, 1))
    output = emit.output_spec()
    made = _pool(emit, kind, image, axes, replace(output, shape=(*output.shape, 1)))
    return reshaped(emit, made, output.shape)


@lowers("aten.max_pool2d.default", way="operation")
def max_pool2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D with explicit padding."""
    return _pool(emit, "MAX_POOL_2D", emit.input("self"), _axes(node))


@lowers("aten.max_pool2d.default", way="unbatched")
def max_pool2d_unbatched(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D between two RESHAPE operations."""
    return _pool_unbatched(emit, "MAX_POOL_2D", _axes(node))


@lowers("aten.max_pool1d.default", way="operation")
def max_pool1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D between two RESHAPE operations."""
    return _pool_length(emit, "MAX_POOL_2D", _axes(node))


@lowers("aten.avg_pool2d.default", way="operation")
def avg_pool2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D, which divides by the number of real cells."""
    return _pool(emit, "AVERAGE_POOL_2D", emit.input("self"), _axes(node))


@lowers("aten.avg_pool2d.default", way="padded")
def avg_pool2d_padded(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to PAD and AVERAGE_POOL_2D, so that padded zeros count as real cells."""
    axes = _axes(node)
    pad_h, pad_w = (axis.padding for axis in axes)
    x = padded(emit, emit.input("self"), [(0, 0), (pad_h, pad_h), (pad_w, pad_w), (0, 0)])
    return _pool(emit, "AVERAGE_POOL_2D", x, [axis.without_padding() for axis in axes])


@lowers("aten.avg_pool2d.default", way="rescaled")
def avg_pool2d_rescaled(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D, and MUL with the ratio of its divisor to PyTorch's at each place."""
    return _rescaled(emit, _pool(emit, "AVERAGE_POOL_2D", emit.input("self"), _axes(node)))


def _rescaled(emit: Emitter, mean: OperandId) -> OperandId:
    """MUL with the ratio of AVERAGE_POOL_2D's divisor to PyTorch's at each place of an image or a volume."""
    node = emit.node
    divisor = node.integer("divisor_override") if node.has("divisor_override") else None
    ratios = rescaling(_axes(node), divisor)
    recipe = Inline(ratios.astype("<f4").tobytes(), ElementType.FLOAT32, (1, *emit.spec(mean).shape[1:3], 1))
    return emit.operation("MUL", [mean, emit.weight(recipe.cast(node.output_type().dtype)), emit.fuse()])


@lowers("aten.avg_pool1d.default", way="operation")
def avg_pool1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D between two RESHAPE operations."""
    return _pool_length(emit, "AVERAGE_POOL_2D", _axes(node))


@lowers("aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default", way="operation")
def adaptive_avg_pool2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D with windows side by side."""
    return _pool(emit, "AVERAGE_POOL_2D", emit.input("self"), _even_axes(node))


@lowers("aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default", way="products")
def adaptive_avg_pool2d_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product of each axis with the matrix that takes the means of uneven windows."""
    return _adaptive_means(node, emit, emit.input("self"))


@lowers("aten.adaptive_avg_pool2d.default", way="products in floats")
def adaptive_avg_pool2d_in_floats(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same between DEQUANTIZE and QUANTIZE."""
    return quantized(emit, _adaptive_means(node, emit, dequantized(emit, emit.input("self"))))


def _adaptive_means(node: NodeReader, emit: Emitter, x: OperandId) -> OperandId:
    height, width = (
        adaptive_mean(size, output)
        for size, output in zip(node.type_of("self").shape[2:], node.ints("output_size"), strict=True)
    )
    return resample_image(emit, x, height, width)


@lowers("aten.adaptive_avg_pool1d.default", way="operation")
def adaptive_avg_pool1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D with windows side by side, between two RESHAPE operations."""
    return _pool_length(emit, "AVERAGE_POOL_2D", _even_axes(node))


@lowers("aten.adaptive_max_pool1d.default", way="operation")
def adaptive_max_pool1d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D with windows side by side, between two RESHAPE operations."""
    return _pool_length(emit, "MAX_POOL_2D", _even_axes(node))


@lowers("aten.adaptive_avg_pool1d.default", way="products")
def adaptive_avg_pool1d_products(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to a product with the matrix that takes the means of uneven windows."""
    matrix = adaptive_mean(node.type_of("self").shape[-1], node.integer("output_size"))
    return resample_last(emit, emit.input("self"), matrix)


@lowers("aten.adaptive_max_pool2d.default", way="operation")
def adaptive_max_pool2d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D with windows side by side."""
    return _pool(emit, "MAX_POOL_2D", emit.input("self"), _even_axes(node))


def _pool_volume(emit: Emitter, kind: str, axes: list[PoolAxis]) -> OperandId:
    """Pool the images of a volume, and then the tall image that it is: largest values and means may be taken so."""
    depth, *image = axes
    x, output = emit.input("self"), emit.output_spec()
    batch, _, _, channels = emit.spec(x).shape
    h, w = image
    pixels = h.output * w.output
    is_whole = (h.output, w.output) == (1, 1) and (h.kernel, w.kernel) == (h.size, w.size) and not h.padding + w.padding
    if is_whole:
        # Height and width are held as one dimension, of which one window takes all.
        across = PoolAxis(h.size * w.size, 1, h.size * w.size, h.size * w.size, 0)
        return _pool(emit, kind, x, [depth, across])
    if any(axis.is_moving for axis in image):
        images = images_of(emit, x, (h.size, w.size))
        pooled = replace(output, shape=(batch * depth.size, h.output, w.output, channels))
        x = reshaped(emit, _pool(emit, kind, images, image, pooled), (batch, depth.size, pixels, channels))
    elif not depth.is_moving:
        return reshaped(emit, x, output.shape)
    return _pool(emit, kind, x, [depth, PoolAxis(pixels, pixels, 1, 1, 0)]) if depth.is_moving else x


@lowers("aten.max_pool3d.default", way="operation")
def max_pool3d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D of height and width, then of the depth."""
    return _pool_volume(emit, "MAX_POOL_2D", _axes(node))


@lowers("aten.avg_pool3d.default", way="operation")
def avg_pool3d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D of height and width, then of the depth."""
    return _pool_volume(emit, "AVERAGE_POOL_2D", _axes(node))


@lowers("aten.avg_pool3d.default", way="rescaled")
def avg_pool3d_rescaled(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to the same, and MUL with the ratio of its divisor to PyTorch's at each place."""
    return _rescaled(emit, _pool_volume(emit, "AVERAGE_POOL_2D", _axes(node)))


@lowers("aten.adaptive_avg_pool3d.default", "aten._adaptive_avg_pool3d.default", way="operation")
def adaptive_avg_pool3d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to AVERAGE_POOL_2D with windows side by side."""
    return _pool_volume(emit, "AVERAGE_POOL_2D", _even_axes(node))


@lowers("aten.adaptive_max_pool3d.default", way="operation")
def adaptive_max_pool3d(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to MAX_POOL_2D with windows side by side."""
    return _pool_volume(emit, "MAX_POOL_2D", _even_axes(node))
