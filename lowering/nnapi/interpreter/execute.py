"""Running a model: constants are decoded once, operations run in order, temporaries are freed after their last use."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi import interpreter
from nnapi_check.lowering.nnapi.interpreter.kernels import KERNELS, NUMPY_TYPES, Array, Call, ExecutionError, Tensor
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Immediate,
    Model,
    NoValue,
    Operand,
    Reference,
    Shape,
    UnknownRank,
    Unspecified,
)

for _module in pkgutil.iter_modules(interpreter.__path__):
    importlib.import_module(f"{interpreter.__name__}.{_module.name}")

BufferData = bytes | memoryview | Array
"""What a numbered buffer may be: its bytes, or an array that holds them."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run computed: the model's outputs in order, and the operands that were asked to be kept."""

    outputs: tuple[Tensor, ...]
    kept: Mapping[int, Tensor]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model whose constants are decoded. It may run any number of times, with inputs of different shapes.

    ``last_uses`` holds, for each operation, the temporaries that nothing needs after it.
    """

    model: Model
    constants: Mapping[int, Tensor]
    last_uses: tuple[tuple[int, ...], ...]
    referenced: tuple[Prepared, ...]

    def run(
        self,
        inputs: Sequence[Array | None],
        *,
        keep: Collection[int] = (),
        instead: Mapping[int, Array] | None = None,
        loop_seconds: float = math.inf,
        in_half: bool = False,
    ) -> Execution:
        """Compute the outputs. None stands for an omitted input; ``keep`` names operands to return as well.

        ``instead`` has arrays that later operations read in the place of what the model itself computes for an operand.

        With ``in_half`` a relaxed model is computed as a driver may that has float16 only: every float32 tensor that is
        given, stored or computed is rounded to float16. Sums inside an operation are those of float32 all the same, and
        without ``in_half`` a relaxed model is computed like any other.
        Raises ``LoopTimeoutError`` for a loop that runs for longer than ``loop_seconds``, or endlessly. The outputs'
        arrays are the caller's: contiguous, writeable and shared with nothing.
        """
        if len(inputs) != len(self.model.inputs):
            raise ExecutionError(f"{len(inputs)} inputs are given, wanted {len(self.model.inputs)}")
        tensors = [
            None if array is None else _typed(array, self.model.operands[index], f"input {position}")
            for position, (index, array) in enumerate(zip(self.model.inputs, inputs, strict=True))
        ]
        with np.errstate(all="ignore"):
            limits = _Limits(in_half and self.model.relaxed, loop_seconds, instead or {})
            execution = _run(self, tensors, self.referenced, frozenset(keep), limits)
        outputs = tuple(replace(tensor, array=_owned(tensor.array, inputs)) for tensor in execution.outputs)
        return replace(execution, outputs=outputs)


@dataclass(frozen=True, slots=True)
class _Limits:
    """What holds for a main model and all that it refers to."""

    is_half: bool
    loop_seconds: float
    instead: Mapping[int, Array]


def prepare(model: Model, buffers: Sequence[BufferData] = ()) -> Prepared:
    """Decode the constants of a model and plan the lifetime of its temporaries."""
    data = [_as_bytes(buffer) for buffer in buffers]
    return _prepare(model, data)


def execute(
    model: Model, inputs: Sequence[Array | None], buffers: Sequence[BufferData] = (), *, keep: Collection[int] = ()
) -> Execution:
    """Run a model once."""
    return prepare(model, buffers).run(inputs, keep=keep)


def _owned(array: Array, inputs: Sequence[Array | None]) -> Array:
    """The array, or a copy where it is a view, a constant or one of the caller's own."""
    flags = array.flags
    is_own = flags.owndata and flags.c_contiguous and flags.writeable
    return array if is_own and not any(array is given for given in inputs) else array.copy(order="C")


def _as_bytes(buffer: BufferData) -> memoryview:
    if isinstance(buffer, np.ndarray):
        return np.ascontiguousarray(buffer).reshape(-1).view(np.uint8).data
    return memoryview(buffer).cast("B")


def _prepare(model: Model, buffers: Sequence[memoryview]) -> Prepared:
    constants = {
        index: _decode(operand, buffers, f"operand {index}")
        for index, operand in enumerate(model.operands)
        if operand.is_constant
    }
    return Prepared(
        model=model,
        constants=constants,
        last_uses=_plan_last_uses(model),
        referenced=tuple(_prepare(referenced, buffers) for referenced in model.referenced),
    )


def _plan_last_uses(model: Model) -> tuple[tuple[int, ...], ...]:
    last: dict[int, int] = {}
    for position, operation in enumerate(model.operations):
        last.update(dict.fromkeys((*operation.inputs, *operation.outputs), position))
    permanent = set(model.outputs) | {index for index, operand in enumerate(model.operands) if operand.is_constant}
    ending: list[list[int]] = [[] for _ in model.operations]
    for index, position in last.items():
        if index not in permanent:
            ending[position].append(index)
    return tuple(tuple(indices) for indices in ending)


def _decode(operand: Operand, buffers: Sequence[memoryview], name: str) -> Tensor:
    dtype = NUMPY_TYPES.get(operand.type)
    shape = operand.shape
    if dtype is None or isinstance(shape, UnknownRank) or any(isinstance(size, Unspecified) for size in shape):
        raise ExecutionError(f"{name} is a constant of type {operand.type.name} and shape {_written(shape)}")
    dims = tuple(size for size in shape if isinstance(size, int))
    data = _constant_bytes(operand, buffers, name)
    if data.nbytes != math.prod(dims) * dtype.itemsize:
        raise ExecutionError(f"{name} has {data.nbytes} bytes, wanted {math.prod(dims) * dtype.itemsize}")
    if dtype.kind == "b":
        # Any byte but 0 is true; NumPy's own view would keep the odd bytes.
        array: Array = (np.frombuffer(data, np.uint8) != 0).reshape(dims)
    else:
        array = np.frombuffer(data, dtype).reshape(dims)
    return Tensor(operand.type, array, operand.quant, operand.channels)


def _constant_bytes(operand: Operand, buffers: Sequence[memoryview], name: str) -> memoryview:
    match operand.source:
        case Immediate(data):
            return memoryview(data)
        case Buffer(index, offset, length):
            if index >= len(buffers) or offset + length > buffers[index].nbytes:
                raise ExecutionError(f"{name} lies outside the numbered buffers that are given")
            return buffers[index][offset : offset + length]
        case source:
            raise ExecutionError(f"{name} is no constant, but {type(source).__name__}")


def _typed(array: Array, operand: Operand, name: str) -> Tensor:
    """Check a value against its declaration and give it the declared type."""
    wanted = NUMPY_TYPES.get(operand.type)
    if array.dtype != wanted:
        raise ExecutionError(f"{name} has elements of type {array.dtype}, wanted {wanted} for {operand.type.name}")
    if not _fits(array.shape, operand.shape):
        raise ExecutionError(f"{name} has shape {array.shape}, wanted {_written(operand.shape)}")
    return Tensor(operand.type, array, operand.quant, operand.channels)


def _fits(found: tuple[int, ...], declared: Shape) -> bool:
    if isinstance(declared, UnknownRank):
        return True
    if len(found) != len(declared):
        return False
    return all(isinstance(wanted, Unspecified) or size == wanted for size, wanted in zip(found, declared, strict=True))


def _written(shape: Shape) -> str:
    if isinstance(shape, UnknownRank):
        return "(unknown rank)"
    return "(" + ", ".join("?" if isinstance(size, Unspecified) else str(size) for size in shape) + ")"


def _run(
    prepared: Prepared,
    inputs: Sequence[Tensor | None],
    referenced: tuple[Prepared, ...],
    keep: frozenset[int],
    limits: _Limits,
) -> Execution:
    model = prepared.model
    values: dict[int, Tensor | None] = dict(prepared.constants)
    values.update(zip(model.inputs, inputs, strict=True))
    if limits.is_half:
        values = {index: None if value is None else _halved(value) for index, value in values.items()}
    kept = {index: tensor for index in keep if (tensor := values.get(index)) is not None}

    def run(index: int, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return _run_referenced(referenced, index, arguments, limits)

    for position, operation in enumerate(model.operations):
        name = f"operation {position} {operation.kind}"
        call = Call(
            kind=operation.kind,
            inputs=tuple(_value(model, values, index, name) for index in operation.inputs),
            outputs=tuple(model.operands[index] for index in operation.outputs),
            references=tuple(_reference(model.operands[index]) for index in operation.inputs),
            run=run,
            loop_seconds=limits.loop_seconds,
        )
        results = _apply(call, name)
        if limits.is_half:
            results = tuple(_halved(result) for result in results)
        values.update(zip(operation.outputs, results, strict=True))
        kept.update({index: result for index, result in zip(operation.outputs, results, strict=True) if index in keep})
        for index, result in zip(operation.outputs, results, strict=True):
            if index in limits.instead:
                values[index] = replace(result, array=limits.instead[index])
        # The call holds its inputs: without this they would live on while the next operation runs.
        del call, results
        for index in prepared.last_uses[position]:
            values.pop(index, None)
    outputs = tuple(_present(values.get(index), f"output {index} of the model") for index in model.outputs)
    return Execution(outputs, kept)


def _run_referenced(
    referenced: tuple[Prepared, ...], index: int, arguments: Sequence[Tensor], limits: _Limits
) -> tuple[Tensor, ...]:
    if not 0 <= index < len(referenced):
        raise ExecutionError(f"referenced model {index} does not exist")
    prepared = referenced[index]
    if len(arguments) != len(prepared.model.inputs):
        raise ExecutionError(
            f"referenced model {index} is given {len(arguments)} inputs, wanted {len(prepared.model.inputs)}"
        )
    typed = [
        _typed(argument.array, prepared.model.operands[operand], f"input {position} of referenced model {index}")
        for position, (operand, argument) in enumerate(zip(prepared.model.inputs, arguments, strict=True))
    ]
    return _run(prepared, typed, referenced, frozenset(), replace(limits, instead={})).outputs


def _halved(tensor: Tensor) -> Tensor:
    """A float32 tensor as float16 holds it; any other as it is."""
    if tensor.type is not OperandType.TENSOR_FLOAT32:
        return tensor
    return replace(tensor, array=tensor.array.astype(np.float16).astype(np.float32))


def _value(model: Model, values: Mapping[int, Tensor | None], index: int, name: str) -> Tensor | None:
    if index in values:
        return values[index]
    if isinstance(model.operands[index].source, NoValue | Reference):
        return None
    raise ExecutionError(f"{name}: operand {index} has no value yet")


def _present(tensor: Tensor | None, name: str) -> Tensor:
    if tensor is None:
        raise ExecutionError(f"{name} is computed by no operation")
    return tensor


def _reference(operand: Operand) -> int | None:
    return operand.source.model if isinstance(operand.source, Reference) else None


def _apply(call: Call, name: str) -> tuple[Tensor, ...]:
    """Run one kernel and hold its results against what the model declares."""
    compute = KERNELS.get(call.kind)
    if compute is None:
        raise ExecutionError(f"{name}: the interpreter has no kernel for it")
    try:
        arrays = [np.asarray(array) for array in compute(call)]
    except ExecutionError as error:
        raise type(error)(f"{name}: {error}") from error
    except (ArithmeticError, IndexError, MemoryError, TypeError, ValueError) as error:
        raise ExecutionError(f"{name}: {type(error).__name__}: {error}") from error
    if len(arrays) != len(call.outputs):
        raise ExecutionError(f"{name}: {len(arrays)} outputs were computed, the model declares {len(call.outputs)}")
    return tuple(
        _typed(array, operand, f"{name}: output {position}")
        for position, (array, operand) in enumerate(zip(arrays, call.outputs, strict=True))
    )
