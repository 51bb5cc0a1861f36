"""What a module keeps from one run to the next by setting attributes anew, which no trace sees."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from nnapi_check.analyzer.inputs.arguments import leaves

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


class KeptState:
    """What the attributes of a module and of all modules in it are, to tell later which of them were set anew."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = dict(_held(model))

    def changed(self) -> str | None:
        """The path of an attribute that is another now, or None. A tensor that is written in place stays what it is."""
        now = dict(_held(self._model))
        for (path, place), item in now.items():
            if (path, place) not in self._before or not _is_same(self._before[path, place], item):
                return path
        return next((path for path, place in self._before if (path, place) not in now), None)


def _held(model: nn.Module) -> Iterator[tuple[tuple[str, int], object]]:
    for prefix, part in model.named_modules():
        own = {name: item for name, item in vars(part).items() if name not in _OF_EVERY_MODULE}
        for name, item in {**part._parameters, **part._buffers, **own}.items():
            path = f"{prefix}.{name}" if prefix else name
            yield from (((path, place), leaf) for place, leaf in enumerate(leaves(item)))


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
