"""Runs that begin alike, so that models which draw random numbers, or keep a state, can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import torch

from nnapi_check.analyzer.inputs.arguments import mapped


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Let PyTorch's generator begin at one place, and leave it afterwards where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def with_same_state(module: torch._C.ScriptModule, run: Callable[[], object]) -> object:
    """What a run gives, after which the buffers that it wrote to have their elements again."""
    wrap = cast("Callable[[torch._C.ScriptModule], torch.jit.ScriptModule]", torch.jit._recursive.wrap_cpp_module)
    held = [(buffer, buffer._version, buffer.clone()) for buffer in wrap(module).buffers() if not buffer.is_meta]
    found = run()
    written = [(buffer, copy) for buffer, version, copy in held if buffer._version != version]
    if written:
        # What it gives may lie in a buffer.
        found = mapped(found, lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf)
    with torch.no_grad():
        for buffer, copy in written:
            buffer.copy_(copy)
    return found
