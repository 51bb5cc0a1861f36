"""What happens to a tensor where it crosses from PyTorch to an NNAPI part, or back."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, PerTensor, TensorType

NNAPI_BORDER_TYPES = frozenset({ElementType.FLOAT32, ElementType.QUINT8, ElementType.INT32, ElementType.INT16})
"""What PyTorch Mobile's loader can hand to NNAPI, and take from it."""

_SCRIPT_NAMES = {
    ElementType.FLOAT32: "torch.float32",
    ElementType.FLOAT16: "torch.float16",
    ElementType.FLOAT64: "torch.float64",
    ElementType.BFLOAT16: "torch.bfloat16",
    ElementType.INT64: "torch.int64",
    ElementType.INT32: "torch.int32",
    ElementType.INT16: "torch.int16",
    ElementType.INT8: "torch.int8",
    ElementType.UINT8: "torch.uint8",
    ElementType.BOOL: "torch.bool",
    ElementType.QUINT8: "torch.quint8",
    ElementType.QINT8: "torch.qint8",
}

_SIGNED_SHIFT = 128


class BorderError(Exception):
    """A tensor cannot cross in this form: the message says what was found and what was wanted."""


@dataclass(frozen=True, slots=True)
class Border:
    """How one tensor crosses: its types on PyTorch's side and on NNAPI's, and the order of dimensions.

    ``value`` is the graph's value. ``nnapi`` has the operand's own dimensions, in NNAPI's order.
    ``permutation[i]`` is the dimension of PyTorch's tensor that stands at place ``i`` on NNAPI's side
    (``(0, 2, 3, 1)`` for NHWC); an empty one keeps PyTorch's order. Shapes may differ otherwise, as long as
    the elements are the same: a PyTorch scalar of rank 0 is ``[1]`` for NNAPI.
    """

    value: int
    torch: TensorType
    nnapi: TensorType
    permutation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.torch.dtype not in _SCRIPT_NAMES:
            raise BorderError(f"value {self.value}: PyTorch's side is {self.torch.dtype.value}, which cannot cross")
        if prod(self.torch.shape) != prod(self.nnapi.shape):
            raise BorderError(
                f"value {self.value}: {self.torch.shape} and {self.nnapi.shape} have different numbers of elements"
            )
        if self.permutation and sorted(self.permutation) != list(range(self.torch.rank)):
            raise BorderError(f"value {self.value}: {self.permutation} is no order of {self.torch.rank} dimensions")
        self._check_quantization()

    def _check_quantization(self) -> None:
        if self.is_plain:
            return
        quant, other = self.torch.quant, self.nnapi.quant
        if not isinstance(quant, PerTensor) or not isinstance(other, PerTensor):
            raise BorderError(f"value {self.value}: {quant} and {other} are not both quantized per tensor")
        shift = _SIGNED_SHIFT if self.is_signed_quantized else 0
        if self.torch.dtype not in (ElementType.QINT8, ElementType.QUINT8) or self.nnapi.dtype != ElementType.QUINT8:
            raise BorderError(f"value {self.value}: {self.torch.dtype.value} cannot cross as {self.nnapi.dtype.value}")
        if (quant.scale, quant.zero_point + shift) != (other.scale, other.zero_point):
            raise BorderError(
                f"value {self.value}: {quant} becomes {other}, wanted the same numbers shifted by {shift}"
            )

    def _demand_carried(self) -> None:
        """The loader carries fewer types than the interpreter, which runs parts with any."""
        if self.nnapi.dtype not in NNAPI_BORDER_TYPES:
            wanted = ", ".join(sorted(kind.value for kind in NNAPI_BORDER_TYPES))
            raise BorderError(f"value {self.value}: NNAPI's side is {self.nnapi.dtype.value}, wanted one of {wanted}")

    @property
    def is_plain(self) -> bool:
        """Whether neither side is quantized."""
        return self.torch.quant == NOT_QUANTIZED and self.nnapi.quant == NOT_QUANTIZED

    @property
    def is_signed_quantized(self) -> bool:
        """Whether PyTorch's side is signed and quantized, which NNAPI's side never is here."""
        return self.torch.dtype is ElementType.QINT8

    @property
    def permuted_shape(self) -> tuple[int, ...]:
        """PyTorch's dimensions in NNAPI's order."""
        return tuple(self.torch.shape[dim] for dim in self.permutation) if self.permutation else self.torch.shape

    def inward_source(self, name: str) -> str:
        """TorchScript that turns PyTorch's tensor ``name`` into what NNAPI takes, contiguous."""
        self._demand_carried()
        source = name
        if self.is_signed_quantized:
            source = self._requantized(source, ElementType.UINT8, _SIGNED_SHIFT, self.nnapi)
        if self._moves():
            source += f".permute({_list(self.permutation)})"
        if self.permuted_shape != self.nnapi.shape:
            source += f".reshape({_list(self.nnapi.shape)})"
        if self.is_plain and self.torch.dtype is not self.nnapi.dtype:
            source += f".to({_SCRIPT_NAMES[self.nnapi.dtype]})"
        return f"{source}.contiguous()"

    def outward_source(self, name: str) -> str:
        """TorchScript that turns NNAPI's tensor ``name`` into what PyTorch would have computed, contiguous."""
        self._demand_carried()
        source = name
        if self.permuted_shape != self.nnapi.shape:
            source += f".reshape({_list(self.permuted_shape)})"
        if self._moves():
            inverse = tuple(self.permutation.index(dim) for dim in range(len(self.permutation)))
            # CPU parts may take a view, which only a contiguous tensor is sure to allow.
            source += f".permute({_list(inverse)}).contiguous()"
        if self.is_plain and self.torch.dtype is not self.nnapi.dtype:
            source += f".to({_SCRIPT_NAMES[self.torch.dtype]})"
        if self.is_signed_quantized:
            source = self._requantized(source, ElementType.INT8, -_SIGNED_SHIFT, self.torch)
        return source

    def template_source(self) -> str:
        """TorchScript that makes an empty tensor for NNAPI to fill."""
        self._demand_carried()
        match self.nnapi.quant:
            case PerTensor(scale, zero_point):
                return (
                    f"torch._empty_affine_quantized({_list(self.nnapi.shape)}, dtype=torch.quint8, "
                    f"scale={scale!r}, zero_point={zero_point})"
                )
            case _:
                return f"torch.empty({_list(self.nnapi.shape)}, dtype={_SCRIPT_NAMES[self.nnapi.dtype]})"

    def _moves(self) -> bool:
        return self.permutation != () and self.permutation != tuple(range(len(self.permutation)))

    def _requantized(self, source: str, stored: ElementType, shift: int, to: TensorType) -> str:
        match to.quant:
            case PerTensor(scale, zero_point):
                integers = f"{source}.int_repr().to(torch.int16).add({shift}).to({_SCRIPT_NAMES[stored]})"
                return f"torch._make_per_tensor_quantized_tensor({integers}, {scale!r}, {zero_point})"
            case other:
                raise BorderError(f"value {self.value}: {other} is not quantized per tensor")


def _list(numbers: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, numbers))}]"
