"""The calls of ops that PyTorch makes while something runs, each given to this project in its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class DispatchedCalls(TorchDispatchMode, ABC):  # type: ignore[no-untyped-call]  # PyTorch gives it no types
    """While it is entered, `called` stands in the place of every op."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]  # nor this

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor this

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else the first call imports PyTorch's compiler, which takes a second.
        return False

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Iterable[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """What `called` gives."""
        return self.called(func, args, kwargs or {})

    @abstractmethod
    def called(self, op: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """What a call of an op gives; calls of ops made here are PyTorch's own."""
