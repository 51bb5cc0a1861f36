"""Products of an image's axes with constant matrices: resizing and uneven pooling of any kind, exactly."""

from __future__ import annotations

from math import prod

import numpy as np

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.element_moves import reshaped, transposed
from nnapi_check.lowering.compositions.sampling import Matrix, matrix_recipe
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_TURN = (0, 3, 1, 2)
"""The order that brings the last axis of an image to its second place."""


def resample_image(emit: Emitter, x: OperandId, rows: Matrix, columns: Matrix) -> OperandId:
    """Multiply height by ``rows`` and width by ``columns``, each [output, input], of an operand in NHWC.

    Three turns of the axes by one place bring width, height and channels to the last place one after another.
    Emits TRANSPOSE, RESHAPE and FULLY_CONNECTED.
    """
    x = resample_last(emit, transposed(emit, x, _TURN), columns)
    x = resample_last(emit, transposed(emit, x, _TURN), rows)
    return transposed(emit, x, _TURN)


def resample_last(emit: Emitter, x: OperandId, matrix: Matrix) -> OperandId:
    """Multiply the last axis of an operand by a matrix [output, input]. Emits RESHAPE and FULLY_CONNECTED.

    An axis that stays as it is is left alone: multiplied, infinite elements would make their whole line undefined.
    """
    if np.array_equal(matrix, np.eye(len(matrix))):
        return x
    spec = emit.spec(x)
    wanted, size = matrix.shape
    made = emit.node.output_type()
    # Of a quantized tensor, the real numbers are multiplied.
    dtype = ElementType.FLOAT32 if made.is_quantized else made.dtype
    count = prod(spec.shape) // size
    inputs = [
        reshaped(emit, x, (count, size)),
        emit.weight(matrix_recipe(matrix, dtype)),
        emit.weight(full((wanted,), 0.0, dtype)),
        emit.fuse(),
    ]
    product = emit.operation("FULLY_CONNECTED", inputs, TensorSpec(spec.type, (count, wanted)))
    return reshaped(emit, product, (*spec.shape[:-1], wanted))
