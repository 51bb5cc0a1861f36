"""Output types of the common ops without a call of PyTorch's own meta kernels.

Many meta kernels are written in Python, and the first call of one imports the compiler (a second of time and
nine hundred modules). The rules here answer the ops that nearly every network has; each is held to what the op
really returns by a test. Every other op is called on meta tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

import torch

Arguments = Mapping[str, object]
Rule = Callable[[Arguments], torch.Tensor | None]

_KEEP_TYPE = (
    "relu relu6 hardtanh hardswish hardsigmoid silu gelu elu leaky_relu mish celu selu abs neg sign floor ceil "
    "round softplus threshold log_sigmoid clone batch_norm "
    "layer_norm group_norm instance_norm roll flip"
).split()
_TO_FLOAT = "sigmoid tanh exp log sqrt rsqrt sin cos erf reciprocal expm1 log1p log2 log10 tan atan asin acos".split()
_COMPARISONS = "eq ne lt le gt ge".split()
_ARITHMETIC = "add sub mul rsub remainder pow maximum minimum atan2".split()


def _is_ints(value: object) -> TypeGuard[Sequence[int]]:
    return isinstance(value, (list, tuple)) and all(isinstance(item, int) for item in value)


def _meta(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


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


def _keep_type(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self", arguments.get("input"))
    if not isinstance(x, torch.Tensor) or x.is_quantized:
        return None
    return _meta(x.shape, x.dtype)


def _to_float(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    if not isinstance(x, torch.Tensor) or x.is_quantized:
        return None
    is_float = x.dtype.is_floating_point or x.dtype.is_complex
    return _meta(x.shape, x.dtype if is_float else torch.get_default_dtype())


def _result_dtype(a: object, b: object) -> torch.dtype | None:
    if isinstance(a, torch.Tensor) and isinstance(b, (torch.Tensor, int, float)):
        return torch.result_type(a, b)
    if isinstance(a, (int, float)) and isinstance(b, torch.Tensor):
        return torch.result_type(a, b)
    return None


def _shape_of(value: object) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _binary(arguments: Arguments) -> tuple[tuple[int, ...], torch.dtype] | None:
    a = arguments.get("self")
    b = arguments.get("other", arguments.get("exponent"))
    if any(isinstance(x, torch.Tensor) and x.is_quantized for x in (a, b)):
        return None
    dtype = _result_dtype(a, b)
    shape = broadcast(_shape_of(a), _shape_of(b))
    return None if dtype is None or shape is None else (shape, dtype)


def _arithmetic(arguments: Arguments) -> torch.Tensor | None:
    found = _binary(arguments)
    if found is None or isinstance(arguments.get("alpha"), float):
        return None
    return _meta(*found)


def _comparison(arguments: Arguments) -> torch.Tensor | None:
    found = _binary(arguments)
    return None if found is None else _meta(found[0], torch.bool)


def _divide(arguments: Arguments) -> torch.Tensor | None:
    found = _binary(arguments)
    if found is None:
        return None
    shape, dtype = found
    is_float = dtype.is_floating_point or dtype.is_complex
    if not is_float and arguments.get("rounding_mode") is None:
        dtype = torch.get_default_dtype()
    return _meta(shape, dtype)


def _clamp(arguments: Arguments) -> torch.Tensor | None:
    x, low, high = arguments.get("self"), arguments.get("min"), arguments.get("max")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not x.dtype.is_floating_point:
        return None
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        return None
    return _meta(x.shape, x.dtype)


def _where(arguments: Arguments) -> torch.Tensor | None:
    condition, a, b = arguments.get("condition"), arguments.get("self"), arguments.get("other")
    dtype = _result_dtype(a, b)
    shape = broadcast(_shape_of(condition), _shape_of(a), _shape_of(b))
    return None if dtype is None or shape is None else _meta(shape, dtype)


def _masked_fill(arguments: Arguments) -> torch.Tensor | None:
    x, mask = arguments.get("self"), arguments.get("mask")
    shape = broadcast(_shape_of(x), _shape_of(mask))
    return None if not isinstance(x, torch.Tensor) or shape is None else _meta(shape, x.dtype)


def _prelu(arguments: Arguments) -> torch.Tensor | None:
    return _keep_type(arguments)


def _linear(arguments: Arguments) -> torch.Tensor | None:
    x, weight = arguments.get("input"), arguments.get("weight")
    if not isinstance(x, torch.Tensor) or not isinstance(weight, torch.Tensor):
        return None
    if weight.dim() != 2 or x.dim() == 0 or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return _meta((*x.shape[:-1], weight.shape[0]), x.dtype)


def _addmm(arguments: Arguments) -> torch.Tensor | None:
    a, b = arguments.get("mat1"), arguments.get("mat2")
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor) or a.shape[1:] != b.shape[:1]:
        return None
    return _meta((a.shape[0], b.shape[1]), a.dtype) if a.dim() == b.dim() == 2 else None


def _tensors(value: object) -> list[torch.Tensor] | None:
    if not isinstance(value, (list, tuple)) or not value:
        return None
    tensors = [item for item in value if isinstance(item, torch.Tensor)]
    same = len(tensors) == len(value) and len({(t.dtype, t.dim()) for t in tensors}) == 1
    return tensors if same and not tensors[0].is_quantized else None


def _axis(value: object, rank: int) -> int | None:
    if not isinstance(value, int) or not -rank <= value < rank:
        return None
    return value % rank


def _cat(arguments: Arguments) -> torch.Tensor | None:
    tensors = _tensors(arguments.get("tensors"))
    if tensors is None:
        return None
    axis = _axis(arguments.get("dim"), tensors[0].dim())
    if axis is None:
        return None
    others = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in tensors}
    if len(others) != 1:
        return None
    shape = list(tensors[0].shape)
    shape[axis] = sum(t.shape[axis] for t in tensors)
    return _meta(shape, tensors[0].dtype)


def _stack(arguments: Arguments) -> torch.Tensor | None:
    tensors = _tensors(arguments.get("tensors"))
    if tensors is None or len({t.shape for t in tensors}) != 1:
        return None
    axis = _axis(arguments.get("dim"), tensors[0].dim() + 1)
    if axis is None:
        return None
    shape = tensors[0].shape
    return _meta((*shape[:axis], len(tensors), *shape[axis:]), tensors[0].dtype)


def _mean(arguments: Arguments) -> torch.Tensor | None:
    x, dims = arguments.get("self"), arguments.get("dim")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not x.dtype.is_floating_point:
        return None
    if arguments.get("dtype") is not None or not _is_ints(dims) or not dims:
        return None
    if not all(-x.dim() <= axis < x.dim() for axis in dims):
        return None
    axes = {axis % x.dim() for axis in dims}
    if arguments.get("keepdim"):
        return _meta([1 if axis in axes else size for axis, size in enumerate(x.shape)], x.dtype)
    return _meta([size for axis, size in enumerate(x.shape) if axis not in axes], x.dtype)


def _adaptive_pool(arguments: Arguments) -> torch.Tensor | None:
    x, size = arguments.get("self"), arguments.get("output_size")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not _is_ints(size) or x.dim() <= len(size):
        return None
    return _meta((*x.shape[: -len(size)], *size), x.dtype)


def _upsample(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self", arguments.get("input"))
    size, factors = arguments.get("output_size"), arguments.get("scale_factors")
    if not isinstance(x, torch.Tensor) or x.is_quantized or x.dim() < 3:
        return None
    spatial = x.shape[2:]
    if _is_ints(size) and len(size) == len(spatial):
        return _meta((*x.shape[:2], *size), x.dtype)
    if size is None and isinstance(factors, (list, tuple)) and len(factors) == len(spatial):
        scaled = [int(extent * float(factor)) for extent, factor in zip(spatial, factors, strict=True)]
        return _meta((*x.shape[:2], *scaled), x.dtype)
    return None


def _attention(arguments: Arguments) -> torch.Tensor | None:
    query, value = arguments.get("query"), arguments.get("value")
    if not isinstance(query, torch.Tensor) or not isinstance(value, torch.Tensor):
        return None
    if query.dim() != value.dim() or query.shape[:-2] != value.shape[:-2]:
        return None
    return _meta((*query.shape[:-1], value.shape[-1]), query.dtype)


RULES: dict[str, Rule] = {
    **{f"aten::{name}": _keep_type for name in _KEEP_TYPE},
    **{f"aten::{name}": _to_float for name in _TO_FLOAT},
    **{f"aten::{name}": _arithmetic for name in _ARITHMETIC},
    **{f"aten::{name}": _comparison for name in _COMPARISONS},
    "aten::div": _divide,
    "aten::clamp": _clamp,
    "aten::clamp_min": _clamp,
    "aten::clamp_max": _clamp,
    "aten::where": _where,
    "aten::masked_fill": _masked_fill,
    "aten::prelu": _prelu,
    "aten::linear": _linear,
    "aten::addmm": _addmm,
    "aten::cat": _cat,
    "aten::stack": _stack,
    "aten::mean": _mean,
    "aten::adaptive_avg_pool1d": _adaptive_pool,
    "aten::adaptive_avg_pool2d": _adaptive_pool,
    "aten::adaptive_avg_pool3d": _adaptive_pool,
    "aten::upsample_bilinear2d": _upsample,
    "aten::upsample_bicubic2d": _upsample,
    "aten::upsample_nearest2d": _upsample,
    "aten::upsample_linear1d": _upsample,
    "aten::upsample_trilinear3d": _upsample,
    "aten::scaled_dot_product_attention": _attention,
}
"""Rules by the op's name without overload. A rule answers None where it does not know."""
