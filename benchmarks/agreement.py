"""Where one tensor differs from another, and in which way: what benchmarks count as faults of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import torch

EXACT = 2e-5
"""Greatest error of an exact way, as a share of the output's range."""

CANCELLED = 1e-2
"""Outputs smaller than this share of the inputs are held to it: what is left of numbers that cancel is rounding."""

STEPS = 1
"""Greatest error of a quantized output, in steps of its scale."""


class Disagreement(Enum):
    """The ways in which a tensor can differ from the one that PyTorch computes."""

    SHAPE = "wrong shape"
    TYPE = "wrong element type"
    FINITE = "wrong number"
    UNDEFINED = "nan on one side only"
    INFINITE = "infinity on one side only"
    ZERO_SIGN = "sign of zero"
    ILL_CONDITIONED = "held to PyTorch's own movement under rounding"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How many elements differ in one way, with the first of them in words."""

    kind: Disagreement
    count: int
    first: str


def mismatches(
    found: torch.Tensor,
    wanted: torch.Tensor,
    *,
    allowance: float = 0.0,
    inputs: Sequence[torch.Tensor] = (),
    excused: torch.Tensor | None = None,
    steps: int = STEPS,
) -> Iterator[Mismatch]:
    """Every way in which ``found`` differs from ``wanted``, which is computed of ``inputs``, beyond what is allowed.

    Elements that are ``excused`` may be anything, and no other is held to their size; ``allowance`` is by how much the
    others may be off besides rounding, and ``steps`` the same of quantized ones.
    """
    if found.shape != wanted.shape:
        yield Mismatch(Disagreement.SHAPE, 1, f"{tuple(found.shape)}, wanted {tuple(wanted.shape)}")
        return
    if found.dtype != wanted.dtype:
        yield Mismatch(Disagreement.TYPE, 1, f"{found.dtype}, wanted {wanted.dtype}")
        return
    if wanted.is_complex():
        found, wanted = torch.view_as_real(found.resolve_conj()), torch.view_as_real(wanted.resolve_conj())
        excused = None if excused is None else excused.unsqueeze(-1).expand(wanted.shape)
    left = torch.ones(wanted.shape, dtype=torch.bool) if excused is None else ~excused
    if wanted.is_quantized:
        off = (found.int_repr().int() - wanted.int_repr().int()).abs()
        yield from _told(Disagreement.FINITE, left & (off > steps), found, wanted)
        return
    found = torch.where(left, found, wanted)
    if not wanted.is_floating_point():
        yield from _told(Disagreement.FINITE, found != wanted, found, wanted)
        return
    ours, theirs = found.detach().double(), wanted.detach().double()
    undefined = ours.isnan() != theirs.isnan()
    infinite = ~undefined & (ours != theirs) & (ours.isinf() | theirs.isinf())
    finite = ours.isfinite() & theirs.isfinite()
    span = max([span_of(theirs[left]), 1e-6, *(CANCELLED * span_of(tensor) for tensor in inputs)])
    bound = EXACT * span + allowance
    yield from _told(Disagreement.UNDEFINED, undefined, found, wanted)
    yield from _told(Disagreement.INFINITE, infinite, found, wanted)
    yield from _told(Disagreement.FINITE, finite & ((ours - theirs).abs() > bound), found, wanted)
    zeros = (ours == 0) & (theirs == 0)
    yield from _told(Disagreement.ZERO_SIGN, zeros & (found.signbit() != wanted.signbit()), found, wanted)


def span_of(tensor: torch.Tensor) -> float:
    """The largest finite magnitude."""
    if tensor.is_quantized or tensor.dtype is torch.bool:
        return 0.0
    finite = tensor[tensor.isfinite()]
    return (
        float(finite.double().abs().max() if not tensor.is_complex() else finite.abs().max()) if finite.numel() else 0.0
    )


def _told(kind: Disagreement, off: torch.Tensor, found: torch.Tensor, wanted: torch.Tensor) -> Iterator[Mismatch]:
    count = int(off.sum())
    if count:
        place = tuple(off.nonzero()[0].tolist())
        first = f"{found[place].item()!r} at {list(place)}, wanted {wanted[place].item()!r}"
        yield Mismatch(kind, count, first)
