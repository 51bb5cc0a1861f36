"""Fourier transforms of a fixed length, dimension after dimension: which graph on pairs stands for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

LONGEST = 2048
"""A transform of n numbers is a product with matrices of n rows; of more numbers they are too large to be stored."""

Step = tuple[str, tuple[object, ...]]
"""The name of a graph, and the numbers that it takes behind the parts."""


@dataclass(frozen=True, slots=True)
class Transform:
    """A transform along ``dims``, of as many numbers as ``sizes`` says. ``sign`` is that of the angle."""

    dims: tuple[int, ...]
    sizes: tuple[int, ...]
    sign: float
    scale: float
    reads_real: bool = False
    makes_real: bool = False
    is_onesided: bool = False

    def steps(self, shape: Sequence[int]) -> list[Step]:
        """The graphs that do it to a tensor of ``shape``: the last dimension first, or last where it becomes real."""
        order = list(zip(self.dims, self.sizes, strict=True))
        if not self.makes_real:
            order.reverse()
        found: list[Step] = []
        for place, (dim, n) in enumerate(order):
            is_first, is_last = place == 0, place == len(order) - 1
            name, kept, bins = "fft", min(shape[dim], n), n
            if is_first and self.reads_real:
                name, bins = "fft_of_real", n // 2 + 1 if self.is_onesided else n
            elif is_last and self.makes_real:
                name, kept = "fft_to_real", min(shape[dim], n // 2 + 1)
            sign = () if name == "fft_to_real" else (bins, self.sign)
            found.append((name, (dim, n, kept, *sign, self.scale if is_last else 1.0)))
        return found


def transform_of(
    name: str, plain: Callable[[str], object], shape: Sequence[int], *, is_complex: bool
) -> Transform | None:
    """The transform that an op does to a tensor of ``shape``; ``plain`` gives its arguments that are no tensors.

    None for other ops, and where a length, a dimension or the kind of numbers is not one that is written.
    """
    if name in ("_fft_r2c", "_fft_c2r", "_fft_c2c"):
        found = _inner(name, plain, shape)
    elif name.removeprefix("fft_").rstrip("2n") in _NAMED and name.startswith("fft_"):
        found = _named(name.removeprefix("fft_"), plain, shape, is_complex=is_complex)
    else:
        return None
    if found is None or found.reads_real == is_complex or not found.dims or len(set(found.dims)) < len(found.dims):
        return None
    return found if all(0 < size <= LONGEST for size in found.sizes) else None


_NAMED: Mapping[str, bool] = {"fft": False, "ifft": True, "rfft": False, "irfft": True}
"""Whether it is the inverse."""

_SCALES: Mapping[object, tuple[float, float]] = {
    None: (0, 1),
    "backward": (0, 1),
    "ortho": (0.5, 0.5),
    "forward": (1, 0),
}
"""By ``norm``: which power of the count of numbers a transform is divided by, and its inverse."""


def _inner(name: str, plain: Callable[[str], object], shape: Sequence[int]) -> Transform | None:
    """An op that others are made of: every number is stated."""
    dims = _ints(plain("dim"), len(shape))
    power = {0: 0.0, 1: 0.5, 2: 1.0}.get(plain("normalization"))  # type: ignore[call-overload]  # any object
    if dims is None or power is None:
        return None
    sizes, last = [shape[dim] for dim in dims], plain("last_dim_size")
    if name == "_fft_c2r":
        if type(last) is not int or not dims:
            return None
        sizes[-1] = last
    is_forward = name == "_fft_r2c" or plain("forward") is True
    return Transform(
        dims,
        tuple(sizes),
        -1.0 if is_forward else 1.0,
        1 / prod(sizes) ** power,
        reads_real=name == "_fft_r2c",
        makes_real=name == "_fft_c2r",
        is_onesided=plain("onesided") is True,
    )


def _named(name: str, plain: Callable[[str], object], shape: Sequence[int], *, is_complex: bool) -> Transform | None:
    """An op of ``torch.fft``."""
    kind = name.rstrip("2n")
    lengths = plain("n" if name == kind else "s")
    given = None if lengths is None else [lengths] if isinstance(lengths, int) else lengths
    named = plain("dim")
    if named is None:
        named = list(range(-len(given) if isinstance(given, list) else -len(shape), 0))
    dims = _ints([named] if isinstance(named, int) else named, len(shape))
    norm = plain("norm")
    if dims is None or not dims or norm not in _SCALES or not isinstance(given, list | None):
        return None
    sizes = [shape[dim] for dim in dims]
    if kind == "irfft":
        sizes[-1] = 2 * (sizes[-1] - 1)
    if given is not None:
        if len(given) != len(dims) or not all(type(size) is int for size in given):
            return None
        sizes = [size if length == -1 else length for size, length in zip(sizes, given, strict=True)]
    is_inverse = _NAMED[kind]
    power = _SCALES[norm][is_inverse]
    return Transform(
        dims,
        tuple(sizes),
        1.0 if is_inverse else -1.0,
        1 / prod(sizes) ** power if all(size > 0 for size in sizes) else 1.0,
        reads_real=kind == "rfft" or (not is_complex and kind != "irfft"),
        makes_real=kind == "irfft",
        is_onesided=kind == "rfft",
    )


def _ints(found: object, rank: int) -> tuple[int, ...] | None:
    """Dimensions, counted from the first."""
    if not isinstance(found, list) or not rank or not all(type(dim) is int and -rank <= dim < rank for dim in found):
        return None
    return tuple(dim % rank for dim in found)
