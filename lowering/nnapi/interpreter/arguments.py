"""Reading the inputs of a call: required and optional tensors, and scalars as Python numbers."""

from __future__ import annotations

from nnapi_check.lowering.nnapi.interpreter.kernels import Call, ExecutionError, Tensor


def optional(call: Call, index: int) -> Tensor | None:
    """The input at ``index``, or None where it is omitted or left out at the end."""
    return call.inputs[index] if index < len(call.inputs) else None


def required(call: Call, index: int) -> Tensor:
    """The input at ``index``. Its absence is an execution error."""
    found = optional(call, index)
    if found is None:
        raise ExecutionError(f"input {index} is missing")
    return found


def int_at(call: Call, index: int, default: int | None = None) -> int:
    """The integer scalar at ``index``, or ``default`` where it is left out."""
    return int(_scalar(call, index, default))


def float_at(call: Call, index: int, default: float | None = None) -> float:
    """The floating point scalar at ``index``, or ``default`` where it is left out."""
    return float(_scalar(call, index, default))


def bool_at(call: Call, index: int, default: bool | None = None) -> bool:
    """The boolean scalar at ``index``, or ``default`` where it is left out."""
    return bool(_scalar(call, index, default))


def _scalar(call: Call, index: int, default: float | None) -> float:
    found = optional(call, index)
    if found is not None:
        if found.array.size != 1:
            raise ExecutionError(f"input {index} has {found.array.size} elements, wanted a scalar")
        value: float = found.array.item()
        return value
    if default is None:
        raise ExecutionError(f"input {index} is missing")
    return default
