"""What a live model is, without what wraps it for training or for speed, and with its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from nnapi_check.analyzer.errors import InputError


def unwrapped(model: nn.Module) -> nn.Module:
    """The module that `torch.compile`, or a wrapper that trains on several devices, was given."""
    while True:
        inner = _wrapped_module(model)
        if inner is None:
            return model
        model = inner


def _wrapped_module(model: nn.Module) -> nn.Module | None:
    found = None
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        found = model.module
    # The class is known by its name, for importing PyTorch's compiler takes a second.
    elif type(model).__name__ == "OptimizedModule":
        found = getattr(model, "_orig_mod", None)
    return found if isinstance(found, nn.Module) else None


def refuse_without_numbers(model: nn.Module, name: str) -> None:
    """Raise an `InputError` where parameters have no numbers, or no shape yet."""
    for path, tensor in chain(model.named_parameters(), model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise InputError(
                f"{name} holds {path}, whose shape is not known before its first run; run the model once on an input."
            )
        if tensor.is_meta:
            raise InputError(
                f"{name} holds {path} on the device meta, where tensors have no numbers; load its weights first."
            )


@contextmanager
def as_written(model: nn.Module) -> Iterator[None]:
    """Let the parts of a model that are wrapped or compiled run, and be traced, as the modules that they were."""
    wrapped = {
        (part, name): child
        for part in model.modules()
        for name, child in part.named_children()
        if _wrapped_module(child) is not None
    }
    # What `Module.compile` leaves in a module.
    compiled = {part: part._compiled_call_impl for part in model.modules() if _is_compiled(part)}
    for (part, name), child in wrapped.items():
        part._modules[name] = unwrapped(child)
    for part in compiled:
        part._compiled_call_impl = None
    try:
        yield
    finally:
        for (part, name), child in wrapped.items():
            part._modules[name] = child
        for part, call in compiled.items():
            part._compiled_call_impl = call


def _is_compiled(part: nn.Module) -> bool:
    return not isinstance(part, torch.jit.ScriptModule) and part._compiled_call_impl is not None
