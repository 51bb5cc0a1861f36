"""The interface between the interpreter and its kernels, and the table of kernels filled at import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import NOT_QUANTIZED, ChannelQuantParams, Operand, QuantParams

Array = npt.NDArray[np.generic]

NUMPY_TYPES: dict[OperandType, np.dtype[np.generic]] = {
    OperandType.FLOAT32: np.dtype("<f4"),
    OperandType.INT32: np.dtype("<i4"),
    OperandType.UINT32: np.dtype("<u4"),
    OperandType.TENSOR_FLOAT32: np.dtype("<f4"),
    OperandType.TENSOR_INT32: np.dtype("<i4"),
    OperandType.TENSOR_QUANT8_ASYMM: np.dtype("u1"),
    OperandType.BOOL: np.dtype("?"),
    OperandType.TENSOR_QUANT16_SYMM: np.dtype("<i2"),
    OperandType.TENSOR_FLOAT16: np.dtype("<f2"),
    OperandType.TENSOR_BOOL8: np.dtype("?"),
    OperandType.FLOAT16: np.dtype("<f2"),
    OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL: np.dtype("i1"),
    OperandType.TENSOR_QUANT16_ASYMM: np.dtype("<u2"),
    OperandType.TENSOR_QUANT8_SYMM: np.dtype("i1"),
    OperandType.TENSOR_QUANT8_ASYMM_SIGNED: np.dtype("i1"),
}
"""The stored representation of every element type."""


class ExecutionError(Exception):
    """The model is legal, but these inputs cannot be computed: the message names operation, found and wanted."""


class LoopTimeoutError(ExecutionError):
    """A loop runs for longer than it may."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value at execution, in its stored representation: quantized types hold integers. Scalars have rank 0."""

    type: OperandType
    array: Array
    quant: QuantParams = NOT_QUANTIZED
    channels: ChannelQuantParams | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One operation about to run.

    ``inputs`` holds None for an omitted input; trailing inputs may be missing altogether. ``outputs`` are the
    declared operands: their type and quantization are binding, their shape may have unspecified dimensions.
    ``run`` executes a referenced model (IF, WHILE): its index, its inputs, giving its outputs.
    ``references`` holds, for each input, the index of the model it refers to, or None. ``loop_seconds`` is how long the
    caller lets a loop run.
    """

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Operand, ...]
    references: tuple[int | None, ...]
    run: Callable[[int, Sequence[Tensor]], tuple[Tensor, ...]]
    loop_seconds: float


Kernel = Callable[[Call], Sequence[Array]]

KERNELS: dict[str, Kernel] = {}


def kernel(*kinds: str) -> Callable[[Kernel], Kernel]:
    """Register a function as the kernel of the named operations. It returns one array an output, stored form."""

    def register(function: Kernel) -> Kernel:
        for kind in kinds:
            if kind in KERNELS:
                raise ValueError(f"{kind}: two kernels are registered")
            KERNELS[kind] = function
        return function

    return register
