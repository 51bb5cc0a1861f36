"""Operations with several outputs, omitted inputs or referenced models, run through the interpreter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, Tensor
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    UNKNOWN_RANK,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    QuantParams,
    Reference,
)

F4 = OperandType.TENSOR_FLOAT32
F2 = OperandType.TENSOR_FLOAT16
I4 = OperandType.TENSOR_INT32
U1 = OperandType.TENSOR_QUANT8_ASYMM
I1 = OperandType.TENSOR_QUANT8_ASYMM_SIGNED

Output = OperandType | tuple[OperandType, float, int]
Input = Tensor | Reference | bool | int | float | None


def typed(kind: OperandType, array: object, scale: float = 0.0, zero_point: int = 0) -> Tensor:
    """An input tensor or scalar of any type."""
    return Tensor(kind, np.asarray(array, NUMPY_TYPES[kind]), QuantParams(scale, zero_point))


def compute_all(
    kind: str, *inputs: Input, outputs: Sequence[Output], referenced: tuple[Model, ...] = ()
) -> tuple[Array, ...]:
    """All outputs of an operation. Python numbers are scalars, None stands for an omitted input."""
    operands = [_operand(value) for value in inputs]
    count = len(inputs)
    for output in outputs:
        declared, scale, zero_point = output if isinstance(output, tuple) else (output, 0.0, 0)
        shape = UNKNOWN_RANK if declared.is_tensor else ()
        operands.append(Operand(declared, shape, Computed(), QuantParams(scale, zero_point)))
    model = Model(
        operands=tuple(operands),
        operations=(Operation(kind, tuple(range(count)), tuple(range(count, len(operands)))),),
        inputs=tuple(index for index, value in enumerate(inputs) if isinstance(value, Tensor)),
        outputs=tuple(range(count, len(operands))),
        referenced=referenced,
    )
    results = execute(model, [value.array for value in inputs if isinstance(value, Tensor)]).outputs
    return tuple(result.array for result in results)


def _operand(value: Input) -> Operand:
    match value:
        case None:
            return Operand(OperandType.TENSOR_FLOAT32, (0,), NoValue())
        case Reference():
            return Operand(OperandType.MODEL, (), value)
        case Tensor():
            return Operand(value.type, value.array.shape, ModelInput(), value.quant, value.channels)
        case bool() | int() | float():
            kind = {bool: OperandType.BOOL, int: OperandType.INT32, float: OperandType.FLOAT32}[type(value)]
            return Operand(kind, (), Immediate(np.asarray(value, NUMPY_TYPES[kind]).tobytes()), NOT_QUANTIZED)
