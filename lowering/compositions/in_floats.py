"""Quantized ops computed in floats: DEQUANTIZE before, QUANTIZE after."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.tensor_spec import TensorSpec
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED


def as_floats(spec: TensorSpec) -> TensorSpec:
    """The same tensor as floats."""
    return replace(spec, type=OperandType.TENSOR_FLOAT32, quant=NOT_QUANTIZED)


def dequantized(emit: Emitter, x: OperandId) -> OperandId:
    """The real numbers of a quantized operand."""
    return emit.operation("DEQUANTIZE", [x], as_floats(emit.spec(x)))


def quantized(emit: Emitter, x: OperandId) -> OperandId:
    """Real numbers rounded to the steps of the node's output."""
    return emit.operation("QUANTIZE", [x], replace(emit.output_spec(), shape=emit.spec(x).shape))
