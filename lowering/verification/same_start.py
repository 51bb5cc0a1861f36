"""Runs that begin alike, so that models which draw random numbers, or keep a state, can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch

from nnapi_check.analyzer.files.kept_state import KeptState
from nnapi_check.analyzer.inputs.arguments import Call, cloned


@contextmanager
def same_random_numbers(seed: int = 0) -> Iterator[None]:
    """Let PyTorch's generator begin at one place, and leave it afterwards where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def with_same_state(module: torch._C.ScriptModule, run: Callable[[], object]) -> object:
    """What a run gives, after which the buffers that it wrote to have their elements again."""
    wrap = cast("Callable[[torch._C.ScriptModule], torch.jit.ScriptModule]", torch.jit._recursive.wrap_cpp_module)
    state = KeptState(wrap(module))
    found = run()
    if state.is_written:
        # What it gives may lie in a buffer.
        (found,) = cloned(Call((found,))).positional
    state.restore()
    return found
