"""Small models, built, compiled and run through NNAPI's C functions."""

from __future__ import annotations

import struct

import numpy as np

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import Array
from nnapi_check.lowering.nnapi.model import Computed, Immediate, Model, ModelInput, Operand, Operation, Reference
from tests.lowering.nnapi.host_runtime.client import Client

CODES = {name: facts.code for name, facts in load_operations().items()}
FLOATS = OperandType.TENSOR_FLOAT32
ROW = np.arange(6, dtype=np.float32).reshape(2, 3)


def sum_model(fuse_code: int = 0) -> Model:
    """x + c, with three operands of which the constant lies in the caller's memory."""
    return Model(
        operands=(
            Operand(FLOATS, (2, 3), ModelInput()),
            Operand(FLOATS, (2, 3), Immediate(struct.pack("<6f", *range(10, 16)))),
            Operand(OperandType.INT32, (), Immediate(struct.pack("<i", fuse_code))),
            Operand(FLOATS, (2, 3), Computed()),
        ),
        operations=(Operation("ADD", (0, 1, 2), (3,)),),
        inputs=(0,),
        outputs=(3,),
    )


def hard_swish_model() -> Model:
    """One HARD_SWISH, which feature level 4 brought."""
    operands = (Operand(FLOATS, (2, 3), ModelInput()), Operand(FLOATS, (2, 3), Computed()))
    return Model(operands, (Operation("HARD_SWISH", (0,), (1,)),), (0,), (1,))


def finish_and_free(client: Client, model: Model) -> None:
    """Build a model and finish it, whatever comes of that."""
    handle = client.build(model, CODES)
    try:
        client.call("Model_finish", handle)
    finally:
        client.free(models=[handle])


def run_once(client: Client, model: Model, inputs: list[Array | None], sizes: list[int]) -> list[Array]:
    """Build, compile and run a model; ``sizes`` are the bytes of its outputs."""
    handle = client.build(model, CODES)
    compilation = None
    try:
        client.call("Model_finish", handle)
        compilation = client.compile(handle)
        return client.execute(compilation, model, inputs, sizes)
    finally:
        client.free(models=[handle], compilations=[] if compilation is None else [compilation])


def counting_model(limit: float) -> Model:
    """A WHILE that adds 1 to its input until it reaches a limit, with two models of its own."""
    one = Operand(FLOATS, (1,), Immediate(struct.pack("<f", 1)))
    end = Operand(FLOATS, (1,), Immediate(struct.pack("<f", limit)))
    no_activation = Operand(OperandType.INT32, (), Immediate(struct.pack("<i", 0)))
    given, result = Operand(FLOATS, (1,), ModelInput()), Operand(FLOATS, (1,), Computed())
    truth = Operand(OperandType.TENSOR_BOOL8, (1,), Computed())
    condition = Model((given, end, truth), (Operation("LESS", (0, 1), (2,)),), (0,), (2,))
    body = Model((given, one, no_activation, result), (Operation("ADD", (0, 1, 2), (3,)),), (0,), (3,))
    references = tuple(Operand(OperandType.MODEL, (), Reference(number)) for number in range(2))
    operations = (Operation("WHILE", (0, 1, 2), (3,)),)
    return Model((*references, given, result), operations, (2,), (3,), referenced=(condition, body))
