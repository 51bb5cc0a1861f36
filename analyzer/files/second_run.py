"""Whether a module gives in a second run what it gave while it was traced: a trace holds what one run computed.

A state need not lie in a module's attributes: an object, a closure, a global name or a generator of Python may keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from nnapi_check.analyzer.files.value_reads import gives_alike
from nnapi_check.analyzer.inputs.arguments import Call, cloned
from nnapi_check.analyzer.random_numbers import same_random_numbers


class FirstRun:
    """What a module gave when it was run while it was watched."""

    def __init__(self) -> None:
        self._given: list[object] = []

    def note(self, module: nn.Module, inputs: object, output: object) -> None:
        """Keep what a run gives; this is a forward hook."""
        self._given = [output]

    def is_repeated(self, module: nn.Module, inputs: Sequence[object]) -> bool:
        """Whether a run with the same inputs and the same random numbers of PyTorch's gives the same."""
        if not self._given or _is_program_of_ops(module):
            return True
        return gives_alike(run_again(module, inputs), self._given[0])

    def is_of_tracing(
        self, module: nn.Module, inputs: Sequence[object], trace: Callable[[], object], restore: Callable[[], object]
    ) -> bool:
        """Whether it is tracing alone that made other numbers: it does so again, and runs without it are alike.

        Sizes are tensors while a module is traced, and what is computed of them is rounded otherwise: where a module
        sorts by it, nearly equal items change their places. ``restore`` puts back what a run has changed.
        """
        plain = []
        for _ in range(2):
            restore()
            plain.append(run_again(module, inputs))
        restore()
        with first_run(module) as again:
            trace()
        return gives_alike(*plain) and gives_alike(again._given, self._given)

    def keep(self) -> None:
        """Let what was given stay what it is, for it may lie in a tensor that is written to later."""
        self._given = list(cloned(Call(tuple(self._given))).positional)


@contextmanager
def first_run(module: nn.Module) -> Iterator[FirstRun]:
    """Watch what a module gives, from random numbers that can be drawn again."""
    found = FirstRun()
    hook = module.register_forward_hook(found.note)
    try:
        with same_random_numbers():
            yield found
    finally:
        hook.remove()
        found.keep()


def run_again(module: nn.Module, inputs: Sequence[object]) -> object:
    """What a module gives, with the same random numbers of PyTorch's each time, of copies of its inputs."""
    with torch.no_grad(), same_random_numbers():
        return module(*cloned(Call(tuple(inputs))).positional)


def _is_program_of_ops(module: nn.Module) -> bool:
    """Whether a module is what an exported program runs as, which keeps nothing but its buffers."""
    return all(isinstance(part, torch.fx.GraphModule) or type(part) is nn.Module for part in module.modules())
