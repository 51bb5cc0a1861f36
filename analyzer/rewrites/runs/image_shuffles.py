"""Rearrangements of images that PyTorch has ops for: shuffled channels, and channels that become pixels or back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Node
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Rewrite, Surroundings
from nnapi_check.analyzer.rewrites.runs.one_permutation import Rearrangement, rearranged
from nnapi_check.analyzer.rewrites.runs.run import run_from

SHUFFLE, TO_PIXELS, TO_CHANNELS = (
    "aten.channel_shuffle.default",
    "aten.pixel_shuffle.default",
    "aten.pixel_unshuffle.default",
)


@dataclass(frozen=True, slots=True)
class Shuffle:
    """An op of PyTorch, and its arguments besides the tensor."""

    op: str
    arguments: Mapping[str, int]


def _match(first: Node, around: Surroundings) -> Match | None:
    """The longest run from ``first`` on that such an op means."""
    run = run_from(first, around)
    if run is None:
        return None
    for count in range(len(run.moves), 1, -1):
        shuffle = shuffle_of(run.shape, run.done[count - 1])
        if shuffle is not None:
            return run.match(count, shuffle.op, shuffle.arguments)
    return None


IMAGE_SHUFFLE = Rewrite(
    name="image-shuffle",
    title="a rearrangement of images that PyTorch has an op for",
    begins=ByCard.MOVE,
    makes=frozenset({SHUFFLE, TO_PIXELS, TO_CHANNELS}),
    match=_match,
)


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
            shuffle = Shuffle(SHUFFLE, {"groups": groups})
            yield shuffle, _meaning(shape, grouped, (0, 2, 1, 3, 4), after)
    block = max(after[2] // height, 1)
    if block > 1 and after == (batch, channels // block**2, height * block, width * block):
        shuffle = Shuffle(TO_PIXELS, {"upscale_factor": block})
        yield shuffle, _meaning(shape, (batch, after[1], block, block, height, width), (0, 1, 4, 2, 5, 3), after)
    block = max(height // after[2], 1)
    if block > 1 and after == (batch, channels * block**2, height // block, width // block):
        shuffle = Shuffle(TO_CHANNELS, {"downscale_factor": block})
        yield shuffle, _meaning(shape, (batch, channels, after[2], block, after[3], block), (0, 1, 3, 5, 2, 4), after)


def _meaning(
    shape: tuple[int, ...], split: tuple[int, ...], order: tuple[int, ...], after: tuple[int, ...]
) -> Rearrangement | None:
    return rearranged(shape, (("reshape", split), ("permute", order), ("reshape", after)))
