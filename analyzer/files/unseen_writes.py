"""Writes in place that a trace loses, since PyTorch's tracer does not know that two tensors are one.

A trace believes the schemas of ops. Where a view that a schema tells nothing of is written to, and is not read itself,
the trace drops the write, although what it is a view of was written to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from unittest.mock import patch

import torch

from nnapi_check.analyzer.ops.unseen_views import UNSEEN_VIEWS
from nnapi_check.analyzer.tensor_types import flat_tensors, is_strided


@dataclass(slots=True)
class UnseenViews:
    """The views that were taken while a model ran, and the version that each had then."""

    _views: list[tuple[torch.Tensor, int]] = field(default_factory=list)

    def watch(self, given: object, result: object) -> None:
        """Remember what of a result lies where a given tensor lies."""
        storages = set(map(_storage, flat_tensors(given))) - {None}
        for found in flat_tensors(result):
            if _storage(found) in storages and not found.is_inference():
                self._views.append((found, found._version))

    @property
    def are_written(self) -> bool:
        """Whether one of them, or what it is a view of, was written to since."""
        return any(view._version != version for view, version in self._views)


def _storage(tensor: torch.Tensor) -> int | None:
    return tensor.untyped_storage()._cdata if is_strided(tensor) else None


@contextmanager
def unseen_views_watched() -> Iterator[UnseenViews]:
    """Watch the calls that give such views, as Python makes them: functions of torch and methods of tensors."""
    found = UnseenViews()
    with ExitStack() as stack:
        for name in sorted(kind.removeprefix("aten::") for kind in UNSEEN_VIEWS):
            for owner in (torch, torch.functional, torch.Tensor):
                if hasattr(owner, name):
                    stack.enter_context(patch.object(owner, name, _watched(getattr(owner, name), found)))
        yield found


def _watched(function: Callable[..., object], views: UnseenViews) -> Callable[..., object]:
    @wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        result = function(*args, **kwargs)
        views.watch((args, tuple(kwargs.values())), result)
        return result

    return call
