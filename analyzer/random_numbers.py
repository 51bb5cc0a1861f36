"""Runs that begin at one place of PyTorch's random numbers, so that models which draw some can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def same_random_numbers(seed: int = 0) -> Iterator[None]:
    """Let PyTorch's generator begin at one place, and leave it afterwards where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
