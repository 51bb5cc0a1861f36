"""Output types of the ops that cross between plain and quantized tensors, which PyTorch has no meta kernels for."""

from __future__ import annotations

import torch

from analyzer.tensor_types import dtype_of_number
from analyzer.window_rules import Arguments, Rule, meta


def _quantize(arguments: Arguments) -> torch.Tensor | None:
    x, number = arguments.get("self"), arguments.get("dtype")
    scale, zero_point = arguments.get("scale"), arguments.get("zero_point")
    dtype = dtype_of_number(number) if isinstance(number, int) else None
    if not isinstance(x, torch.Tensor) or dtype is None:
        return None
    if isinstance(scale, torch.Tensor) and isinstance(zero_point, torch.Tensor):
        if scale.is_meta or zero_point.is_meta:
            return None
        scale, zero_point = float(scale), int(zero_point)
    if not isinstance(scale, (int, float)) or not isinstance(zero_point, int):
        return None
    return torch._empty_affine_quantized(x.shape, scale=float(scale), zero_point=zero_point, dtype=dtype)


def _dequantize(arguments: Arguments) -> torch.Tensor | None:
    x = arguments.get("self")
    return meta(x.shape, torch.float32) if isinstance(x, torch.Tensor) else None


QUANTIZED_RULES: dict[str, Rule] = {
    "aten::quantize_per_tensor": _quantize,
    "aten::dequantize": _dequantize,
}
"""Rules for what crosses between quantized and plain tensors, by the op's name without overload."""
