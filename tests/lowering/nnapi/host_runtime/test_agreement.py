"""One truth: what is read and validated here loads in PyTorch's loader, and what is faulty does not."""

from __future__ import annotations

import random
import struct

import torch

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.nnapi.model import Buffer, Computed, Immediate, Model, ModelInput, Operand, Operation
from nnapi_check.lowering.nnapi.serialize import deserialize, serialize
from nnapi_check.lowering.nnapi.validation.validate import validate

TRIES = 600

FACTS = load_operations()
CODES = {name: facts.code for name, facts in FACTS.items()}
NAMES = {code: name for name, code in CODES.items()}
FLOATS = OperandType.TENSOR_FLOAT32
ODD_WORDS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 19, 22, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def model() -> Model:
    """Three operations over small weights in two buffers."""
    operands = (
        Operand(FLOATS, (2, 3), ModelInput()),
        Operand(FLOATS, (3,), Buffer(0, 4, 12)),
        Operand(OperandType.INT32, (), Immediate(struct.pack("<i", 1))),
        Operand(FLOATS, (2, 3), Computed()),
        Operand(FLOATS, (2, 3), Computed()),
        Operand(OperandType.TENSOR_INT32, (2,), Buffer(1, 0, 8)),
        Operand(FLOATS, (3, 2), Computed()),
    )
    operations = (
        Operation("ADD", (0, 1, 2), (3,)),
        Operation("RELU", (3,), (4,)),
        Operation("RESHAPE", (4, 5), (6,)),
    )
    return Model(operands, operations, (0,), (6,))


def buffers() -> list[torch.Tensor]:
    return [torch.arange(4, dtype=torch.float32), torch.tensor([3, 2], dtype=torch.int32)]


def loads_in_torch(data: bytes) -> bool:
    compilation = torch.classes._nnapi.Compilation()
    try:
        compilation.init(torch.frombuffer(bytearray(data), dtype=torch.int32), buffers())
    except RuntimeError:
        return False
    return True


def test_the_whole_model_loads(runtime: HostRuntime) -> None:
    assert loads_in_torch(serialize(model(), CODES))


def test_faults_are_found_here_and_by_pytorch_s_loader_alike(runtime: HostRuntime) -> None:
    source = random.Random(11)
    original = serialize(model(), CODES)
    held = [buffer.numpy().tobytes() for buffer in buffers()]
    verdicts = {True: 0, False: 0}
    for _ in range(TRIES):
        data = bytearray(original)
        changes = [(source.randrange(len(data) // 4), source.choice(ODD_WORDS)) for _ in range(source.randint(1, 2))]
        for place, word in changes:
            struct.pack_into("<I", data, 4 * place, word)
        read = deserialize(bytes(data), NAMES)
        if not isinstance(read, Model):
            continue
        faults = validate(read, FACTS, level=runtime.level, buffers=held).faults
        lie = [operand.source for operand in read.operands if isinstance(operand.source, Buffer)]
        is_valid = not faults and all(buffer.index < len(held) for buffer in lie)
        runtime.forget_faults()

        assert loads_in_torch(bytes(data)) == is_valid, (changes, faults, runtime.last_faults)

        verdicts[is_valid] += 1
    assert min(verdicts.values()) > 20, verdicts
