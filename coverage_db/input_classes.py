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


class Jump(Enum):
    """Where an op's result jumps, so that a rounding before it may show as a whole step behind it."""

    NONE = "none"
    TIES = "ties"
    THRESHOLDS = "thresholds"

    @property
    def words(self) -> str:
        """What that means for a comparison, in a sentence; empty where nothing jumps."""
        return _JUMP_WORDS[self]


_JUMP_WORDS = {
    Jump.NONE: "",
    Jump.TIES: "It may jump where elements are equal or nearly so: which of them is told hangs on their rounding.",
    Jump.THRESHOLDS: "It may jump at thresholds: of an element near one, a rounding decides the side.",
}


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
