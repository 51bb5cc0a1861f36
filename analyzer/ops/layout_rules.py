"""In which order the elements of a result lie in memory, where they do not lie in the order of the dimensions.

It decides whether ``flatten``, ``reshape`` and ``contiguous`` give a view or a copy, and so what a later write reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

Arguments = Mapping[str, object]
Layout = Callable[[Arguments, torch.Tensor], torch.Tensor]
Result = torch.Tensor | tuple[torch.Tensor, ...]

_SIGNAL = 3
"""The rank of signals with a batch."""

_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def tensors_in(arguments: Arguments) -> Iterator[torch.Tensor]:
    """The tensors among arguments, those in lists included."""
    for argument in arguments.values():
        if isinstance(argument, torch.Tensor):
            yield argument
        elif isinstance(argument, (list, tuple)):
            yield from (item for item in argument if isinstance(item, torch.Tensor))


def laid_out(name: str, arguments: Arguments, result: Result) -> Result:
    """The result of an op, which lies in the order of its dimensions, as the op gives it on a processor.

    Of several tensors, the first is what the others tell of.
    """
    layout = LAYOUTS.get(name)
    if layout is None or all(found.is_contiguous() for found in tensors_in(arguments)):
        return result
    if isinstance(result, tuple):
        return (layout(arguments, result[0]), *result[1:])
    return result if result.is_quantized else layout(arguments, result)


def _as(shape: Sequence[int], strides: Sequence[int], result: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(shape, strides, dtype=result.dtype, device="meta")


def _elementwise(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
    return _iterated(list(tensors_in(arguments)), result)


def _elementwise_mirrored(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
    return _iterated(list(tensors_in(arguments))[::-1], result)


def _of_first(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
    return _iterated(list(tensors_in(arguments))[:1], result)


def _iterated(tensors: Sequence[torch.Tensor], result: torch.Tensor) -> torch.Tensor:
    return _as(result.shape, iterated_strides(result.shape, [_spread(x, result.shape) for x in tensors]), result)


def _spread(x: torch.Tensor, shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor that is repeated to a shape: 0 where it is."""
    added = len(shape) - x.dim()
    pairs = zip(x.shape, shape[added:], x.stride(), strict=True)
    return (0,) * added + tuple(stride if own == size else 0 for own, size, stride in pairs)


def dense_strides(x: torch.Tensor) -> list[int]:
    """The strides of what is made like a tensor, without its gaps."""
    return iterated_strides(x.shape, [_spread(x, x.shape)])


def iterated_strides(shape: Sequence[int], operands: Sequence[Sequence[int]]) -> list[int]:
    """The strides that PyTorch's iterator over elements gives what it makes of operands with these strides.

    Two dimensions stand as the first operand has them that steps along both; a stride of 0 tells nothing.
    """
    axes = list(range(len(shape)))[::-1]
    for place in range(1, len(axes)):
        moved = place
        for other in range(place - 1, -1, -1):
            order = _compared(axes[other], axes[moved], shape, operands)
            if order < 0:
                break
            if order > 0:
                axes[other], axes[moved] = axes[moved], axes[other]
                moved = other
    strides, step = [0] * len(shape), 1
    for axis in axes:
        strides[axis] = step
        step *= max(shape[axis], 1)
    return strides


def _compared(inner: int, outer: int, shape: Sequence[int], operands: Sequence[Sequence[int]]) -> int:
    """Above 0 where two dimensions change places, below 0 where they stand right, 0 where nothing tells."""
    for strides in operands:
        first, second = strides[inner], strides[outer]
        if first == 0 or second == 0:
            continue
        if first != second:
            return 1 if first > second else -1
        if shape[inner] > shape[outer]:
            return 1
    return 0


def _of_images(*names: str) -> Layout:
    """With channels last where one of these arguments lies so."""

    def layout(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
        is_last = any(isinstance(x := arguments.get(name), torch.Tensor) and has_channels_last(x) for name in names)
        return _with_channels_last(result) if is_last else result

    return layout


def _joined(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
    return _all_last(list(tensors_in(arguments)), result)


def _stacked(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
    dim = arguments["dim"]
    return _all_last([x.unsqueeze(dim) for x in tensors_in(arguments)], result) if isinstance(dim, int) else result


def _all_last(given: Sequence[torch.Tensor], result: torch.Tensor) -> torch.Tensor:
    """With channels last where all of these lie so."""
    return _with_channels_last(result) if all(has_channels_last(x) for x in given) else result


def _with_channels_last(result: torch.Tensor) -> torch.Tensor:
    order = _CHANNELS_LAST.get(result.dim())
    if order is None:
        return result
    return torch.empty(result.shape, dtype=result.dtype, device="meta", memory_format=order)


def _of_signals(*names: str) -> Layout:
    """As images of one row, with channels last where all of these arguments lie so."""

    def layout(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
        given = [x for name in names if isinstance(x := arguments.get(name), torch.Tensor)]
        if result.dim() != _SIGNAL or any(x.dim() != _SIGNAL for x in given):
            return result
        return _all_last([x.unsqueeze(2) for x in given], result.unsqueeze(2)).squeeze(2)

    return layout


def has_channels_last(x: torch.Tensor) -> bool:
    """Whether PyTorch takes a tensor for an image or volume with channels last, which it may be with gaps."""
    if x.dim() not in _CHANNELS_LAST or x.stride(1) == 0:
        return False
    least = 0
    for axis in (1, *range(x.dim() - 1, 1, -1), 0):
        size, stride = x.shape[axis], x.stride(axis)
        if size == 0 or stride < least or (axis == 0 and least == x.stride(1)):
            return False
        least = stride * max(size, 1) if size > 1 else stride
    return True


def _indexed(arguments: Arguments, result: torch.Tensor) -> torch.Tensor:
    """The tensor and its places are operands, each repeated along the dimensions of the others."""
    x, indices = arguments["self"], arguments["indices"]
    if not isinstance(x, torch.Tensor) or not isinstance(indices, (list, tuple)):
        return result
    places = {axis: item for axis, item in enumerate(indices) if isinstance(item, torch.Tensor)}
    wide = max(item.dim() for item in places.values())
    first = min(places) if max(places) - min(places) < len(places) else 0
    kept = [stride for axis, stride in enumerate(x.stride()) if axis not in places]
    operands = [(*kept[:first], *(0,) * wide, *kept[first:])]
    repeated = result.shape[first : first + wide]
    rest = len(kept) - first
    operands += [(*(0,) * first, *_spread(item, repeated), *(0,) * rest) for item in places.values()]
    return _as(result.shape, iterated_strides(result.shape, operands), result)


_ELEMENTWISE = (
    "relu relu6 hardtanh hardswish hardsigmoid silu gelu elu leaky_relu mish celu selu neg sign floor ceil round "
    "softplus threshold sigmoid tanh exp log sqrt rsqrt sin cos erf reciprocal expm1 log1p log2 log10 tan atan "
    "asin acos abs eq ne lt le gt ge add sub mul remainder pow maximum minimum div atan2 clamp clamp_min clamp_max "
    "where"
)
_LIKE = "flip prelu zeros_like ones_like empty_like full_like rand_like randn_like"
_IMAGES = (
    "batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training roll "
    "max_pool2d max_pool3d avg_pool2d adaptive_avg_pool2d upsample_bilinear2d upsample_bicubic2d "
    "_upsample_bilinear2d_aa _upsample_bicubic2d_aa upsample_trilinear3d "
    "upsample_nearest2d upsample_nearest3d pixel_shuffle"
)
_CONVOLUTIONS = "_convolution convolution conv2d conv3d conv_transpose2d"

LAYOUTS: Mapping[str, Layout] = {
    **{f"aten::{name}": _elementwise for name in _ELEMENTWISE.split()},
    **{f"aten::{name}": _of_first for name in _LIKE.split()},
    **{f"aten::{name}": _of_images("self", "input") for name in _IMAGES.split()},
    **{f"aten::{name}": _of_images("input", "weight") for name in _CONVOLUTIONS.split()},
    **{f"aten::{name}": _of_signals("input", "weight") for name in ("conv1d", "conv_transpose1d")},
    **{f"aten::{name}": _of_signals("self") for name in ("avg_pool1d", "adaptive_avg_pool1d")},
    "aten::cat": _joined,
    "aten::stack": _stacked,
    "aten::group_norm": _of_images("input"),
    "aten::index": _indexed,
    "aten::rsub": _elementwise_mirrored,
}
"""By ops' names without overload. Those that have none lie in the order of their dimensions, or their own rule says."""
