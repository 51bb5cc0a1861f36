"""What PyTorch's kernels demand of the arguments of a call, where the rules of shapes and the meta kernels take more.

A condition answers with the first thing that does not fit, or None. It never says no to what a run would take and a
card could lower; what it misses of the rest is found when the op is called on meta.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from math import prod

import torch

from nnapi_check.analyzer.graph import is_ints
from nnapi_check.analyzer.ops.conditions.argument_types import axis_of, dims, other_dtype, other_shape, shape_of, whole
from nnapi_check.analyzer.ops.conditions.lookup_conditions import LOOKUP_CONDITIONS
from nnapi_check.analyzer.ops.conditions.recurrence_conditions import PACKING_CONDITIONS, RECURRENCE_CONDITIONS
from nnapi_check.analyzer.ops.window_rules import Arguments, broadcast

Condition = Callable[[Arguments], str | None]


def unmet(name: str, arguments: Arguments) -> str | None:
    """Why a run of the op refuses these arguments, as far as its conditions tell."""
    condition = CONDITIONS.get(name)
    return None if condition is None else condition(arguments)


def _mask(name: str, arguments: Arguments) -> str | None:
    mask = arguments.get(name)
    return f"{name} is {mask.dtype}" if isinstance(mask, torch.Tensor) and mask.dtype is not torch.bool else None


def _layer_norm(arguments: Arguments) -> str | None:
    shape, normalized = shape_of(arguments, "input"), arguments.get("normalized_shape")
    if shape is None or not is_ints(normalized):
        return None
    if not normalized or shape[-len(normalized) :] != tuple(normalized):
        return f"normalized_shape is {list(normalized)}, input is {list(shape)}"
    return other_shape(arguments, normalized, "weight", "bias") or other_dtype(arguments, "input", "weight", "bias")


_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def _channel_norm(arguments: Arguments) -> str | None:
    shape = shape_of(arguments, "input")
    if shape is None:
        return None
    if len(shape) < 2:
        return f"input has rank {len(shape)}"
    for name in _STATISTICS:
        found = shape_of(arguments, name)
        if found is not None and prod(found) != shape[1]:
            return f"{name} is {list(found)}, input has {shape[1]} channels"
    return whole(arguments, "input") or other_dtype(arguments, "input", *_STATISTICS)


def _group_norm(arguments: Arguments) -> str | None:
    shape, groups = shape_of(arguments, "input"), arguments.get("num_groups")
    refused = _channel_norm(arguments)
    if refused is not None or shape is None or not isinstance(groups, int):
        return refused
    if groups < 1 or shape[1] % groups:
        return f"{shape[1]} channels in {groups} groups"
    return None


def _prelu(arguments: Arguments) -> str | None:
    shape, weight = shape_of(arguments, "self"), shape_of(arguments, "weight")
    if shape is None or weight is None:
        return None
    channels = shape[1] if len(shape) > 1 else 1
    if len(weight) > 1 or weight not in ((), (1,), (channels,)):
        return f"weight is {list(weight)}, self is {list(shape)}"
    return other_dtype(arguments, "self", "weight")


def _linear(arguments: Arguments) -> str | None:
    weight, bias = shape_of(arguments, "weight"), shape_of(arguments, "bias")
    if weight is not None and bias is not None and bias not in ((), (1,), weight[:1]):
        return f"bias is {list(bias)}, weight is {list(weight)}"
    return other_dtype(arguments, "input", "weight", "bias")


def _product(rank: int, names: tuple[str, str], arguments: Arguments) -> str | None:
    """Two tensors of this rank, and what is added to their product."""
    a, b = (shape_of(arguments, name) for name in names)
    if a is None or b is None:
        return None
    if len(a) != rank or len(b) != rank or a[:-2] != b[:-2] or a[-1] != b[-2]:
        return f"{names[0]} is {list(a)}, {names[1]} is {list(b)}"
    added, made = shape_of(arguments, "self"), (*a[:-1], b[-1])
    if names[0] != "self" and added is not None and broadcast(added, made) != made:
        return f"self is {list(added)}, the product is {list(made)}"
    return other_dtype(arguments, *names, *(["self"] if names[0] != "self" else []))


def _addmm(arguments: Arguments) -> str | None:
    # TorchScript computes it as a product and a sum, and then not only self is repeated.
    return _product(2, ("mat1", "mat2"), {name: item for name, item in arguments.items() if name != "self"}) or (
        other_dtype(arguments, "mat1", "self")
    )


def _power(arguments: Arguments) -> str | None:
    exponent = arguments.get("exponent")
    is_inverse = isinstance(exponent, int) and exponent < 0
    return whole(arguments, "self") and f"{whole(arguments, 'self')}, exponent is {exponent}" if is_inverse else None


def _between(arguments: Arguments) -> str | None:
    return whole(arguments, "self") or other_dtype(arguments, "self", "end", "weight")


def _matrix_by_vector(names: tuple[str, str], arguments: Arguments) -> str | None:
    a, b, added = (shape_of(arguments, name) for name in (*names, "self"))
    if a is None or b is None:
        return None
    if len(a) != 2 or len(b) != 1 or a[1] != b[0]:
        return f"{names[0]} is {list(a)}, {names[1]} is {list(b)}"
    if names[0] != "self" and added is not None and added not in ((), (1,), a[:1]):
        return f"self is {list(added)}, the product is {list(a[:1])}"
    return other_dtype(arguments, *names, "self")


def _summed_products(arguments: Arguments) -> str | None:
    products = {name: item for name, item in arguments.items() if name != "self"}
    return _product(3, ("batch1", "batch2"), products) or other_dtype(arguments, "batch1", "self")


def _attention(arguments: Arguments) -> str | None:
    query, key, value = (shape_of(arguments, name) for name in ("query", "key", "value"))
    if query is None or key is None or value is None:
        return None
    if min(len(query), len(key), len(value)) < 2:
        return f"query is {list(query)}, key is {list(key)}, value is {list(value)}"
    if query[-1] != key[-1] or key[-2] != value[-2]:
        return f"query is {list(query)}, key is {list(key)}, value is {list(value)}"
    mask = arguments.get("attn_mask")
    if isinstance(mask, torch.Tensor):
        if arguments.get("is_causal") is True:
            return "attn_mask is given, and is_causal"
        scores = (*query[:-1], key[-2])
        if broadcast(mask.shape, scores) != scores:
            return f"attn_mask is {list(mask.shape)}, the scores are {list(scores)}"
        if mask.dtype is not torch.bool and other_dtype(arguments, "query", "attn_mask"):
            return other_dtype(arguments, "query", "attn_mask")
    return other_dtype(arguments, "query", "key", "value")


def _out_of(arguments: Arguments, name: str, least: int) -> str | None:
    """Numbers that must be at least so large."""
    found = arguments.get(name)
    numbers = [found] if type(found) is int else found
    if is_ints(numbers) and any(number < least for number in numbers):
        return f"{name} is {found}"
    return None


def _first(*found: str | None) -> str | None:
    return next((words for words in found if words is not None), None)


def _window(axes: int, arguments: Arguments) -> str | None:
    """Kernels, strides and paddings over so many axes, and an image with or without a batch."""
    shape = shape_of(arguments, "self")
    if shape is not None and len(shape) not in (axes + 1, axes + 2):
        return f"self has rank {len(shape)}"
    if shape is not None and 0 in shape[1:]:
        return f"self is {list(shape)}"
    for name in ("kernel_size", "stride", "padding", "dilation"):
        found = arguments.get(name)
        if is_ints(found) and len(found) not in (1, axes) and not (name == "stride" and not found):
            return f"{name} is {list(found)} over {axes} axes"
    if arguments.get("divisor_override") == 0:
        return "divisor_override is 0"
    least = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
    return _first(*(_out_of(arguments, name, number) for name, number in least.items()))


def _convolution(axes: int | None, arguments: Arguments) -> str | None:
    """Filters over so many axes, or over as many as they have."""
    weight, groups = shape_of(arguments, "weight"), arguments.get("groups", 1)
    transposed = bool(arguments.get("transposed", "output_padding" in arguments))
    if weight is not None and isinstance(groups, int):
        axes = len(weight) - 2 if axes is None else axes
        if len(weight) != axes + 2 or axes < 1:
            return f"a convolution over {axes} axes with a weight of rank {len(weight)}"
        if groups < 1 or weight[0] % groups:
            return f"{weight[0]} filters in {groups} groups"
        refused = other_shape(arguments, [weight[1] * groups if transposed else weight[0]], "bias")
        if refused is not None:
            return refused
        shape, read = shape_of(arguments, "input"), weight[0] if transposed else weight[1] * groups
        if shape is not None and (len(shape) not in (axes + 1, axes + 2) or shape[-axes - 1] != read):
            return f"weight is {list(weight)} in {groups} groups, input is {list(shape)}"
    least = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1}
    for name in least if axes is not None else ():
        found = arguments.get(name)
        if is_ints(found) and len(found) not in (1, axes):
            return f"a convolution over {axes} axes with {name}={list(found)}"
    return _first(
        *(_out_of(arguments, name, number) for name, number in least.items()),
        _padding_by_name(arguments),
        other_dtype(arguments, "input", "weight", "bias"),
        _extra(arguments) if transposed else None,
    )


def _padding_by_name(arguments: Arguments) -> str | None:
    padding, stride = arguments.get("padding"), arguments.get("stride")
    if not isinstance(padding, str):
        return None
    if padding not in ("same", "valid"):
        return f"padding is {padding!r}"
    if padding == "same" and is_ints(stride) and any(step != 1 for step in stride):
        return f'padding is "same", stride is {list(stride)}'
    return None


def _extra(arguments: Arguments) -> str | None:
    """More rows than a step has would be filled by nothing."""
    found = [arguments.get(name) for name in ("output_padding", "stride", "dilation")]
    if not all(is_ints(numbers) and numbers for numbers in found):
        return None
    lists = [list(numbers) for numbers in found if is_ints(numbers)]
    axes = max(len(numbers) for numbers in lists)
    extra, stride, dilation = (numbers * axes if len(numbers) == 1 else numbers for numbers in lists)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=False)):
        return f"output_padding is {lists[0]}, stride is {lists[1]}, dilation is {lists[2]}"
    return None


def _adaptive(axes: int, arguments: Arguments) -> str | None:
    shape, size = shape_of(arguments, "self"), arguments.get("output_size")
    if shape is not None and (len(shape) not in (axes + 1, axes + 2) or 0 in shape[1:]):
        return f"self is {list(shape)}"
    if is_ints(size) and len(size) != axes:
        return f"output_size is {list(size)} over {axes} axes"
    return _out_of(arguments, "output_size", 0)


def _resized(axes: int, arguments: Arguments) -> str | None:
    shape = shape_of(arguments, "self") or shape_of(arguments, "input")
    if shape is not None and (len(shape) != axes + 2 or 0 in shape[1:]):
        return f"the image is {list(shape)}"
    size, factors = arguments.get("output_size"), arguments.get("scale_factors")
    for name, found in (("output_size", size), ("scale_factors", factors)):
        if isinstance(found, (list, tuple)) and len(found) != axes:
            return f"{name} is {list(found)} over {axes} axes"
    if (size is None) == (factors is None) and "scale_factors" in arguments:
        return "either output_size or scale_factors is given"
    if isinstance(factors, (list, tuple)) and any(isinstance(found, (int, float)) and found <= 0 for found in factors):
        return f"scale_factors is {list(factors)}"
    return _out_of(arguments, "output_size", 1) or _places_beyond_32_bits(arguments, size)


_FACTORS = {1: ("scales",), 2: ("scales_h", "scales_w"), 3: ("scales_d", "scales_h", "scales_w")}


def _places_beyond_32_bits(arguments: Arguments, sizes: object) -> str | None:
    """Kernels make integers of outputs' places over their factors, and read wherever one that overflows says."""
    if not is_ints(sizes):
        return None
    for name, output in zip(_FACTORS[len(sizes)], sizes, strict=True):
        scale = arguments.get(name)
        # They go by the sizes where a factor is 0, negative or undefined.
        if isinstance(scale, float) and scale > 0 and output >= scale * 2**31:
            return f"{name} of {scale:g} takes {output} places beyond 32 bits, and PyTorch reads past the last"
    return None


def _resized_linearly(arguments: Arguments) -> str | None:
    """PyTorch's kernel of quantized images does not stop at the last row and column."""
    refused, x, sizes = _resized(2, arguments), arguments.get("self"), arguments.get("output_size")
    if refused is not None or not isinstance(x, torch.Tensor) or not x.is_quantized or not is_ints(sizes):
        return refused
    for size, output, name in zip(x.shape[2:], sizes, ("scales_h", "scales_w"), strict=True):
        scale = arguments.get(name)
        if not isinstance(scale, float) or not scale > 0 or arguments.get("align_corners") is not False:
            continue
        if int((output - 0.5) / scale - 0.5) >= size:
            return f"{name} of {scale:g} takes {output} places of {size}, and PyTorch reads past the last"
    return None


def _grid(arguments: Arguments) -> str | None:
    modes = {"interpolation_mode": 2, "padding_mode": 2}
    for name, last in modes.items():
        found = arguments.get(name)
        if isinstance(found, int) and not 0 <= found <= last:
            return f"{name} is {found}"
    return other_dtype(arguments, "input", "grid")


def _joined(arguments: Arguments) -> str | None:
    """Tensors one behind another: those of rank 1 without elements count for nothing."""
    tensors = arguments.get("tensors")
    if not isinstance(tensors, (list, tuple)):
        return None
    ranks = {item.dim() for item in tensors if isinstance(item, torch.Tensor) and item.shape != (0,)}
    return f"tensors of ranks {sorted(ranks)}" if any(True for _ in pairwise(sorted(ranks))) else None


def _narrow(arguments: Arguments) -> str | None:
    shape, start, length = shape_of(arguments, "self"), arguments.get("start"), arguments.get("length")
    refused = dims("dim", arguments)
    axis = axis_of(arguments)
    if refused is not None or shape is None or axis is None or type(length) is not int:
        return refused
    if not shape:
        return "self has no dimension"
    if not 0 <= length <= shape[axis]:
        return f"length is {length} of a dimension of {shape[axis]}"
    if isinstance(start, torch.Tensor):
        counts = whole(arguments, "start") is not None and start.dtype is not torch.bool
        return None if counts and not start.dim() else f"start is {list(start.shape)} of {start.dtype}"
    return None


_ALONG_ONE = ("argmax", "argmin", "softmax", "log_softmax", "sort", "argsort")
_CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
_TAKEN_ONCE = partial(dims, "dim", is_once=True)

OVERREADING: Mapping[str, Condition] = {
    **{f"aten::upsample_nearest{axes}d": partial(_resized, axes) for axes in (1, 2, 3)},
    **{f"aten::_upsample_nearest_exact{axes}d": partial(_resized, axes) for axes in (1, 2, 3)},
    "aten::upsample_linear1d": partial(_resized, 1),
    "aten::upsample_bilinear2d": _resized_linearly,
    "aten::upsample_bicubic2d": partial(_resized, 2),
    "aten::_upsample_bilinear2d_aa": partial(_resized, 2),
    "aten::_upsample_bicubic2d_aa": partial(_resized, 2),
    "aten::upsample_trilinear3d": partial(_resized, 3),
    **{f"aten::_fft_{name}": partial(dims, "dim") for name in ("c2c", "c2r", "r2c")},
}
"""Of ops whose kernels read whatever the numbers say that they are given, past the end of a tensor too."""

CONDITIONS: Mapping[str, Condition] = {
    **{f"aten::{name}": partial(dims, "dim") for name in (*_ALONG_ONE, *_CUMULATIVE)},
    **{f"aten::{name}": _TAKEN_ONCE for name in ("mean", "sum", "amax", "amin", "linalg_vector_norm", "norm")},
    "aten::narrow": _narrow,
    "aten::flip": partial(dims, "dims", is_once=True),
    "aten::masked_fill": partial(_mask, "mask"),
    "aten::hardshrink": lambda arguments: whole(arguments, "self"),
    "aten::lerp": _between,
    "aten::pow": _power,
    "aten::repeat": lambda arguments: _out_of(arguments, "repeats", 0),
    "aten::cat": _joined,
    "aten::layer_norm": _layer_norm,
    "aten::native_layer_norm": _layer_norm,
    "aten::batch_norm": _channel_norm,
    "aten::native_batch_norm": _channel_norm,
    "aten::_native_batch_norm_legit": _channel_norm,
    "aten::_native_batch_norm_legit_no_training": _channel_norm,
    "aten::instance_norm": _channel_norm,
    "aten::group_norm": _group_norm,
    "aten::prelu": _prelu,
    "aten::linear": _linear,
    "aten::addmm": _addmm,
    "aten::matmul": lambda arguments: other_dtype(arguments, "self", "other"),
    "aten::mm": partial(_product, 2, ("self", "mat2")),
    "aten::bmm": partial(_product, 3, ("self", "mat2")),
    "aten::mv": partial(_matrix_by_vector, ("self", "vec")),
    "aten::addmv": partial(_matrix_by_vector, ("mat", "vec")),
    "aten::addbmm": _summed_products,
    "aten::baddbmm": partial(_product, 3, ("batch1", "batch2")),
    "aten::scaled_dot_product_attention": _attention,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::grid_sampler": _grid,
    "aten::_convolution": partial(_convolution, None),
    "aten::convolution": partial(_convolution, None),
    "aten::_convolution_mode": partial(_convolution, None),
    **{f"aten::conv{axes}d": partial(_convolution, axes) for axes in (1, 2, 3)},
    **{f"aten::conv_transpose{axes}d": partial(_convolution, axes) for axes in (1, 2, 3)},
    **{f"aten::{kind}_pool{axes}d": partial(_window, axes) for kind in ("max", "avg") for axes in (1, 2, 3)},
    **{f"aten::adaptive_{kind}_pool{axes}d": partial(_adaptive, axes) for kind in ("max", "avg") for axes in (1, 2, 3)},
    **OVERREADING,
    **LOOKUP_CONDITIONS,
    **PACKING_CONDITIONS,
    **RECURRENCE_CONDITIONS,
}
"""Conditions by the op's name without overload."""
