"""Break serialized models at random and demand an answer, quickly and without large allocations.

    python benchmarks/fuzz_serialized.py [tries] [seed]

Every try changes bytes, words or the length of a model. The run fails on an exception, on a try that takes over
a second, and on memory that grows beyond a small multiple of the largest input.
"""

from __future__ import annotations

import random
import struct
import sys
import time
import tracemalloc

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import Buffer, Computed, Immediate, Model, ModelInput, Operand, Operation
from nnapi_check.lowering.nnapi.serialize import Malformed, deserialize, serialize

TRIES = 100_000
SLOWEST_SECONDS = 1.0
MEMORY_FACTOR = 20
ODD_WORDS = (0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 24) - 1, 1 << 24, 0x3FFFFFFF, 0x40000000)


def chain(length: int) -> Model:
    """A model of ``length`` operations, each of which adds a weight to the last one's result."""
    operands = [
        Operand(OperandType.TENSOR_FLOAT32, (2, 3, 5, 7), ModelInput()),
        Operand(OperandType.INT32, (), Immediate(struct.pack("<i", 0))),
        Operand(OperandType.BOOL, (), Immediate(b"\0")),
    ]
    operations = []
    last = 0
    for position in range(length):
        operands.append(Operand(OperandType.TENSOR_FLOAT32, (7,), Buffer(position, 0, 28)))
        operands.append(Operand(OperandType.TENSOR_FLOAT32, (2, 3, 5, 7), Computed()))
        operations.append(Operation("ADD", (last, len(operands) - 2, 1), (len(operands) - 1,)))
        last = len(operands) - 1
    return Model(tuple(operands), tuple(operations), (0,), (last,))


def break_bytes(source: random.Random, original: bytes) -> bytes:
    """A copy with up to eight changes."""
    data = bytearray(original)
    for _ in range(source.randint(1, 8)):
        match source.randrange(5):
            case 0:
                data[source.randrange(len(data))] = source.randrange(256)
            case 1 | 2:
                struct.pack_into("<I", data, 4 * source.randrange(len(data) // 4), source.choice(ODD_WORDS))
            case 3:
                del data[source.randint(24, len(data)) :]
            case _:
                data.extend(source.randbytes(source.randrange(64)))
        if len(data) < 24:
            data.extend(bytes(24 - len(data)))
    return bytes(data)


def main() -> int:
    """Run the tries and print what came of them."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else TRIES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    operations = load_operations()
    codes = {name: facts.code for name, facts in operations.items()}
    names = {code: name for name, code in codes.items()}
    originals = [serialize(chain(length), codes) for length in (1, 3, 20)]
    source = random.Random(seed)
    malformed = 0
    slowest = 0.0
    largest_peak = 0
    tracemalloc.start()
    for _ in range(tries):
        data = break_bytes(source, source.choice(originals))
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        start = time.perf_counter()
        found = deserialize(data, names)
        slowest = max(slowest, time.perf_counter() - start)
        malformed += isinstance(found, Malformed)
        _, peak = tracemalloc.get_traced_memory()
        largest_peak = max(largest_peak, peak - before)
    largest = max(map(len, originals))
    print(
        f"{tries} tries: {malformed} malformed, {tries - malformed} still models; "
        f"slowest {slowest * 1000:.1f} ms; "
        f"at most {largest_peak / 1024:.1f} KiB for inputs of up to {largest / 1024:.1f} KiB"
    )
    return 0 if slowest < SLOWEST_SECONDS and largest_peak < MEMORY_FACTOR * largest else 1


if __name__ == "__main__":
    sys.exit(main())
