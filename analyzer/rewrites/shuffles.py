"""Rearrangements of images that PyTorch has ops for: shuffled channels, and channels that become pixels or back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.rewrites.rearrangement import Rearrangement, rearranged


@dataclass(frozen=True, slots=True)
class Shuffle:
    """An op of PyTorch, and its arguments besides the tensor."""

    op: str
    arguments: Mapping[str, int]


def shuffle_of(shape: tuple[int, ...], found: Rearrangement) -> Shuffle | None:
    """The op that does the same to an image of ``shape``, if there is one."""
    if len(shape) != 4 or len(found.after) != 4 or len(found.order) < 2:
        return None
    return next((shuffle for shuffle, meaning in _candidates(shape, found) if meaning == found), None)


def _candidates(shape: tuple[int, ...], found: Rearrangement) -> Iterator[tuple[Shuffle, Rearrangement | None]]:
    batch, channels, height, width = shape
    after = found.after
    if after == shape:
        for groups in sorted({size for size in found.before if 1 < size < channels and channels % size == 0}):
            grouped = (batch, groups, channels // groups, height, width)
            shuffle = Shuffle("aten.channel_shuffle.default", {"groups": groups})
            yield shuffle, _meaning(shape, grouped, (0, 2, 1, 3, 4), after)
    block = max(after[2] // height, 1)
    if block > 1 and after == (batch, channels // block**2, height * block, width * block):
        shuffle = Shuffle("aten.pixel_shuffle.default", {"upscale_factor": block})
        yield shuffle, _meaning(shape, (batch, after[1], block, block, height, width), (0, 1, 4, 2, 5, 3), after)
    block = max(height // after[2], 1)
    if block > 1 and after == (batch, channels * block**2, height // block, width // block):
        shuffle = Shuffle("aten.pixel_unshuffle.default", {"downscale_factor": block})
        yield shuffle, _meaning(shape, (batch, channels, after[2], block, after[3], block), (0, 1, 3, 5, 2, 4), after)


def _meaning(
    shape: tuple[int, ...], split: tuple[int, ...], order: tuple[int, ...], after: tuple[int, ...]
) -> Rearrangement | None:
    return rearranged(shape, (("reshape", split), ("permute", order), ("reshape", after)))
