"""Arguments of the same shapes with other elements: what a model does with inputs that nobody gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from nnapi_check.analyzer.inputs.arguments import mapped

_ALONE = 8


def other_inputs(inputs: Sequence[object]) -> Iterator[Sequence[object]]:
    """All inputs halved, turned around, and set to zero, and each of them alone set to zero."""
    for change in (halved, turned, zeroed):
        yield [mapped(item, change) for item in inputs]
    for place in range(min(len(inputs), _ALONE) if len(inputs) > 1 else 0):
        yield [mapped(item, zeroed) if at == place else item for at, item in enumerate(inputs)]


def halved(leaf: object) -> object:
    """Real numbers halved."""
    return _changed(leaf, lambda x: x / 2 if x.is_floating_point() else x)


def turned(leaf: object) -> object:
    """Real numbers of the other sign, three times as great; all others in the opposite order."""
    return _changed(leaf, lambda x: -3 * x if x.is_floating_point() else x.flip(tuple(range(x.dim()))))


def zeroed(leaf: object) -> object:
    """Zeros."""
    return _changed(leaf, torch.zeros_like)


def _changed(leaf: object, change: Callable[[torch.Tensor], torch.Tensor]) -> object:
    return change(leaf) if isinstance(leaf, torch.Tensor) and not leaf.is_quantized else leaf
