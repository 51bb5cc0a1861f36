"""Models of one operation, run through the interpreter as any other model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, Tensor
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    UNKNOWN_RANK,
    ChannelQuantParams,
    Computed,
    Immediate,
    Model,
    ModelInput,
    Operand,
    Operation,
    QuantParams,
)

TENSOR_TYPES = {
    "f4": OperandType.TENSOR_FLOAT32,
    "f2": OperandType.TENSOR_FLOAT16,
    "i4": OperandType.TENSOR_INT32,
    "u1": OperandType.TENSOR_QUANT8_ASYMM,
    "i1": OperandType.TENSOR_QUANT8_ASYMM_SIGNED,
    "b1": OperandType.TENSOR_BOOL8,
}


def tensor(array: npt.ArrayLike, scale: float = 0.0, zero_point: int = 0) -> Tensor:
    """An input of the type that the array's elements suggest."""
    values = np.asarray(array)
    return Tensor(TENSOR_TYPES[values.dtype.str[1:]], values, QuantParams(scale, zero_point))


def per_channel(array: Array, scales: Sequence[float], channel_dim: int) -> Tensor:
    """A filter with one scale a channel."""
    kind = OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL
    return Tensor(kind, array, NOT_QUANTIZED, ChannelQuantParams(tuple(scales), channel_dim))


def compute(
    kind: str,
    *inputs: Tensor | bool | int | float,
    output: OperandType | None = None,
    quant: QuantParams | None = None,
) -> Array:
    """The only output of an operation. Python numbers are scalars; the output's type is input 0's unless given."""
    operands = [_operand(value) for value in inputs]
    first = next(value for value in inputs if isinstance(value, Tensor))
    operands.append(Operand(output or first.type, UNKNOWN_RANK, Computed(), quant or first.quant))
    last = len(inputs)
    given = [index for index, value in enumerate(inputs) if isinstance(value, Tensor)]
    model = Model(
        tuple(operands), (Operation(kind, tuple(range(last)), (last,)),), inputs=tuple(given), outputs=(last,)
    )
    return execute(model, [value.array for value in inputs if isinstance(value, Tensor)]).outputs[0].array


def _operand(value: Tensor | bool | int | float) -> Operand:
    if isinstance(value, Tensor):
        return Operand(value.type, value.array.shape, ModelInput(), value.quant, value.channels)
    kind = {bool: OperandType.BOOL, int: OperandType.INT32, float: OperandType.FLOAT32}[type(value)]
    return Operand(kind, (), Immediate(np.asarray(value, NUMPY_TYPES[kind]).tobytes()))


def random(*shape: int, seed: int = 7) -> npt.NDArray[np.float32]:
    """Normally distributed numbers, the same in every run."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def random_integers(low: int, high: int, *shape: int, dtype: str = "u1", seed: int = 7) -> Array:
    """Integers from ``low`` to ``high``, the latter not included, the same in every run."""
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def nhwc(values: torch.Tensor) -> Array:
    """PyTorch's layout turned into NNAPI's."""
    array: Array = np.ascontiguousarray(values.permute(0, 2, 3, 1).numpy())
    return array


def nchw(values: Array) -> torch.Tensor:
    """NNAPI's layout turned into PyTorch's."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, 3, 1)))


def assert_close(found: Array, expected: Array, rtol: float, atol: float = 0.0) -> None:
    """Fail unless shapes are equal and all numbers are within the tolerance."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol)
