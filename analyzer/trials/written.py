"""What the code of an edit computes, as a graph: it is read as the code of any model is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.ops.bounded_calls import KERNEL_FAILURES
from nnapi_check.analyzer.planning.work import node_work
from nnapi_check.analyzer.tensor_types import torch_dtype
from nnapi_check.analyzer.torchscript import trace
from nnapi_check.analyzer.trials.calls import EditedCall, Tensors
from nnapi_check.coverage_db.queries import Registry

MOST_WORK = 1_000_000_000
"""The operations of arithmetic up to which an edit is tried on a call: about a tenth of a second."""


_REFUSED = (InputError, NameError, *KERNEL_FAILURES)
"""How code fails where an argument is of a kind that it is not for, as a number where it names a tensor."""


class Written(torch.nn.Module):
    """The code in place of a call, as a module that takes the tensors it reads one by one."""

    def __init__(self, call: EditedCall, code: str) -> None:
        super().__init__()
        self._tensors = call.tensors
        self._compute = _function(tuple(call.tensors), call.outputs, code)

    def forward(self, *given: torch.Tensor) -> object:
        """What the code gives: a tensor, or a tuple of them."""
        rest = iter(given)
        return self._compute(*(_taken(item, rest) for item in self._tensors.values()))


def _taken(item: Tensors, rest: Iterator[torch.Tensor]) -> object:
    match item:
        case tuple():
            return [None if value is None else next(rest) for value in item]
        case None:
            return None
        case _:
            return next(rest)


def _function(names: tuple[str, ...], outputs: tuple[str, ...], code: str) -> Callable[..., object]:
    """The code as a function. It is this project's own, and numbers and names of a model's types are all it holds."""
    lines = [f"def edited({', '.join(names)}):", *code.splitlines(), f"return {', '.join(outputs)}"]
    scope: dict[str, object] = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    exec("\n    ".join(lines), scope)  # noqa: S102  # no text of a model comes here
    return cast(Callable[..., object], scope["edited"])


def graph_of(call: EditedCall, graph: Graph, registry: Registry) -> Graph | None:
    """What an edit's code computes for a call of a graph; its inputs are the ``values`` of the call.

    None where PyTorch refuses it, or would compute for too long: a trace is made of it, and so it runs once.
    """
    kinds = [graph.tensor_type(value) for value in call.values]
    if _work(call, graph) > MOST_WORK:
        return None
    tensors = [torch.zeros(kind.shape, dtype=torch_dtype(kind.dtype)) for kind in kinds if kind is not None]
    try:
        # A module that is captured as it is runs three times, for it may keep a state; this code keeps none.
        traced = trace(Written(call, call.after), tensors)
        return capture(traced, tensors, weights=False, registry=registry).graph
    except _REFUSED:
        return None


def _work(call: EditedCall, graph: Graph) -> int:
    """What an edit computes at most, about: all groups of channels may become one."""
    groups = call.node.arguments.get("groups")
    return node_work(call.node, graph) * (groups if isinstance(groups, int) else 1)
