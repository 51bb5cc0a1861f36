"""What the ops of ``quantized_decomposed`` stand for, in ops that every PyTorch has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch

_SOURCE = """
def quantize_per_tensor(input, scale: float, zero_point: int, quant_min: int, quant_max: int, dtype: int):
    steps = torch.round(input.to(torch.float32) * (1.0 / scale)) + zero_point
    return torch.clamp(steps, quant_min, quant_max).to(dtype)

def quantize_per_tensor_tensor(input, scale, zero_point, quant_min: int, quant_max: int, dtype: int):
    steps = torch.round(input.to(torch.float32) * (1.0 / float(scale))) + int(zero_point)
    return torch.clamp(steps, quant_min, quant_max).to(dtype)

def quantize_per_tensor_tensor2(input, scale, zero_point, quant_min, quant_max, dtype: int):
    steps = torch.round(input.to(torch.float32) * (1.0 / float(scale))) + int(zero_point)
    return torch.clamp(steps, int(quant_min), int(quant_max)).to(dtype)

def quantize_per_channel(input, scales, zero_points, axis: int, quant_min: int, quant_max: int, dtype: int):
    last = input.to(torch.float32).transpose(axis, -1)
    steps = torch.round(last * (1.0 / scales)) + zero_points
    return torch.clamp(steps, quant_min, quant_max).transpose(axis, -1).to(dtype)

def dequantize_per_tensor(input, scale: float, zero_point: int, low: int, high: int, dtype: int, out_dtype: int):
    return (input.to(out_dtype) - zero_point) * scale

def dequantize_per_tensor_tensor(input, scale, zero_point, low: int, high: int, dtype: int, out_dtype: int):
    return (input.to(out_dtype) - int(zero_point)) * float(scale)

def dequantize_per_tensor_tensor2(input, scale, zero_point, low, high, dtype: int, out_dtype: int):
    return (input.to(out_dtype) - int(zero_point)) * float(scale)

def dequantize_per_channel(input, scales, zero_points, axis: int, low: int, high: int, dtype: int, out_dtype: int):
    return ((input.to(out_dtype).transpose(axis, -1) - zero_points) * scales).transpose(axis, -1).to(out_dtype)

def dequantize_per_channel_symmetric(
    input, scales, zero_points: None, axis: int, low: int, high: int, dtype: int, out_dtype: int
):
    return (input.to(out_dtype).transpose(axis, -1) * scales).transpose(axis, -1).to(out_dtype)

def round_to_steps(input, scale: float, zero_point: int, quant_min: int, quant_max: int):
    steps = torch.round(input.to(torch.float32) * (1.0 / scale)) + zero_point
    return (torch.clamp(steps, quant_min, quant_max) - zero_point) * scale

def round_to_own_range(input, span: float, eps: float):
    low, high = torch.aminmax(input)
    low, high = torch.clamp(low, max=0), torch.clamp(high, min=0)
    scale = torch.clamp((high - low) / span, min=eps)
    zero_point = torch.clamp(-torch.round(low / scale), 0.0, span)
    inverse = (1.0 / scale.to(torch.double)).to(torch.float32)
    steps = torch.clamp(torch.round(input * inverse) + zero_point, 0.0, span)
    return (steps - zero_point) * scale

def choose_qparams_tensor(input, quant_min: int, quant_max: int, eps: float, dtype: int):
    low, high = torch.aminmax(input)
    low, high = torch.clamp(low, max=0), torch.clamp(high, min=0)
    scale = (high - low) / float(quant_max - quant_min)
    scale = torch.max(scale, torch.full([1], eps, dtype=torch.float32))
    zero_point = torch.clamp(quant_min - torch.round(low / scale).to(torch.int), quant_min, quant_max)
    return scale.to(torch.double), zero_point.to(torch.int64)

def choose_qparams_symmetric_tensor(input, quant_min: int, quant_max: int, eps: float, dtype: int):
    low, high = torch.aminmax(input)
    high = torch.max(-torch.clamp(low, max=0), torch.clamp(high, min=0))
    scale = high / (float(quant_max - quant_min) / 2)
    scale = torch.max(scale, torch.full([1], eps, dtype=torch.float32)).to(torch.double)
    return scale, torch.full([1], 128 if dtype == 0 else 0, dtype=torch.int64)
"""


@cache
def arithmetic_graphs() -> Mapping[str, torch._C.Graph]:
    """What the ops stand for as graphs, by their names and overloads."""
    unit = torch.jit.CompilationUnit(_SOURCE)
    names = [line.split("(")[0].removeprefix("def ") for line in _SOURCE.splitlines() if line.startswith("def ")]
    return {name: getattr(unit, name).graph for name in names}
