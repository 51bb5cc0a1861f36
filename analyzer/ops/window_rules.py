"""Output types of ops that move a window over an image, or resize one: convolution, pooling, interpolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from nnapi_check.analyzer.graph import is_ints
from nnapi_check.analyzer.ops.layout_rules import dense_strides

Arguments = Mapping[str, object]
Rule = Callable[[Arguments], torch.Tensor | None]


def meta(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor of this type without elements."""
    return torch.empty(shape, dtype=dtype, device="meta")


def like(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A tensor laid out as this one, without elements; as PyTorch does, densely where this one has gaps."""
    if tensor.is_contiguous() or tensor.is_quantized:
        return meta(tensor.shape, dtype)
    return torch.empty_strided(tensor.shape, dense_strides(tensor), dtype=dtype, device="meta")


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...] | None:
    """The common shape of tensors that are used together, or None where they do not fit."""
    rank = max(len(shape) for shape in shapes)
    result = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, start=rank - len(shape)):
            if size == 1 or size == result[axis]:
                continue
            if result[axis] != 1:
                return None
            result[axis] = size
    return tuple(result)


def _numbers(arguments: Arguments, name: str, rank: int, default: int) -> list[int] | None:
    """A list argument as one number for each spatial axis."""
    value = arguments.get(name, [default])
    if isinstance(value, int) and not isinstance(value, bool):
        return [value] * rank
    if not is_ints(value) or len(value) not in (1, rank):
        return None
    return list(value) * rank if len(value) == 1 else list(value)


def _convolution(arguments: Arguments) -> torch.Tensor | None:
    transposed = arguments.get("transposed", False)
    if isinstance(transposed, bool):
        return transpose_convolved(arguments) if transposed else convolved(arguments)
    return None


def _checked(arguments: Arguments) -> tuple[torch.Tensor, torch.Tensor, int] | None:
    x, weight = arguments.get("input"), arguments.get("weight")
    if not isinstance(x, torch.Tensor) or not isinstance(weight, torch.Tensor):
        return None
    if x.is_quantized or x.dtype != weight.dtype or x.dim() != weight.dim() or x.dim() < 3:
        return None
    return x, weight, x.dim() - 2


def convolved(arguments: Arguments) -> torch.Tensor | None:
    """What a convolution returns."""
    found = _checked(arguments)
    groups = arguments.get("groups")
    if found is None or not isinstance(groups, int):
        return None
    x, weight, rank = found
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        return None
    stride, dilation = (_numbers(arguments, name, rank, 1) for name in ("stride", "dilation"))
    kernel = weight.shape[2:]
    if stride is None or dilation is None:
        return None
    named = arguments.get("padding")
    if named == "same":
        return meta((x.shape[0], weight.shape[0], *x.shape[2:]), x.dtype)
    padding = [0] * rank if named == "valid" else _numbers(arguments, "padding", rank, 0)
    if padding is None or min(stride) < 1:
        return None
    spatial = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    return meta((x.shape[0], weight.shape[0], *spatial), x.dtype) if min(spatial) > 0 else None


def transpose_convolved(arguments: Arguments) -> torch.Tensor | None:
    """What a transposed convolution returns."""
    found = _checked(arguments)
    groups = arguments.get("groups")
    if found is None or not isinstance(groups, int):
        return None
    x, weight, rank = found
    if x.shape[1] != weight.shape[0]:
        return None
    stride, dilation = (_numbers(arguments, name, rank, 1) for name in ("stride", "dilation"))
    padding, extra = (_numbers(arguments, name, rank, 0) for name in ("padding", "output_padding"))
    if stride is None or dilation is None or padding is None or extra is None:
        return None
    spatial = [
        (size - 1) * s - 2 * p + d * (k - 1) + e + 1
        for size, k, s, p, d, e in zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, extra, strict=True)
    ]
    return meta((x.shape[0], weight.shape[1] * groups, *spatial), x.dtype) if min(spatial) > 0 else None


def _pool(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    size = arguments.get("kernel_size")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not is_ints(size):
        return None
    rank = x.dim() - 2
    kernel = _numbers(arguments, "kernel_size", rank, 1)
    stride = kernel if arguments.get("stride") == [] else _numbers(arguments, "stride", rank, 1)
    padding, dilation = _numbers(arguments, "padding", rank, 0), _numbers(arguments, "dilation", rank, 1)
    if kernel is None or stride is None or padding is None or dilation is None or rank < 1 or min(stride) < 1:
        return None
    rounds_up = bool(arguments.get("ceil_mode"))
    spatial = [
        _pooled(extent, k, s, p, d, rounds_up=rounds_up)
        for extent, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    return meta((*x.shape[:2], *spatial), x.dtype) if min(spatial) > 0 else None


def _pooled(extent: int, kernel: int, stride: int, padding: int, dilation: int, *, rounds_up: bool) -> int:
    room = extent + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0 or padding > kernel // 2:
        return 0
    if not rounds_up:
        return room // stride + 1
    count = -(-room // stride) + 1
    # PyTorch drops a window that would start in the padding behind the image.
    return count - 1 if (count - 1) * stride >= extent + padding else count


def _adaptive_pool(arguments: Arguments) -> torch.Tensor | None:
    x, size = arguments.get("self"), arguments.get("output_size")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not is_ints(size) or x.dim() <= len(size):
        return None
    return meta((*x.shape[: -len(size)], *size), x.dtype)


def _resize(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self", arguments.get("input"))
    size, factors = arguments.get("output_size"), arguments.get("scale_factors")
    if not isinstance(x, torch.Tensor) or x.is_quantized or x.dim() < 3:
        return None
    spatial = x.shape[2:]
    if is_ints(size) and len(size) == len(spatial):
        return meta((*x.shape[:2], *size), x.dtype)
    if size is None and isinstance(factors, (list, tuple)) and len(factors) == len(spatial):
        scaled = [int(extent * float(factor)) for extent, factor in zip(spatial, factors, strict=True)]
        return meta((*x.shape[:2], *scaled), x.dtype)
    return None


def _pixel_shuffle(arguments: Arguments) -> torch.Tensor | None:
    x, factor = arguments.get("self"), arguments.get("upscale_factor")
    if not isinstance(x, torch.Tensor) or not isinstance(factor, int) or x.dim() < 3 or factor < 1:
        return None
    *batch, channels, height, width = x.shape
    if channels % factor**2:
        return None
    return meta((*batch, channels // factor**2, height * factor, width * factor), x.dtype)


def _grid_sample(arguments: Arguments) -> torch.Tensor | None:
    x, grid = arguments.get("input"), arguments.get("grid")
    if not isinstance(x, torch.Tensor) or not isinstance(grid, torch.Tensor) or x.dim() != grid.dim() or x.dim() < 3:
        return None
    if grid.shape[0] != x.shape[0] or grid.shape[-1] != x.dim() - 2:
        return None
    return meta((*x.shape[:2], *grid.shape[1:-1]), x.dtype)


WINDOW_RULES: dict[str, Rule] = {
    **{f"aten::{name}": _convolution for name in ("_convolution", "convolution")},
    **{f"aten::conv{rank}d": convolved for rank in (1, 2, 3)},
    **{f"aten::conv_transpose{rank}d": transpose_convolved for rank in (1, 2, 3)},
    **{f"aten::{kind}_pool{rank}d": _pool for kind in ("max", "avg") for rank in (1, 2, 3)},
    **{f"aten::adaptive_avg_pool{rank}d": _adaptive_pool for rank in (1, 2, 3)},
    "aten::upsample_linear1d": _resize,
    "aten::upsample_bilinear2d": _resize,
    "aten::upsample_bicubic2d": _resize,
    "aten::_upsample_bilinear2d_aa": _resize,
    "aten::_upsample_bicubic2d_aa": _resize,
    "aten::upsample_trilinear3d": _resize,
    "aten::upsample_nearest1d": _resize,
    "aten::upsample_nearest2d": _resize,
    "aten::upsample_nearest3d": _resize,
    "aten::pixel_shuffle": _pixel_shuffle,
    "aten::grid_sampler": _grid_sample,
}
"""Rules by the op's name without overload. A rule answers None where it does not know."""
