"""The window of a convolution, and convolutions of NHWC images as rules write them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnapi_check.lowering.compositions.filter_operands import bias_operand, filter_operand, product_spec
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

Pair = tuple[int, int]
ONE: Pair = (1, 1)
NONE: Pair = (0, 0)


@dataclass(frozen=True, slots=True)
class Window:
    """How a filter moves over an image: a number for the height, then one for the width."""

    stride: Pair
    padding: Pair
    dilation: Pair
    far_padding: Pair = NONE
    """How much wider the padding is below and on the right."""

    @classmethod
    def keeping_size(cls, node: NodeReader, weight: Recipe) -> Window:
        """The window of a node whose output is as large as its input: the odd cell of padding is on the far side."""
        dilation = pair(node.ints("dilation"), along_height=1)
        (near_h, far_h), (near_w, far_w) = (
            divmod(step * (size - 1), 2) for step, size in zip(dilation, kernel_size(weight), strict=True)
        )
        return cls(ONE, (near_h, near_w), dilation, (far_h, far_w))

    @classmethod
    def of(cls, node: NodeReader) -> Window:
        """The window of the node; that of a one-dimensional convolution moves along the width."""
        return cls(
            pair(node.ints("stride"), along_height=1),
            pair(node.ints("padding"), along_height=0),
            pair(node.ints("dilation"), along_height=1),
        )

    def size(self, image: Pair, kernel: Pair) -> Pair:
        """Height and width of what comes out."""
        h, w = (
            (extent + 2 * pad + far - dilation * (reach - 1) - 1) // stride + 1
            for extent, reach, stride, pad, far, dilation in zip(
                image, kernel, self.stride, self.padding, self.far_padding, self.dilation, strict=True
            )
        )
        return h, w

    def numbers(self, emit: Emitter) -> list[OperandId]:
        """Padding left, right, top, bottom, then stride in width and height, each as INT32."""
        (pad_h, pad_w), (far_h, far_w), (stride_h, stride_w) = self.padding, self.far_padding, self.stride
        pads = (pad_w, pad_w + far_w, pad_h, pad_h + far_h)
        return [emit.int32(number) for number in (*pads, stride_w, stride_h)]

    def dilation_inputs(self, emit: Emitter) -> list[OperandId]:
        """The layout flag (NHWC) and the dilation in width and height; nothing where the default serves."""
        dilation_h, dilation_w = self.dilation
        if self.dilation == ONE:
            return []
        return [emit.boolean(False), emit.int32(dilation_w), emit.int32(dilation_h)]


def pair(numbers: tuple[int, ...], *, along_height: int) -> Pair:
    """Numbers for height and width; a single one is for the width."""
    if len(numbers) == 1:
        return along_height, numbers[0]
    h, w = numbers
    return h, w


def image_filter(weight: Recipe) -> Recipe:
    """A weight of PyTorch's with height and width: a one-dimensional one gets height 1."""
    return weight.unsqueeze(2) if weight.rank == 3 else weight


def image_size(spec: TensorSpec) -> Pair:
    """Height and width of an NHWC image."""
    _, h, w, _ = spec.shape
    return h, w


def kernel_size(weight: Recipe) -> Pair:
    """Height and width of a filter in PyTorch's order."""
    _, _, h, w = weight.shape
    return h, w


def convolved_spec(emit: Emitter, x: OperandId, weight: Recipe, window: Window) -> TensorSpec:
    """What a convolution of an NHWC image gives: quantized as the node's output, or floats."""
    spec = emit.spec(x)
    h, w = window.size(image_size(spec), kernel_size(weight))
    return replace(product_spec(emit, x), shape=(spec.shape[0], h, w, weight.shape[0]))


def convolve(emit: Emitter, x: OperandId, weight: Recipe, bias: OperandId, window: Window) -> OperandId:
    """CONV_2D of an NHWC image, its filter as [out, height, width, in]."""
    inputs = [
        x,
        filter_operand(emit, weight, (0, 2, 3, 1)),
        bias,
        *window.numbers(emit),
        emit.activation(),
        *window.dilation_inputs(emit),
    ]
    return emit.operation("CONV_2D", inputs, convolved_spec(emit, x, weight, window))


def convolve_depthwise(emit: Emitter, x: OperandId, weight: Recipe, bias: OperandId, window: Window) -> OperandId:
    """DEPTHWISE_CONV_2D of an NHWC image, its filter as [1, height, width, out]."""
    multiplier = weight.shape[0] // emit.spec(x).shape[3]
    inputs = [
        x,
        filter_operand(emit, weight, (1, 2, 3, 0)),
        bias,
        *window.numbers(emit),
        emit.int32(multiplier),
        emit.activation(),
        *window.dilation_inputs(emit),
    ]
    return emit.operation("DEPTHWISE_CONV_2D", inputs, convolved_spec(emit, x, weight, window))


def convolve_grouped(emit: Emitter, x: OperandId, weight: Recipe, bias: OperandId, window: Window) -> OperandId:
    """GROUPED_CONV_2D of an NHWC image, its filter as [out, height, width, in / groups]."""
    groups = emit.spec(x).shape[3] // weight.shape[1]
    inputs = [
        x,
        filter_operand(emit, weight, (0, 2, 3, 1)),
        bias,
        *window.numbers(emit),
        emit.int32(groups),
        emit.activation(),
        emit.boolean(False),
    ]
    return emit.operation("GROUPED_CONV_2D", inputs, convolved_spec(emit, x, weight, window))


def convolve_by_groups(emit: Emitter, x: OperandId, weight: Recipe, window: Window) -> OperandId:
    """A CONV_2D for each group of channels, cut out and joined again."""
    groups = emit.spec(x).shape[3] // weight.shape[1]
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    pieces = []
    for group in range(groups):
        part = channels_of(emit, x, group * ins, ins)
        filters = weight.slice(0, group * outs, (group + 1) * outs)
        bias = bias_operand(emit, weight, x, outs, group * outs)
        pieces.append(convolve(emit, part, filters, bias, window))
    return joined_channels(emit, pieces)


def channels_of(emit: Emitter, x: OperandId, first: int, count: int) -> OperandId:
    """Some channels of an NHWC image."""
    spec = emit.spec(x)
    *rest, _ = spec.shape
    begin, end = (0, 0, 0, first), (*rest, first + count)
    return sliced(emit, x, begin, end)


def sliced(emit: Emitter, x: OperandId, begin: tuple[int, ...], end: tuple[int, ...]) -> OperandId:
    """A block of a tensor, from ``begin`` up to ``end`` (left out), by STRIDED_SLICE."""
    spec = emit.spec(x)
    bounds = (emit.int32_tensor(bound) for bound in (begin, end, (1,) * len(begin)))
    shape = tuple(stop - start for start, stop in zip(begin, end, strict=True))
    return emit.operation("STRIDED_SLICE", [x, *bounds, *[emit.int32(0)] * 3], replace(spec, shape=shape))


def joined_channels(emit: Emitter, pieces: list[OperandId]) -> OperandId:
    """NHWC images one after another in their channels."""
    spec = emit.spec(pieces[0])
    *rest, _ = spec.shape
    channels = sum(emit.spec(piece).shape[3] for piece in pieces)
    return emit.operation("CONCATENATION", [*pieces, emit.int32(3)], replace(spec, shape=(*rest, channels)))


def padded(emit: Emitter, x: OperandId, padding: Pair) -> OperandId:
    """An NHWC image with zeros around it, by PAD."""
    pad_h, pad_w = padding
    spec = emit.spec(x)
    batch, h, w, channels = spec.shape
    pads = emit.int32_tensor((0, 0, pad_h, pad_h, pad_w, pad_w, 0, 0), (4, 2))
    return emit.operation("PAD", [x, pads], replace(spec, shape=(batch, h + 2 * pad_h, w + 2 * pad_w, channels)))


@dataclass(frozen=True, slots=True)
class Blocks:
    """A dilated convolution as a plain one of interleaved images: SPACE_TO_BATCH_ND before, BATCH_TO_SPACE_ND after.

    ``x`` is the batch of smaller images, ``window`` the plain window on them, ``image`` the size that comes out.
    """

    x: OperandId
    window: Window
    image: Pair

    @classmethod
    def of(cls, emit: Emitter, x: OperandId, weight: Recipe, window: Window) -> Blocks:
        """Cut an NHWC image into as many smaller ones as the dilation has cells, with the window's padding."""
        spec = emit.spec(x)
        batch, *image, channels = spec.shape
        pads: list[int] = []
        sides: list[int] = []
        around = zip(image, window.padding, window.far_padding, window.dilation, strict=True)
        for extent, pad, far, block in around:
            padded_extent = extent + 2 * pad + far
            extra = -padded_extent % block
            pads += [pad, pad + far + extra]
            sides.append((padded_extent + extra) // block)
        shape = (batch * window.dilation[0] * window.dilation[1], *sides, channels)
        inputs = [x, emit.int32_tensor(window.dilation), emit.int32_tensor(pads, (2, 2))]
        cut = emit.operation("SPACE_TO_BATCH_ND", inputs, replace(spec, shape=shape))
        h, w = image
        return cls(cut, Window(window.stride, NONE, ONE), window.size((h, w), kernel_size(weight)))

    def joined(self, emit: Emitter, made: OperandId, block: Pair) -> OperandId:
        """The image that the smaller ones make up, without what padding to whole blocks added."""
        spec = emit.spec(made)
        batch, h, w, channels = spec.shape
        batch //= block[0] * block[1]
        shape = (batch, h * block[0], w * block[1], channels)
        inputs = [made, emit.int32_tensor(block)]
        whole = emit.operation("BATCH_TO_SPACE_ND", inputs, replace(spec, shape=shape))
        wanted = (batch, *self.image, channels)
        return whole if wanted == shape else sliced(emit, whole, (0, 0, 0, 0), wanted)
