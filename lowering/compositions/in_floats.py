"""Between stored integers and floats, and through floats between unsigned and signed integers: DEQUANTIZE, QUANTIZE."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.analyzer.nnapi_types import SIGNED_SHIFT
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.tensor_spec import TensorSpec
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED, QuantParams


def as_floats(spec: TensorSpec) -> TensorSpec:
    """The same tensor as floats."""
    return replace(spec, type=OperandType.TENSOR_FLOAT32, quant=NOT_QUANTIZED)


def dequantized(emit: Emitter, x: OperandId) -> OperandId:
    """The real numbers of a quantized operand."""
    return emit.operation("DEQUANTIZE", [x], as_floats(emit.spec(x)))


def quantized(emit: Emitter, x: OperandId) -> OperandId:
    """Real numbers rounded to the steps of the node's output."""
    return emit.operation("QUANTIZE", [x], replace(emit.output_spec(), shape=emit.spec(x).shape))


def as_signed(spec: TensorSpec) -> TensorSpec:
    """The quantized tensor with the same real numbers, of signed integers."""
    quant = QuantParams(spec.quant.scale, spec.quant.zero_point - SIGNED_SHIFT)
    return replace(spec, type=OperandType.TENSOR_QUANT8_ASYMM_SIGNED, quant=quant)


def signed(emit: Emitter, x: OperandId) -> OperandId:
    """The same numbers as signed integers. No rounding is in it: floats hold each exactly enough to find its step."""
    return emit.operation("QUANTIZE", [dequantized(emit, x)], as_signed(emit.spec(x)))


def unsigned(emit: Emitter, x: OperandId) -> OperandId:
    """Signed integers as the node's output, which is unsigned."""
    return quantized(emit, dequantized(emit, x))
