"""Output types of the ops that cross between plain and quantized tensors, which PyTorch has no meta kernels for."""

from __future__ import annotations

import torch

from nnapi_check.analyzer.ops.window_rules import Arguments, Rule, meta
from nnapi_check.analyzer.tensor_types import dtype_of_number


def _quantize(arguments: Arguments) -> torch.Tensor | None:
    x, number = arguments.get("self"), arguments.get("dtype")
    scale, zero_point = arguments.get("scale"), arguments.get("zero_point")
    dtype = dtype_of_number(number) if isinstance(number, int) else None
    if not isinstance(x, torch.Tensor) or dtype is None:
        return None
    if isinstance(scale, torch.Tensor) and isinstance(zero_point, torch.Tensor):
        if scale.is_meta or zero_point.is_meta or scale.numel() != 1 or zero_point.numel() != 1:
            return None
        scale, zero_point = float(scale), int(zero_point)
    if not isinstance(scale, (int, float)) or not isinstance(zero_point, int):
        return None
    return torch._empty_affine_quantized(x.shape, scale=float(scale), zero_point=zero_point, dtype=dtype)


def _dequantize(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    return meta(x.shape, torch.float32) if isinstance(x, torch.Tensor) else None


def _fake_quantize(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    return meta(x.shape, x.dtype) if isinstance(x, torch.Tensor) else None


def _normalize(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("qx", arguments.get("input"))
    scale, zero_point = arguments.get("output_scale"), arguments.get("output_zero_point")
    if not isinstance(x, torch.Tensor) or not x.is_quantized:
        return None
    if not isinstance(scale, (int, float)) or not isinstance(zero_point, int):
        return None
    return torch._empty_affine_quantized(x.shape, scale=float(scale), zero_point=zero_point, dtype=x.dtype)


_NORMALIZATIONS = (
    *(f"batch_norm{axes}{activation}" for axes in ("", "1d", "2d", "3d") for activation in ("", "_relu")),
    "instance_norm",
    "layer_norm",
    "group_norm",
)

QUANTIZED_RULES: dict[str, Rule] = {
    "aten::quantize_per_tensor": _quantize,
    "aten::dequantize": _dequantize,
    "aten::fake_quantize_per_tensor_affine": _fake_quantize,
    **{f"quantized::{name}": _normalize for name in _NORMALIZATIONS},
}
"""Rules for what crosses between quantized and plain tensors, by the op's name without overload."""
