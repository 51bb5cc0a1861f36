"""Which elements of an op's inputs a difference concerns, as data that reports show and comparisons excuse."""

from __future__ import annotations

from enum import Enum


class InputClass(Enum):
    """Elements for which NNAPI may give another result than PyTorch."""

    NAN = "nan"
    INFINITE = "infinite"
    NEGATIVE_ZERO = "negative-zero"
    SUBNORMAL = "subnormal"
    LARGE = "large"
    WIDE = "wide"
    TIES = "ties"

    @property
    def words(self) -> str:
        """The class in words."""
        return _WORDS[self]


_WORDS = {
    InputClass.NAN: "NaN",
    InputClass.INFINITE: "infinities",
    InputClass.NEGATIVE_ZERO: "negative zeros",
    InputClass.SUBNORMAL: "numbers below 1.2e-38 in size, but not 0",
    InputClass.LARGE: "numbers above 1.8e19 in size, whose squares overflow",
    InputClass.WIDE: "whole numbers that need more than 32 bits, or floats that become such",
    InputClass.TIES: "equal elements, whose order is told",
}


def range_words(classes: tuple[InputClass, ...], *, spreads: bool) -> str:
    """What a difference concerns, in words; empty where it concerns no elements in particular."""
    if not classes:
        return ""
    reach = "and of what is computed beside them" if spreads else "and of no other elements"
    return f"Results may differ of {', '.join(found.words for found in classes)}, {reach}."
