"""Whether NNAPI pays for the way there and back: one model of costs, from published figures.

A part whose bytes alone cost more than it computes gains nothing however fast NNAPI is, and stays on the CPU. A plan in
pieces that is likely to be slower than the CPU alone is not worthwhile. `docs/worth.md` has the figures with their
sources, and what they leave out: these are estimates, and no measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

WORTHWHILE = 1
"""A part is worthwhile when its work is at least this many times the least that its boundary costs."""

CPU_OPERATIONS_PER_SECOND = 40e9
"""MobileNet's 569 million multiply-adds in 14.0 ms on four threads of a Pixel 4."""

SPEEDUP = 1.6
"""The median of ten times on the CPU over those through NNAPI: five models of floats on two phones."""

SECONDS_PER_CALL = 0.25e-3
"""44 calls of NNAPI in 12.2 ms, of a model of 113 kB: at most so much for each."""

PEAK_BYTES_PER_SECOND = 34.1e9
"""What the memory of a Pixel 4 does at best."""

BYTES_PER_SECOND = PEAK_BYTES_PER_SECOND / 2
"""A copy reads and writes."""

SECONDS_PER_TENSOR = 0.1e-6
"""The least that one tensor's crossing takes besides its bytes: a few calls of functions. No published figure."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The seconds that a call of the model takes on the CPU alone, and with the parts on NNAPI."""

    cpu: float
    planned: float

    @property
    def is_slower(self) -> bool:
        """Whether NNAPI costs more than it saves."""
        return self.planned >= self.cpu


def estimate(work: int, inside: int, calls: int, crossing_bytes: int) -> Estimate:
    """What a call of a model takes, of whose ``work`` so much is ``inside`` parts, each of which is called once."""
    alone = work / CPU_OPERATIONS_PER_SECOND
    saved = inside * (1 - 1 / SPEEDUP) / CPU_OPERATIONS_PER_SECOND
    return Estimate(alone, alone - saved + calls * SECONDS_PER_CALL + crossing_bytes / BYTES_PER_SECOND)


def least_cost(tensors: int, crossing_bytes: int) -> float:
    """What it costs at least to carry tensors across a boundary, in operations of arithmetic on the CPU."""
    return CPU_OPERATIONS_PER_SECOND * (tensors * SECONDS_PER_TENSOR + crossing_bytes / PEAK_BYTES_PER_SECOND)
