"""Where one tensor differs from another, and in which way: what benchmarks count as faults of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import torch

EXACT = 2e-5
"""Greatest error of an exact way, as a share of the output's range."""

APPROXIMATE = 2e-2
"""The same of a way that states a bound."""


class Disagreement(Enum):
    """The ways in which a tensor can differ from the one that PyTorch computes."""

    SHAPE = "wrong shape"
    TYPE = "wrong element type"
    FINITE = "wrong number"
    UNDEFINED = "nan on one side only"
    INFINITE = "infinity on one side only"
    ZERO_SIGN = "sign of zero"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How many elements differ in one way, with the first of them in words."""

    kind: Disagreement
    count: int
    first: str


def mismatches(found: torch.Tensor, wanted: torch.Tensor, *, is_approximate: bool) -> Iterator[Mismatch]:
    """Every way in which ``found`` differs from ``wanted`` beyond what is allowed."""
    if found.shape != wanted.shape:
        yield Mismatch(Disagreement.SHAPE, 1, f"{tuple(found.shape)}, wanted {tuple(wanted.shape)}")
        return
    if found.dtype != wanted.dtype:
        yield Mismatch(Disagreement.TYPE, 1, f"{found.dtype}, wanted {wanted.dtype}")
        return
    if wanted.is_complex():
        found, wanted = torch.view_as_real(found.resolve_conj()), torch.view_as_real(wanted.resolve_conj())
    if not wanted.is_floating_point():
        yield from _told(Disagreement.FINITE, found != wanted, found, wanted)
        return
    ours, theirs = found.detach().double(), wanted.detach().double()
    undefined = ours.isnan() != theirs.isnan()
    infinite = ~undefined & (ours != theirs) & (ours.isinf() | theirs.isinf())
    finite = ours.isfinite() & theirs.isfinite()
    span = float(theirs[finite].abs().max()) if bool(finite.any()) else 0.0
    bound = (APPROXIMATE if is_approximate else EXACT) * max(span, 1e-6)
    yield from _told(Disagreement.UNDEFINED, undefined, found, wanted)
    yield from _told(Disagreement.INFINITE, infinite, found, wanted)
    yield from _told(Disagreement.FINITE, finite & ((ours - theirs).abs() > bound), found, wanted)
    zeros = (ours == 0) & (theirs == 0)
    yield from _told(Disagreement.ZERO_SIGN, zeros & (found.signbit() != wanted.signbit()), found, wanted)


def _told(kind: Disagreement, off: torch.Tensor, found: torch.Tensor, wanted: torch.Tensor) -> Iterator[Mismatch]:
    count = int(off.sum())
    if count:
        place = tuple(off.nonzero()[0].tolist())
        first = f"{found[place].item()!r} at {list(place)}, wanted {wanted[place].item()!r}"
        yield Mismatch(kind, count, first)
