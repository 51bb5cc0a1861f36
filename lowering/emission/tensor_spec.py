"""What an operand's tensor is, which of them holds a PyTorch tensor, and how each stores numbers."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.graph import ElementType, NotQuantized, PerChannel, PerTensor, TensorType
from nnapi_check.analyzer.held_axes import held_shape
from nnapi_check.analyzer.nnapi_types import SIGNED_SHIFT, operand_type
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.stored_elements import ELEMENT_CODES, ELEMENT_STRUCTS
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED, ChannelQuantParams, QuantParams

# What is as large or larger rounds to infinity: half a step above the largest finite number.
_HALF_LIMIT = 65520.0
_FLOAT_LIMIT = (2.0 - 2.0**-24) * 2.0**127


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What an operand's tensor is: element type, dimensions in NNAPI's order, quantization."""

    type: OperandType
    shape: tuple[int, ...]
    quant: QuantParams = NOT_QUANTIZED
    channels: ChannelQuantParams | None = None


INT32_SCALAR = TensorSpec(OperandType.INT32, ())
"""A whole number that is no tensor."""


def spec_of(kind: TensorType, *, nhwc: bool) -> TensorSpec | None:
    """The operand that holds a PyTorch tensor, in NHWC order where asked for; None where NNAPI has none."""
    found = operand_type(kind)
    if found is None:
        return None
    quant, channels = _quant_params(kind)
    return TensorSpec(found, held_shape(kind.shape, nhwc=nhwc) or (1,), quant, channels)


def _quant_params(kind: TensorType) -> tuple[QuantParams, ChannelQuantParams | None]:
    """NNAPI's parameters for a PyTorch tensor, as ``nnapi_check.analyzer.nnapi_types`` says that it is held."""
    match kind.quant:
        case NotQuantized():
            return NOT_QUANTIZED, None
        case PerTensor(scale, zero_point):
            return QuantParams(scale, zero_point + (SIGNED_SHIFT if kind.dtype is ElementType.QINT8 else 0)), None
        case PerChannel(scales, _, axis):
            return NOT_QUANTIZED, ChannelQuantParams(scales, axis)


def packed_numbers(numbers: Sequence[float], kind: OperandType) -> bytes:
    """The bytes of stored numbers, one after another, little-endian."""
    return struct.pack(f"<{len(numbers)}{ELEMENT_CODES[kind]}", *numbers)


def unpacked_numbers(data: bytes, kind: OperandType) -> tuple[float, ...]:
    """The numbers that were packed."""
    return tuple(number for (number,) in ELEMENT_STRUCTS[kind].iter_unpack(data))


def stored_number(value: float, spec: TensorSpec) -> float:
    """A number as an operand of this type stores it; quantized types round to the nearest step."""
    match spec.type:
        case OperandType.TENSOR_INT32 | OperandType.INT32:
            return int(min(2**31 - 1, max(-(2**31), value)))
        case OperandType.TENSOR_BOOL8 | OperandType.BOOL:
            return bool(value)
        case OperandType.TENSOR_QUANT8_ASYMM:
            return min(255, max(0, round(value / spec.quant.scale) + spec.quant.zero_point))
        case OperandType.TENSOR_QUANT8_ASYMM_SIGNED:
            return min(127, max(-128, round(value / spec.quant.scale) + spec.quant.zero_point))
        case OperandType.TENSOR_FLOAT16 | OperandType.FLOAT16:
            return math.copysign(math.inf, value) if abs(value) >= _HALF_LIMIT else float(value)
        case _:
            return math.copysign(math.inf, value) if abs(value) >= _FLOAT_LIMIT else float(value)
