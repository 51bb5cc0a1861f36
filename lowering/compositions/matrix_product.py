"""Matrix products as rules write them: FULLY_CONNECTED on rows."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


def reshaped(emit: Emitter, operand: OperandId, shape: tuple[int, ...]) -> OperandId:
    """An operand in another shape: itself where it has that shape."""
    spec = emit.spec(operand)
    if spec.shape == shape:
        return operand
    return emit.operation("RESHAPE", [operand, emit.int32_tensor(shape)], replace(spec, shape=shape))


def permuted(emit: Emitter, operand: OperandId, order: tuple[int, ...]) -> OperandId:
    """An operand with its dimensions in another order."""
    spec = emit.spec(operand)
    turned = replace(spec, shape=tuple(spec.shape[axis] for axis in order))
    return emit.operation("TRANSPOSE", [operand, emit.int32_tensor(order)], turned)


def zero_bias(emit: Emitter, units: int, like: str) -> OperandId:
    """A bias of zeros, of the element type of the tensor argument called ``like``."""
    return emit.weight(full((units,), 0.0, emit.node.type_of(like).dtype))


def row_product(emit: Emitter, x: OperandId, matrix: OperandId, bias: OperandId, output: TensorSpec) -> OperandId:
    """Rows of ``x`` times the transposed ``matrix``, as FULLY_CONNECTED; the result has the shape of ``output``.

    The RESHAPE before it is always written: some drivers compute wrong results where it is left out.
    """
    units, width = emit.spec(matrix).shape
    spec = emit.spec(x)
    rows = prod(spec.shape) // width
    flat = emit.operation("RESHAPE", [x, emit.int32_tensor((rows, width))], replace(spec, shape=(rows, width)))
    made = emit.operation(
        "FULLY_CONNECTED", [flat, matrix, bias, emit.activation()], replace(output, shape=(rows, units))
    )
    return reshaped(emit, made, output.shape)


def transposed_matrix(emit: Emitter, name: str) -> OperandId:
    """A matrix argument, transposed: by its recipe where it is constant, else by a TRANSPOSE."""
    if emit.node.is_constant(name):
        return emit.weight(emit.node.constant(name).transpose(0, 1))
    return permuted(emit, emit.input(name), (1, 0))
