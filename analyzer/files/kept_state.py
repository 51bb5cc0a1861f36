"""What a module keeps from one run to the next where no trace sees it, and what a trace would leave changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import nn
from torch.jit._builtins import _find_builtin as find_builtin
from torch.jit._builtins import _register_builtin as register_builtin

from nnapi_check.analyzer.inputs.arguments import Call, cloned, holds_itself, leaves

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


class KeptState:
    """What the attributes of a module and of all modules in it are, to tell later which of them a run has changed."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = dict(_held(model))
        self._versions = {key: _version(item) for key, item in self._before.items()}
        self._copies = {
            key: item.detach().clone()
            for key, item in self._before.items()
            if isinstance(item, torch.Tensor) and not isinstance(item, nn.Parameter)
        }
        self._tables = [(table, dict(table)) for part in model.modules() for table in _tables(part)]

    def changed(self) -> str | None:
        """The path of an attribute that a run has changed, or None. Writes in place to a buffer are in the trace."""
        now = dict(_held(self._model))
        buffers = {(path, 0) for path, _ in self._model.named_buffers(remove_duplicate=False)}
        for key, item in now.items():
            if key not in self._before or not _is_same(self._before[key], item):
                return key[0]
            if key not in buffers and _version(item) != self._versions[key]:
                return key[0]
        return next((path for path, place in self._before if (path, place) not in now), None)

    @property
    def is_written(self) -> bool:
        """Whether a run has written in place to a tensor that `restore` gives its elements back."""
        return any(True for _ in self._written())

    def restore(self) -> None:
        """Give the tensors that were written in place the elements that they had."""
        with torch.no_grad():
            for tensor, copy in self._written():
                tensor.copy_(copy)

    def put_back(self) -> bool:
        """Give the modules the attributes that they had, too. Whether these hold what they held, as a list that was
        appended to does not."""
        self.restore()
        for table, held in self._tables:
            # Modes are no state.
            kept = {name: item for name, item in table.items() if name in _OF_EVERY_MODULE}
            table.clear()
            table.update(held | kept)
        return self.changed() is None

    def _written(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The tensors that were written in place, each with what it was."""
        for key, copy in self._copies.items():
            item = self._before[key]
            if isinstance(item, torch.Tensor) and _version(item) != self._versions[key]:
                yield item, copy


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


def _held(model: nn.Module) -> Iterator[tuple[tuple[str, int], object]]:
    for prefix, part in model.named_modules():
        own = {name: item for name, item in vars(part).items() if name not in _OF_EVERY_MODULE}
        for name, item in {**part._parameters, **part._buffers, **own}.items():
            path = f"{prefix}.{name}" if prefix else name
            if not holds_itself(item):
                yield from (((path, place), leaf) for place, leaf in enumerate(leaves(item)))


def _tables(part: nn.Module) -> Iterator[dict[str, Any]]:
    """Where a module has its attributes, its parameters and its buffers. What a scripted one sets, a trace has."""
    if not isinstance(part, torch.jit.ScriptModule):
        yield from (vars(part), part._parameters, part._buffers)


def _version(item: object) -> int:
    return item._version if isinstance(item, torch.Tensor) and not item.is_inference() else 0


def _is_same(before: object, now: object) -> bool:
    if before is now:
        return True
    match before, now:
        case torch.Tensor(), torch.Tensor():
            return before.shape == now.shape and before.dtype == now.dtype and torch.equal(before, now)
        case (bool() | int() | float() | str(), _) | (_, bool() | int() | float() | str()):
            return before == now
        case _:
            # Objects of other classes may be made anew in each run, and tell nothing.
            return not isinstance(before, torch.Tensor) and not isinstance(now, torch.Tensor)


@contextmanager
def constants_copied() -> Iterator[None]:
    """Let tensors that Python makes of numbers be copies of what a trace holds as constants.

    A trace would write to the constant itself, in the run that is traced and in each one later.
    """
    with ExitStack() as stack:
        for (owner, name), copied in _COPIED.items():
            # Functions may be compiled while a model is traced, and call this.
            builtin = find_builtin(getattr(owner, name))  # type: ignore[no-untyped-call]  # PyTorch gives no types here
            if builtin is not None:
                register_builtin(copied, builtin)
            stack.enter_context(patch.object(owner, name, copied))
        yield


def _copied(make: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @wraps(make)
    def call(*args: object, **kwargs: object) -> torch.Tensor:
        made = make(*args, **kwargs)
        # What is made of a tensor may be that tensor, as in Python.
        return made if any(made is item for item in (*args, *kwargs.values())) else made.clone()

    return call


_COPIED = {
    (owner, name): _copied(getattr(owner, name))
    for owner, name in ((torch, "tensor"), (torch, "as_tensor"), (torch, "from_numpy"), (torch.Tensor, "new_tensor"))
}
