"""Running a lowered part in the interpreter, on PyTorch's tensors: for comparing its numbers with PyTorch's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from nnapi_check.analyzer.graph import ElementType, Graph, NotQuantized, PerTensor, TensorType
from nnapi_check.analyzer.nnapi_types import SIGNED_SHIFT
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.execute import prepare
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array
from nnapi_check.lowering.nnapi.model import Operand
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.part_borders import border_of, permutation_of, torch_type
from nnapi_check.lowering.packaging.recipe_torch import TensorOf, evaluate, stored
from nnapi_check.lowering.part_lowering import LoweredPart


@dataclass(frozen=True, slots=True)
class PartRun:
    """What a part computed: its outputs, and the held values that were asked for, as PyTorch has them, by value id."""

    outputs: Mapping[int, torch.Tensor]
    held: Mapping[int, torch.Tensor]


def run_part(
    lowered: LoweredPart,
    graph: Graph,
    inputs: Mapping[int, torch.Tensor],
    tensor_of: TensorOf,
    *,
    keep: Collection[int] = (),
) -> PartRun:
    """Run a part in the interpreter. ``inputs`` are PyTorch's tensors by value id, ``keep`` value ids to return."""
    buffers = [stored(evaluate(recipe, tensor_of)) for recipe in lowered.buffers]
    arrays = [inward(inputs[holder.value], border_of(holder, lowered, graph)) for holder in lowered.inputs]
    held = [holder for holder in lowered.held if holder.value in keep]
    execution = prepare(lowered.model, buffers).run(arrays, keep={holder.operand for holder in held})
    return PartRun(
        outputs={
            holder.value: outward(tensor.array, torch_type(holder, graph), permutation_of(holder, graph))
            for holder, tensor in zip(lowered.outputs, execution.outputs, strict=True)
        },
        held={
            holder.value: outward(
                execution.kept[holder.operand].array, torch_type(holder, graph), permutation_of(holder, graph)
            )
            for holder in held
        },
    )


def inward(tensor: torch.Tensor, border: Border) -> Array:
    """PyTorch's tensor as the operand of a border, in stored form."""
    array = stored(tensor)
    if border.is_signed_quantized:
        array = (array.astype(np.int16) + SIGNED_SHIFT).astype(np.uint8)
    if border.permutation:
        array = array.transpose(border.permutation)
    dtype = array.dtype if isinstance(border.nnapi.quant, PerTensor) else _NUMPY[border.nnapi.dtype.value]
    return np.ascontiguousarray(array.reshape(border.nnapi.shape).astype(dtype))


def as_computed(operand: Operand, tensor: torch.Tensor, permutation: tuple[int, ...]) -> Array:
    """PyTorch's quantized tensor as the operand that holds it would be computed."""
    array = stored(tensor)
    if tensor.dtype is torch.qint8 and operand.type is OperandType.TENSOR_QUANT8_ASYMM:
        array = array.astype(np.int16) + SIGNED_SHIFT
    array = array.transpose(permutation or tuple(range(array.ndim)))
    shape = [size for size in operand.shape if isinstance(size, int)] if isinstance(operand.shape, tuple) else []
    return np.ascontiguousarray(array, NUMPY_TYPES[operand.type]).reshape(shape)


def outward(array: Array, kind: TensorType, permutation: tuple[int, ...]) -> torch.Tensor:
    """An operand's stored form as PyTorch's tensor of type ``kind``; ``permutation`` is as in ``Border``."""
    order = permutation or tuple(range(kind.rank))
    array = array.reshape([kind.shape[axis] for axis in order])
    # Made contiguous, an array of rank 0 would get a dimension.
    array = np.ascontiguousarray(array.transpose([order.index(axis) for axis in range(kind.rank)])).reshape(kind.shape)
    match kind.quant:
        case NotQuantized():
            return torch.from_numpy(array.astype(_NUMPY[kind.dtype.value]))
        case PerTensor(scale, zero_point):
            is_signed = kind.dtype is ElementType.QINT8
            shifted = (array.astype(np.int16) - SIGNED_SHIFT).astype(np.int8) if is_signed else array
            # Arithmetic turns an array of rank 0 into a number.
            numbers = torch.from_numpy(np.asarray(shifted))
            return torch._make_per_tensor_quantized_tensor(numbers, scale, zero_point)
        case quant:
            raise TypeError(f"a value is quantized as {quant}, per tensor was wanted")


_NUMPY: dict[str, np.dtype[np.generic]] = {
    "f32": np.dtype("f4"),
    "f16": np.dtype("f2"),
    "f64": np.dtype("f8"),
    "i64": np.dtype("i8"),
    "i32": np.dtype("i4"),
    "i16": np.dtype("i2"),
    "bool": np.dtype("?"),
}
