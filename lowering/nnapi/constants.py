"""Reading the values of constant operands, without numpy."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS
from nnapi_check.lowering.nnapi.model import Buffer, Immediate, Operand, Shape, UnknownRank

Number = int | float | bool

Bytes = bytes | memoryview
"""The bytes of a numbered buffer."""

LONGEST_VECTOR = 4096
"""Constants of more elements than this are weights, whose values no rule speaks of."""


def element_count(shape: Shape) -> int:
    """The number of elements of a shape, 0 where a dimension or the rank is not specified."""
    if isinstance(shape, UnknownRank):
        return 0
    count = 1
    for dim in shape:
        count *= dim if isinstance(dim, int) else 0
    return count


class Constants:
    """The values of a model's constants, as far as they are at hand, read once each.

    ``buffers`` are the caller's numbered buffers. A constant that lies in a buffer that is not given is
    not known, as are all values that come at execution.
    """

    __slots__ = ("_buffers", "_operands", "_scalars", "_vectors")

    def __init__(self, operands: Sequence[Operand], buffers: Sequence[Bytes]) -> None:
        self._operands = operands
        self._buffers = buffers
        self._scalars: dict[int, Number | None] = {}
        self._vectors: dict[int, tuple[Number, ...] | None] = {}

    def scalar(self, index: int) -> Number | None:
        """The value of a scalar operand, or None where it is not known before execution."""
        if index not in self._scalars:
            values = self._read(self._operands[index])
            self._scalars[index] = values[0] if values is not None and len(values) == 1 else None
        return self._scalars[index]

    def vector(self, index: int) -> tuple[Number, ...] | None:
        """The elements of a tensor operand, or None where they are not known before execution."""
        if index not in self._vectors:
            self._vectors[index] = self._read(self._operands[index])
        return self._vectors[index]

    def is_constant(self, index: int) -> bool:
        """Whether an operand's value is fixed before execution, known or not."""
        return self._operands[index].is_constant

    def _read(self, operand: Operand) -> tuple[Number, ...] | None:
        element = ELEMENT_STRUCTS.get(operand.type)
        data = self._data(operand)
        if element is None or data is None or len(data) > element.size * LONGEST_VECTOR:
            return None
        if len(data) != element.size * element_count(operand.shape):
            return None
        return tuple(value for (value,) in element.iter_unpack(data))

    def _data(self, operand: Operand) -> Bytes | None:
        match operand.source:
            case Immediate(data):
                return data
            case Buffer(index, offset, length) if 0 <= index < len(self._buffers):
                end = offset + length
                return self._buffers[index][offset:end] if 0 <= offset <= end <= len(self._buffers[index]) else None
            case _:
                return None
