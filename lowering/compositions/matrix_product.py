"""Matrix products as rules write them: FULLY_CONNECTED on rows, one at a time or batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Recipe, full
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


def product_one_by_one(emit: Emitter, left: str, right: str, output: TensorSpec) -> OperandId:
    """The products of the matrices in two tensors with the same leading dimensions, each by a FULLY_CONNECTED."""
    *batches, rows, inner = emit.node.type_of(left).shape
    columns = emit.node.type_of(right).shape[-1]
    count = prod(batches)
    lefts = _matrices(emit, left, (count, rows, inner), is_turned=False)
    rights = _matrices(emit, right, (count, inner, columns), is_turned=True)
    return pair_products(emit, lefts, rights, zero_bias(emit, columns, left), output)


def pair_products(
    emit: Emitter, lefts: Sequence[OperandId], rights: Sequence[OperandId], bias: OperandId, output: TensorSpec
) -> OperandId:
    """Each left matrix times the transposed right one, one after another, in the shape of ``output``."""
    (rows, _), (columns, _) = emit.spec(lefts[0]).shape, emit.spec(rights[0]).shape
    piece = replace(output, shape=(rows, columns))
    pieces = [row_product(emit, a, b, bias, piece) for a, b in zip(lefts, rights, strict=True)]
    joined = replace(output, shape=(len(pieces) * rows, columns))
    whole = pieces[0] if len(pieces) == 1 else emit.operation("CONCATENATION", [*pieces, emit.int32(0)], joined)
    return reshaped(emit, whole, output.shape)


def _matrices(emit: Emitter, name: str, shape: tuple[int, int, int], *, is_turned: bool) -> list[OperandId]:
    """The matrices of a tensor argument in this shape, one after another, each transposed where ``is_turned``."""
    count, _, _ = shape
    if emit.node.is_constant(name):
        recipe: Recipe = emit.node.constant(name).reshape(*shape)
        recipe = recipe.transpose(1, 2) if is_turned else recipe
        emit.spare()
        return [emit.weight(recipe.select(0, index)) for index in range(count)]
    whole = reshaped(emit, emit.input(name), shape)
    if is_turned:
        whole = permuted(emit, whole, (0, 2, 1))
    return [matrix_at(emit, whole, index) for index in range(count)]


def matrix_at(emit: Emitter, whole: OperandId, index: int) -> OperandId:
    """Matrix number ``index`` of a tensor of rank 3."""
    _, *shape = emit.spec(whole).shape
    bounds = [(index, 0, 0), (index + 1, *shape), (1, 1, 1)]
    masks = [emit.int32(0), emit.int32(0), emit.int32(1)]  # The last one drops the first axis.
    inputs = [whole, *(emit.int32_tensor(bound) for bound in bounds), *masks]
    return emit.operation("STRIDED_SLICE", inputs, replace(emit.spec(whole), shape=tuple(shape)))
