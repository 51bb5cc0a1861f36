"""What every way demands of the numbers that a call is given: that NNAPI, which reads 32 bits, has them."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.judging.arithmetic import takes_quantized
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.nnapi_types import single_precision
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Way

_EPSILON = "eps"
"""What norms add to a variance, and call by this name all."""

_OF_WINDOWS = frozenset({"stride", "padding", "dilation", "output_padding", "kernel_size", "step", "sampling_ratio"})
"""Integers that operations take as they are, where others are counted from an end or made numbers of a tensor."""


def number_failures(way: Way, node: Node, uses: Uses) -> Iterator[Failure]:
    """Numbers that are undefined, infinite or beyond float32, of other arguments than the card's ``any_number``.

    A way may compute what PyTorch chooses between: 0 times infinity, of an element that is not chosen, is undefined.
    Of a variance and a negative number there may be no root. No step of a scale stands for infinity.
    """
    free = () if takes_quantized(node, uses) else way.any_number
    for name, argument in node.arguments.items():
        for number in argument if isinstance(argument, tuple) else (argument,):
            told = None
            if isinstance(number, float) and name not in free:
                told = _of_real(number, is_epsilon=name == _EPSILON)
            elif isinstance(number, int) and name in _OF_WINDOWS and abs(number) >= 2**31:
                told = _WIDE
            if told is not None:
                wanted, because, fix = told
                yield Failure("NNC402", "number", way.name, f"{name} is {number:g}", wanted, because, fix)


def _of_real(number: float, *, is_epsilon: bool) -> tuple[str, str, str] | None:
    """What a number should be, why, and what to do; None where it is well."""
    held = single_precision(number)
    if not isfinite(held):
        return _GREAT
    if held == 0 != number:
        return _SMALL
    return _NEGATIVE if is_epsilon and number < 0 else None


_GREAT = (
    "a finite number of float32",
    "NNAPI computes in float32, and has no infinite scalars.",
    "Use a finite number, such as 1e30 for infinity.",
)
_SMALL = (
    "0, or a number that float32 tells from 0",
    "NNAPI computes in float32, where this number is 0.",
    "Use 0, or 1e-37 and more.",
)
_NEGATIVE = ("0 or more", "A variance and a negative number may have no root.", "Use a number above 0, such as 1e-5.")
_WIDE = ("a number of 32 bits", "NNAPI's integers have 32 bits.", "Use a number below 2**31.")
