"""Output types of the common ops without a call of PyTorch's own meta kernels.

Many meta kernels are written in Python, and the first call of one imports the compiler (a second of time and
nine hundred modules). The rules here answer the ops that nearly every network has; each is held to what the op
really returns by a test. Every other op is called on meta tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from nnapi_check.analyzer.graph import is_ints
from nnapi_check.analyzer.ops.attention_rules import ATTENTION_RULES
from nnapi_check.analyzer.ops.window_rules import WINDOW_RULES, Arguments, Rule, broadcast, like, meta

_KEEP_TYPE = (
    "relu relu6 hardtanh hardswish hardsigmoid silu gelu elu leaky_relu mish celu selu neg sign floor ceil round "
    "softplus threshold log_sigmoid batch_norm layer_norm group_norm instance_norm roll flip prelu"
)
_TO_FLOAT = "sigmoid tanh exp log sqrt rsqrt sin cos erf reciprocal expm1 log1p log2 log10 tan atan asin acos"
_KEEP_UNLESS_DTYPE = "softmax log_softmax cumsum zeros_like ones_like empty_like full_like rand_like randn_like"
_COMPARISONS = "eq ne lt le gt ge"
_ARITHMETIC = "add sub mul rsub remainder pow maximum minimum"
_REDUCTIONS = "mean sum amax amin"


def _keep_type(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self", arguments.get("input"))
    if not isinstance(x, torch.Tensor) or x.is_quantized:
        return None
    return meta(x.shape, x.dtype)


def _same(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    return x if isinstance(x, torch.Tensor) else None


def _magnitude(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    if not isinstance(x, torch.Tensor) or x.is_quantized:
        return None
    return meta(x.shape, x.dtype.to_real())


def _to_float(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    if not isinstance(x, torch.Tensor) or x.is_quantized:
        return None
    is_float = x.dtype.is_floating_point or x.dtype.is_complex
    return meta(x.shape, x.dtype if is_float else torch.get_default_dtype())


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
    return None if found is None or isinstance(arguments.get("alpha"), float) else meta(*found)


def _comparison(arguments: Arguments) -> torch.Tensor | None:
    found = _binary(arguments)
    return None if found is None else meta(found[0], torch.bool)


def _divide(arguments: Arguments) -> torch.Tensor | None:
    found = _binary(arguments)
    if found is None:
        return None
    shape, dtype = found
    is_float = dtype.is_floating_point or dtype.is_complex
    if not is_float and arguments.get("rounding_mode") is None:
        dtype = torch.get_default_dtype()
    return meta(shape, dtype)


def _clamp(arguments: Arguments) -> torch.Tensor | None:
    x, low, high = arguments.get("self"), arguments.get("min"), arguments.get("max")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not x.dtype.is_floating_point:
        return None
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        return None
    return meta(x.shape, x.dtype)


def _where(arguments: Arguments) -> torch.Tensor | None:
    condition, a, b = arguments.get("condition"), arguments.get("self"), arguments.get("other")
    dtype = _result_dtype(a, b)
    shape = broadcast(_shape_of(condition), _shape_of(a), _shape_of(b))
    return None if dtype is None or shape is None else meta(shape, dtype)


def _masked_fill(arguments: Arguments) -> torch.Tensor | None:
    x, mask = arguments.get("self"), arguments.get("mask")
    shape = broadcast(_shape_of(x), _shape_of(mask))
    return None if not isinstance(x, torch.Tensor) or shape is None else meta(shape, x.dtype)


def _linear(arguments: Arguments) -> torch.Tensor | None:
    x, weight = arguments.get("input"), arguments.get("weight")
    if not isinstance(x, torch.Tensor) or not isinstance(weight, torch.Tensor):
        return None
    if weight.dim() != 2 or x.dim() == 0 or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return meta((*x.shape[:-1], weight.shape[0]), x.dtype)


def _addmm(arguments: Arguments) -> torch.Tensor | None:
    a, b = arguments.get("mat1"), arguments.get("mat2")
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor) or a.shape[1:] != b.shape[:1]:
        return None
    if a.dim() != 2 or b.dim() != 2:
        return None
    # TorchScript computes it as a product and a sum, and then not only self is repeated.
    shape = broadcast(_shape_of(arguments.get("self")), (a.shape[0], b.shape[1]))
    return None if shape is None else meta(shape, a.dtype)


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
    return meta(shape, tensors[0].dtype)


def _stack(arguments: Arguments) -> torch.Tensor | None:
    tensors = _tensors(arguments.get("tensors"))
    if tensors is None or len({t.shape for t in tensors}) != 1:
        return None
    axis = _axis(arguments.get("dim"), tensors[0].dim() + 1)
    if axis is None:
        return None
    shape = tensors[0].shape
    return meta((*shape[:axis], len(tensors), *shape[axis:]), tensors[0].dtype)


def _reduce(arguments: Arguments) -> torch.Tensor | None:
    x, dims = arguments.get("self"), arguments.get("dim")
    if not isinstance(x, torch.Tensor) or x.is_quantized or not x.dtype.is_floating_point:
        return None
    if arguments.get("dtype") is not None or not is_ints(dims) or not dims:
        return None
    return meta(_without(x.shape, dims, keeps=bool(arguments.get("keepdim"))), x.dtype)


def _arg_extreme(arguments: Arguments) -> torch.Tensor | None:
    x, axis = arguments.get("self"), arguments.get("dim")
    if not isinstance(x, torch.Tensor) or not isinstance(axis, int) or x.dim() == 0:
        return None
    return meta(_without(x.shape, [axis], keeps=bool(arguments.get("keepdim"))), torch.int64)


def _without(shape: Sequence[int], dims: Sequence[int], *, keeps: bool) -> list[int]:
    axes = {axis % len(shape) for axis in dims} if shape else set()
    if keeps:
        return [1 if axis in axes else size for axis, size in enumerate(shape)]
    return [size for axis, size in enumerate(shape) if axis not in axes]


def _matmul(arguments: Arguments) -> torch.Tensor | None:
    a = arguments.get("self", arguments.get("batch1"))
    b = arguments.get("other", arguments.get("mat2", arguments.get("batch2")))
    if isinstance(a, torch.Tensor) and isinstance(arguments.get("batch1"), torch.Tensor):
        a = arguments["batch1"]
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor) or a.dim() < 2 or b.dim() < 2:
        return None
    batch = broadcast(a.shape[:-2], b.shape[:-2])
    if batch is None or a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        return None
    return meta((*batch, a.shape[-2], b.shape[-1]), a.dtype)


def _einsum(arguments: Arguments) -> torch.Tensor | None:
    """Sums of products by a formula without dots, such as ``bhij,hjk->bhik``."""
    formula, tensors = arguments.get("equation"), _same_dtype(arguments.get("tensors"))
    if not isinstance(formula, str) or tensors is None or "..." in formula or "->" not in formula:
        return None
    if len(tensors) == 1:
        # It may be a view of the tensor.
        return None
    left, result = formula.replace(" ", "").split("->")
    terms = left.split(",")
    sizes: dict[str, int] = {}
    if [len(term) for term in terms] != [tensor.dim() for tensor in tensors] or len(set(result)) != len(result):
        return None
    for term, tensor in zip(terms, tensors, strict=True):
        for letter, size in zip(term, tensor.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return None
    # Whole numbers that are added up become int64, depending on how the formula is carried out.
    if not set(result) <= set(sizes) or not tensors[0].dtype.is_floating_point:
        return None
    # Which order of dimensions the result lies in depends on how PyTorch carries the formula out.
    return torch.einsum(formula, *(like(tensor, tensor.dtype) for tensor in tensors))


def _same_dtype(value: object) -> list[torch.Tensor] | None:
    tensors = [item for item in value if isinstance(item, torch.Tensor)] if isinstance(value, (list, tuple)) else []
    return tensors if len({tensor.dtype for tensor in tensors}) == 1 else None


def _vector_norm(arguments: Arguments) -> torch.Tensor | None:
    x, dims = arguments.get("self"), arguments.get("dim")
    if isinstance(dims, int):
        dims = [dims]
    return _reduce({**arguments, "dim": dims}) if isinstance(x, torch.Tensor) else None


def _embedding(arguments: Arguments) -> torch.Tensor | None:
    weight, indices = arguments.get("weight"), arguments.get("indices")
    if not isinstance(weight, torch.Tensor) or not isinstance(indices, torch.Tensor) or weight.dim() != 2:
        return None
    return meta((*indices.shape, weight.shape[1]), weight.dtype)


def _gather(arguments: Arguments) -> torch.Tensor | None:
    x, index = arguments.get("self"), arguments.get("index")
    if not isinstance(x, torch.Tensor) or not isinstance(index, torch.Tensor) or x.dim() != index.dim():
        return None
    return meta(index.shape, x.dtype)


def _index(arguments: Arguments) -> torch.Tensor | None:
    """Integer index tensors, whose dimensions come first where they do not stand side by side.

    PyTorch's meta kernel loses them where the places are constants with elements.
    """
    x, indices = arguments.get("self"), arguments.get("indices")
    if not isinstance(x, torch.Tensor) or not isinstance(indices, (list, tuple)) or len(indices) > x.dim():
        return None
    tensors = {axis: index for axis, index in enumerate(indices) if isinstance(index, torch.Tensor)}
    if not tensors or any(t.dtype not in (torch.int64, torch.int32) for t in tensors.values()):
        return None
    shape = broadcast(*(t.shape for t in tensors.values()))
    if shape is None:
        return None
    first = min(tensors) if max(tensors) - min(tensors) < len(tensors) else 0
    others = [size for axis, size in enumerate(x.shape) if axis not in tensors]
    return meta((*others[:first], *shape, *others[first:]), x.dtype)


def _repeat(arguments: Arguments) -> torch.Tensor | None:
    x, repeats = arguments.get("self"), arguments.get("repeats")
    if not isinstance(x, torch.Tensor) or not is_ints(repeats) or len(repeats) < x.dim():
        return None
    shape = (1,) * (len(repeats) - x.dim()) + tuple(x.shape)
    return meta([size * times for size, times in zip(shape, repeats, strict=True)], x.dtype)


def _keep_unless_dtype(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    if not isinstance(x, torch.Tensor) or arguments.get("dtype") is not None or not x.dtype.is_floating_point:
        return None
    return _keep_type(arguments)


def _batch_norm(arguments: Arguments) -> tuple[torch.Tensor, ...] | None:
    """Without training the processor's kernels leave the statistics of the batch empty; others do not."""
    x = arguments.get("input")
    if not isinstance(x, torch.Tensor) or arguments.get("training", False) is not False:
        return None
    return (meta(x.shape, x.dtype), meta((0,), x.dtype), meta((0,), x.dtype))


def _packed_layers(arguments: Arguments) -> tuple[torch.Tensor, ...] | None:
    """Recurrent layers over packed sequences: a row for each one that they read, and states as they are given."""
    x, given = arguments.get("data"), arguments.get("hx")
    states = [state for state in (given if isinstance(given, list) else [given]) if isinstance(state, torch.Tensor)]
    if not isinstance(x, torch.Tensor) or not states:
        return None
    width = states[0].shape[-1] * (2 if arguments.get("bidirectional") is True else 1)
    return (meta((x.shape[0], width), x.dtype), *(meta(state.shape, state.dtype) for state in states))


def elsewhere(result: torch.Tensor) -> torch.Tensor:
    """A tensor whose elements lie at places that are not known, as one of which only the type is."""
    if result.is_quantized:
        return result.clone()
    return torch.empty_strided(result.shape, result.stride(), dtype=result.dtype, device="meta")


def _narrow(arguments: Arguments) -> torch.Tensor | None:
    x, dim, start, length = (arguments[name] for name in ("self", "dim", "start", "length"))
    if not isinstance(x, torch.Tensor) or not isinstance(start, torch.Tensor):
        return None
    return elsewhere(x.narrow(dim, 0, length)) if isinstance(dim, int) and isinstance(length, int) else None


RULES: dict[str, Rule | Callable[[Arguments], tuple[torch.Tensor, ...] | None]] = {
    **{f"aten::{name}": _keep_type for name in _KEEP_TYPE.split()},
    **{f"aten::{name}": _to_float for name in _TO_FLOAT.split()},
    **{f"aten::{name}": _keep_unless_dtype for name in _KEEP_UNLESS_DTYPE.split()},
    **{f"aten::{name}": _arithmetic for name in _ARITHMETIC.split()},
    **{f"aten::{name}": _comparison for name in _COMPARISONS.split()},
    **{f"aten::{name}": _reduce for name in _REDUCTIONS.split()},
    "aten::abs": _magnitude,
    "aten::argmax": _arg_extreme,
    "aten::argmin": _arg_extreme,
    "aten::atan2": _divide,
    "aten::cpu": _same,
    "aten::div": _divide,
    "aten::clamp": _clamp,
    "aten::clamp_min": _clamp,
    "aten::clamp_max": _clamp,
    "aten::where": _where,
    "aten::masked_fill": _masked_fill,
    "aten::linear": _linear,
    "aten::addmm": _addmm,
    "aten::matmul": _matmul,
    "aten::bmm": _matmul,
    "aten::mm": _matmul,
    "aten::baddbmm": _matmul,
    "aten::einsum": _einsum,
    "aten::linalg_vector_norm": _vector_norm,
    "aten::norm": _vector_norm,
    "aten::embedding": _embedding,
    "aten::gather": _gather,
    "aten::narrow": _narrow,
    "aten::index": _index,
    "aten::repeat": _repeat,
    "aten::cat": _cat,
    "aten::stack": _stack,
    "aten::native_batch_norm": _batch_norm,
    "aten::_native_batch_norm_legit": _batch_norm,
    "aten::_native_batch_norm_legit_no_training": _batch_norm,
    **{f"aten::{name}": _packed_layers for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **ATTENTION_RULES,
    **WINDOW_RULES,
}
"""Rules by the op's name without overload. A rule answers None where it does not know."""

NUMBER_OPS = frozenset(f"aten::{name}" for name in f"{_ARITHMETIC} {_COMPARISONS} atan2 div".split())
"""Ops whose type does not depend on the value of a number among their arguments, only on its kind."""
