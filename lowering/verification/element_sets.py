"""Numbers compared in place, of which PyTorch's own change: what moves is held to what they move to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nnapi_check.lowering.verification.approximation import MARGIN
from nnapi_check.lowering.verification.compared_set import ROW_TOLERANCE, Held, RowSet, Stray, Unit
from nnapi_check.lowering.verification.comparison import difference


@dataclass(frozen=True, slots=True)
class _Beyond:
    """By how much what was found is beyond PyTorch's own, and how far one of its own is beyond its others at most."""

    found: float
    own: float


def element_set(
    found: torch.Tensor, wanted: torch.Tensor, draws: Sequence[torch.Tensor], outputs: tuple[int, ...] = ()
) -> RowSet:
    """Compare a tensor with PyTorch's of the same shape, of which ``draws`` are its own, rounded otherwise.

    Whole numbers that change places, as those of equal elements do, must be the same ones again, each as often; other
    numbers must lie near the range in which PyTorch's own lie at that place.
    """
    ours, theirs = _elements(found), _elements(wanted)
    own = [_elements(draw) for draw in draws if draw.shape == wanted.shape]
    allowed, count = allowed_off(theirs), len(theirs)
    lost = difference(ours, theirs).abs() > allowed
    changed = [difference(draw, theirs).abs() > allowed for draw in own]
    times = torch.stack(changed).sum(0) if changed else torch.zeros(count)
    moving = int((times > 0).sum())
    exchanged = outside = _Beyond(0, 0)
    if moving:
        pool = torch.stack([theirs, *own])
        if theirs.dtype.is_floating_point:
            outside = _outside(ours, pool, times, allowed)
        else:
            exchanged, outside = _exchanged(ours[times > 0], pool[:, times > 0])
    loosely = moving if theirs.dtype.is_floating_point else min(moving, int(MARGIN * exchanged.own))
    return RowSet(
        outputs,
        count,
        count,
        count - int(lost.sum()),
        Held(count - moving, moving - loosely, loosely),
        own_unmatched=2 * max((int(other.sum()) for other in changed), default=0),
        unexplained=Stray(int((lost & (times == 0)).sum()), int(exchanged.found)),
        own_unexplained=Stray(
            max((int((other & (times == 1)).sum()) for other in changed), default=0), int(exchanged.own)
        ),
        farthest=outside.found,
        own_farthest=outside.own,
        unit=Unit.ELEMENTS,
    )


def allowed_off(wanted: torch.Tensor) -> float:
    """By how much a number may be off and still be the same: nothing of whole numbers."""
    if not wanted.dtype.is_floating_point:
        return 0.0
    finite = wanted[wanted.isfinite()]
    return ROW_TOLERANCE * ((float(finite.abs().max()) if finite.numel() else 0.0) or 1.0)


def _elements(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.dequantize() if tensor.is_quantized else tensor.detach()
    return (torch.view_as_real(plain.resolve_conj()) if plain.is_complex() else plain).flatten()


def _outside(ours: torch.Tensor, pool: torch.Tensor, times: torch.Tensor, allowed: float) -> _Beyond:
    """How far the farthest number lies outside the range of PyTorch's own at its place, in shares of that range."""
    numbers = pool.double()

    def farthest(element: torch.Tensor, others: torch.Tensor, places: torch.Tensor) -> float:
        low, high = others.amin(0), others.amax(0)
        beyond = torch.maximum(low - element, element - high).clamp(min=0) / (high - low + allowed)
        beyond = torch.where(element.isnan() & ~others.isnan().any(0), torch.inf, beyond).nan_to_num(0.0, torch.inf)
        return float(beyond[places].max()) if bool(places.any()) else 0.0

    # What changes once only is among what its own lose alone.
    own = (
        farthest(numbers[index], torch.cat([numbers[:index], numbers[index + 1 :]]), times > 1)
        for index in range(1, len(numbers))
    )
    return _Beyond(farthest(ours.double(), numbers, times > 0), max(own, default=0.0))


def _exchanged(ours: torch.Tensor, pool: torch.Tensor) -> tuple[_Beyond, _Beyond]:
    """How many whole numbers are others than those that PyTorch's own have at the places that exchange numbers, and
    whether there is one among them that none of its own has there, which is infinitely far."""
    values, number = torch.unique(torch.cat([ours[None], pool]), return_inverse=True)
    group = _groups(number[1:], len(values))
    _, key = torch.unique(group * len(values) + number, return_inverse=True)
    counts = torch.stack([torch.bincount(row, minlength=int(key.max()) + 1) for row in key])

    def beyond(index: int, others: torch.Tensor) -> tuple[int, float]:
        more = (counts[index] - others).clamp(min=0).sum(1)
        is_new = bool(((counts[index] > 0) & (others == 0).all(0)).any())
        return int(more.min()), torch.inf if is_new else 0.0

    count, distance = beyond(0, counts[1:])
    own = [beyond(index, torch.cat([counts[1:index], counts[index + 1 :]])) for index in range(2, len(counts))]
    return (
        _Beyond(count, max((found for found, _ in own), default=0)),
        _Beyond(distance, max((found for _, found in own), default=0.0)),
    )


def _groups(number: torch.Tensor, count: int) -> torch.Tensor:
    """The places that exchange numbers with each other, directly or by others between, by the first of them."""
    group = torch.arange(number.shape[1])
    while True:
        of_values = torch.full((count,), number.shape[1]).scatter_reduce(
            0, number.flatten(), group.expand_as(number).flatten(), "amin"
        )
        joined = of_values[number].amin(0)
        if torch.equal(joined, group):
            return group
        group = joined
