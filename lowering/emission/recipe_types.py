"""Shapes and element types of recipes."""

from __future__ import annotations

from nnapi_check.analyzer.graph import ElementType

Shape = tuple[int, ...]

_BYTES = {
    ElementType.FLOAT32: 4,
    ElementType.FLOAT16: 2,
    ElementType.FLOAT64: 8,
    ElementType.BFLOAT16: 2,
    ElementType.INT64: 8,
    ElementType.INT32: 4,
    ElementType.INT16: 2,
    ElementType.INT8: 1,
    ElementType.UINT8: 1,
    ElementType.BOOL: 1,
    ElementType.QUINT8: 1,
    ElementType.QINT8: 1,
    ElementType.QINT32: 4,
}

STORED_TYPES = {
    ElementType.QUINT8: ElementType.UINT8,
    ElementType.QINT8: ElementType.INT8,
    ElementType.QINT32: ElementType.INT32,
}
"""What the elements of each quantized type are stored as."""

PLAIN_TYPES = frozenset(_BYTES) - frozenset(STORED_TYPES)
"""Types whose elements are the stored numbers themselves."""

FLOAT_TYPES = frozenset({ElementType.FLOAT32, ElementType.FLOAT16, ElementType.FLOAT64, ElementType.BFLOAT16})
"""Types of real numbers."""


class RecipeError(Exception):
    """A recipe is not possible: the message names the op, what was found and what was wanted."""


def element_size(dtype: ElementType) -> int:
    """The number of bytes of one stored element."""
    size = _BYTES.get(dtype)
    if size is None:
        raise RecipeError(f"{dtype.value} elements cannot be a constant of an NNAPI model")
    return size


def broadcast(first: Shape, second: Shape) -> Shape:
    """The shape of an elementwise result, trailing dimensions aligned."""
    rank = max(len(first), len(second))
    left = (1,) * (rank - len(first)) + first
    right = (1,) * (rank - len(second)) + second
    for a, b in zip(left, right, strict=True):
        if a != b and 1 not in (a, b):
            raise RecipeError(f"broadcast: {first} and {second} do not fit")
    return tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))
