"""PyTorch's element types and tensors as types of the captured graph, and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import torch

from nnapi_check.analyzer.graph import (
    NOT_QUANTIZED,
    ElementType,
    NotQuantized,
    PerChannel,
    PerTensor,
    Quantization,
    TensorType,
)

_BY_DTYPE: dict[torch.dtype, ElementType] = {
    torch.float32: ElementType.FLOAT32,
    torch.float16: ElementType.FLOAT16,
    torch.float64: ElementType.FLOAT64,
    torch.bfloat16: ElementType.BFLOAT16,
    torch.int64: ElementType.INT64,
    torch.int32: ElementType.INT32,
    torch.int16: ElementType.INT16,
    torch.int8: ElementType.INT8,
    torch.uint8: ElementType.UINT8,
    torch.bool: ElementType.BOOL,
    torch.quint8: ElementType.QUINT8,
    torch.qint8: ElementType.QINT8,
    torch.qint32: ElementType.QINT32,
    torch.complex64: ElementType.COMPLEX64,
    torch.complex128: ElementType.COMPLEX128,
}
_BY_ELEMENT = {element: dtype for dtype, element in _BY_DTYPE.items()}

# c10::ScalarType, which is how TorchScript writes an element type.
_BY_NUMBER: tuple[torch.dtype | None, ...] = (
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
    None,
    torch.complex64,
    torch.complex128,
    torch.bool,
    torch.qint8,
    torch.quint8,
    torch.qint32,
    torch.bfloat16,
)

# Besides those that Python has names for there is one, for no type.
_GREATEST_NUMBER = len({item for item in vars(torch).values() if isinstance(item, torch.dtype)})


def element_type(dtype: torch.dtype) -> ElementType:
    """The element type of the graph for one of PyTorch's; ``OTHER`` where there is none."""
    return _BY_DTYPE.get(dtype, ElementType.OTHER)


def torch_dtype(element: ElementType) -> torch.dtype:
    """PyTorch's element type for one of the graph's, which must not be ``OTHER``."""
    return _BY_ELEMENT[element]


def dtype_of_number(number: int) -> torch.dtype | None:
    """The element type that TorchScript writes as ``number``, or None where it is none of ours."""
    return _BY_NUMBER[number] if 0 <= number < len(_BY_NUMBER) else None


def names_dtype(number: int) -> bool:
    """Whether PyTorch may have an element type that TorchScript writes so: kernels read anything for other numbers."""
    return 0 <= number <= _GREATEST_NUMBER


def number_of_dtype(dtype: torch.dtype) -> int | None:
    """The number that TorchScript writes for an element type, or None where it is none of ours."""
    return _BY_NUMBER.index(dtype) if dtype in _BY_NUMBER else None


def tensor_type(tensor: torch.Tensor) -> TensorType:
    """The type of a tensor, quantization included."""
    quant = quantization(tensor) if tensor.is_quantized else NOT_QUANTIZED
    return TensorType(element_type(tensor.dtype), tuple(tensor.shape), quant)


def quantization(tensor: torch.Tensor) -> Quantization:
    """The quantization parameters of a quantized tensor."""
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return PerTensor(tensor.q_scale(), tensor.q_zero_point())
    return PerChannel(
        tuple(tensor.q_per_channel_scales().tolist()),
        tuple(int(zero) for zero in tensor.q_per_channel_zero_points().tolist()),
        tensor.q_per_channel_axis(),
    )


def empty_like_type(type_: TensorType, *, device: str) -> torch.Tensor:
    """A tensor of this type without defined elements: on ``meta``, or on the CPU where it is quantized."""
    dtype = torch_dtype(type_.dtype)
    match type_.quant:
        case NotQuantized():
            return torch.empty(type_.shape, dtype=dtype, device=device)
        case PerTensor(scale, zero_point):
            return torch._empty_affine_quantized(type_.shape, scale=scale, zero_point=zero_point, dtype=dtype)
        case PerChannel(scales, zero_points, axis):
            return torch._empty_per_channel_affine_quantized(
                type_.shape,
                scales=torch.tensor(scales, dtype=torch.float64),
                zero_points=torch.tensor(zero_points),
                axis=axis,
                dtype=dtype,
            )


def random_tensor(type_: TensorType, generator: torch.Generator) -> torch.Tensor:
    """A tensor of this type with random elements: normal floats, small non-negative integers, fair booleans."""
    dtype = torch_dtype(type_.dtype)
    match type_.quant:
        case PerTensor(scale, zero_point):
            floats = torch.randn(type_.shape, generator=generator) * scale * 40
            return torch.quantize_per_tensor(floats, scale, zero_point, dtype)
        case PerChannel(scales, zero_points, axis):
            floats = torch.randn(type_.shape, generator=generator)
            return torch.quantize_per_channel(floats, torch.tensor(scales), torch.tensor(zero_points), axis, dtype)
        case NotQuantized():
            pass
    if dtype is torch.bool:
        return torch.rand(type_.shape, generator=generator) < 0.5
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(type_.shape, generator=generator).to(dtype)
    return torch.randint(0, 10, type_.shape, generator=generator).to(dtype)


def reach_of(tensor: torch.Tensor) -> float | None:
    """The greatest magnitude in a vector of floats; None of what is none, has no elements, or keeps none."""
    is_vector = tensor.dim() == 1 and tensor.dtype is torch.float32 and tensor.numel() > 0
    return float(tensor.abs().max()) if is_vector and not tensor.is_meta else None


def is_strided(tensor: torch.Tensor) -> bool:
    """Whether a tensor's elements lie in one storage, by strides."""
    return tensor.layout is torch.strided and not tensor.is_nested


def lie_alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors of one shape have the same strides, of which those of single places say nothing."""
    pairs = zip(first.stride(), second.stride(), strict=True)
    return all(size == 1 or one == other for size, (one, other) in zip(first.shape, pairs, strict=True))


def flat_tensors(found: object) -> tuple[torch.Tensor, ...]:
    """Every tensor in nested lists, tuples, dictionaries and dataclasses, in order."""
    match found:
        case torch.Tensor():
            return (found,)
        case list() | tuple():
            return tuple(tensor for item in found for tensor in flat_tensors(item))
        case dict():
            return tuple(tensor for item in found.values() for tensor in flat_tensors(item))
        case _ if is_dataclass(found) and not isinstance(found, type):
            return tuple(tensor for field in fields(found) for tensor in flat_tensors(getattr(found, field.name)))
        case _:
            return ()
