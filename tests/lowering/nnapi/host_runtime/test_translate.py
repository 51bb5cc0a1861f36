"""From C structures to models: order, references within references, and borrowed memory."""

from __future__ import annotations

import ctypes
import itertools
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.host_runtime.bindings import ModelStruct, OperandSource, OperandStruct, OperationStruct
from nnapi_check.lowering.nnapi.host_runtime.translate import FinishedModel, read_model, run_order, view_bytes
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Operation,
    Reference,
)

FLOATS = OperandType.TENSOR_FLOAT32
NAMES = {0: "ADD", 27: "IF"}


Element = TypeVar("Element", bound=ctypes.c_uint32 | ctypes.c_char | ctypes.Structure)


class Memory:
    """Keeps C arrays alive and gives their addresses."""

    def __init__(self) -> None:
        self._kept: list[object] = []

    def words(self, *values: int) -> int:
        return self.keep((ctypes.c_uint32 * len(values))(*values))

    def bytes(self, data: bytes) -> int:
        return self.keep(ctypes.create_string_buffer(data, len(data)))

    def keep(self, array: ctypes.Array[Element]) -> int:
        self._kept.append(array)
        return ctypes.addressof(array)

    def model(self, operands: list[OperandStruct], operations: list[OperationStruct]) -> ModelStruct:
        return ModelStruct(
            id=7,
            level=4,
            is_relaxed=1,
            operand_count=len(operands),
            operation_count=len(operations),
            input_count=1,
            output_count=1,
            operands=self.keep((OperandStruct * len(operands))(*operands)),
            operations=self.keep((OperationStruct * len(operations))(*operations)),
            inputs=self.words(0),
            outputs=self.words(len(operands) - 1),
        )


def test_every_source_is_told_apart() -> None:
    memory = Memory()
    small, large = bytes(range(8)), bytes(range(200))
    operands = [
        OperandStruct(type=FLOATS, rank=2, dimensions=memory.words(2, 0), source=OperandSource.INPUT),
        OperandStruct(type=FLOATS, source=OperandSource.COPIED, value=memory.bytes(small), length=8),
        OperandStruct(type=FLOATS, source=OperandSource.BORROWED, value=memory.bytes(small), length=8),
        OperandStruct(type=FLOATS, source=OperandSource.BORROWED, value=memory.bytes(large), length=200),
        OperandStruct(type=FLOATS, source=OperandSource.OMITTED),
        OperandStruct(type=OperandType.INT32, source=OperandSource.COMPUTED),
        OperandStruct(type=FLOATS, source=OperandSource.OUTPUT),
    ]
    operations = [
        OperationStruct(code=99, input_count=2, output_count=1, inputs=memory.words(0, 1), outputs=memory.words(6))
    ]

    found = read_model(memory.model(operands, operations), NAMES, {})

    assert [operand.source for operand in found.model.operands] == [
        ModelInput(),
        Immediate(small),
        Immediate(small),
        Buffer(0, 0, 200),
        NoValue(),
        Computed(),
        Computed(),
    ]
    assert found.model.operands[0].shape == (2, UNSPECIFIED)
    assert (found.model.operands[1].shape, found.model.operands[5].shape) == (UNKNOWN_RANK, ())
    assert found.model.operations == (Operation("operation code 99", (0, 1), (6,)),)
    assert (found.model.inputs, found.model.outputs, found.model.relaxed, found.level) == ((0,), (6,), True, 4)
    assert [bytes(buffer) for buffer in found.buffers] == [large]


def test_references_within_references_are_numbered_anew() -> None:
    memory = Memory()
    weight = view_bytes(memory.bytes(b"inner"), 5)
    leaf = Model((Operand(FLOATS, (3,), Buffer(0, 0, 5)),), (), (), (0,))
    branch = Model(
        (Operand(OperandType.MODEL, (), Reference(0)), Operand(FLOATS, (3,), Buffer(1, 0, 5))),
        (),
        (),
        (1,),
        referenced=(leaf,),
    )
    finished = {5: FinishedModel(branch, (weight, weight), 4, ()), 6: FinishedModel(leaf, (weight,), 4, ())}
    operands = [
        OperandStruct(type=FLOATS, source=OperandSource.BORROWED, value=memory.bytes(bytes(200)), length=200),
        OperandStruct(type=OperandType.MODEL, source=OperandSource.MODEL, model_id=6),
        OperandStruct(type=OperandType.MODEL, source=OperandSource.MODEL, model_id=5),
        OperandStruct(type=OperandType.MODEL, source=OperandSource.MODEL, model_id=6),
    ]

    found = read_model(memory.model(operands, []), NAMES, finished)

    assert [operand.source for operand in found.model.operands[1:]] == [Reference(0), Reference(1), Reference(0)]
    first, second, third = found.model.referenced
    assert [operand.source for operand in first.operands] == [Buffer(1, 0, 5)]
    assert [operand.source for operand in second.operands] == [Reference(2), Buffer(3, 0, 5)]
    assert [operand.source for operand in third.operands] == [Buffer(2, 0, 5)]
    assert second.referenced == ()
    assert len(found.buffers) == 4


def test_foreign_memory_cannot_be_written() -> None:
    memory = Memory()
    array = view_bytes(memory.bytes(b"abc"), 3)

    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@given(st.permutations(range(6)))
def test_a_chain_in_any_order_is_put_in_order(places: list[int]) -> None:
    operands = [Operand(FLOATS, (2,), ModelInput()), *[Operand(FLOATS, (2,), Computed())] * 6]
    chain = [Operation("RELU", (index,), (index + 1,)) for index in places]

    order = run_order(operands, chain)

    assert [chain[place].inputs[0] for place in order] == [0, 1, 2, 3, 4, 5]


@given(st.data())
def test_an_order_that_serves_is_kept(data: st.DataObject) -> None:
    operands = [Operand(FLOATS, (2,), ModelInput()), *[Operand(FLOATS, (2,), Computed())] * 6]
    reads = [data.draw(st.lists(st.integers(0, index), min_size=1, max_size=3)) for index in range(6)]
    operations = [Operation("ADD", tuple(inputs), (index + 1,)) for index, inputs in enumerate(reads)]

    assert run_order(operands, operations) == tuple(range(6))


def test_operations_that_wait_for_each_other_come_last() -> None:
    operands = [Operand(FLOATS, (2,), ModelInput()), *[Operand(FLOATS, (2,), Computed())] * 3]
    operations = [
        Operation("RELU", (2,), (1,)),
        Operation("RELU", (1,), (2,)),
        Operation("RELU", (0,), (3,)),
    ]

    assert run_order(operands, operations) == (2, 0, 1)


def test_a_long_chain_backwards_is_ordered_in_linear_time() -> None:
    count = 20_000
    operands = [Operand(FLOATS, (2,), ModelInput()), *[Operand(FLOATS, (2,), Computed())] * count]
    chain = [Operation("RELU", (index,), (index + 1,)) for index in reversed(range(count))]

    order = run_order(operands, chain)

    assert all(first == second + 1 for first, second in itertools.pairwise(order))
