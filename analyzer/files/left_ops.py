"""Ops of an exported program that may not be called while it is traced: the trace notes them, and PyTorch runs them.

The program says what type their results have, so that what follows can be traced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.screening.known_ops import may_be_traced
from nnapi_check.analyzer.files.value_reads import names_reading_ops
from nnapi_check.analyzer.ops.dispatched_calls import DispatchedCalls


def leave_out_calls(module: torch.fx.GraphModule) -> None:
    """Let a trace of the module note ops that may not be called, without a call of them.

    Raises ``InputError`` where the program does not say what such an op gives, and where it takes numbers out of
    tensors, which may be those that the op would give.
    """
    left: list[torch._ops.OpOverload] = []
    for part in module.modules():
        if not isinstance(part, torch.fx.GraphModule):
            continue
        for node in part.graph.nodes:
            target = node.target
            if isinstance(target, torch._ops.OpOverload) and not _may_be_called(target):
                left.append(target)
                node.target = _noted(target, _stated(node.meta.get("val"), target))
        part.recompile()
    if left and names_reading_ops(module):
        raise InputError(
            f"The program takes numbers out of tensors, and {left[0]} may not be called to tell them; "
            "compute with tensors in place of numbers, or export it without this op."
        )


def _may_be_called(op: torch._ops.OpOverload) -> bool:
    space, _, name = op._schema.name.partition("::")
    return may_be_traced(space, name, op._schema.overload_name)


def _stated(value: object, op: torch._ops.OpOverload) -> object:
    """What an op gives, without elements. Sizes that vary are not known."""
    match value:
        case torch.Tensor() if all(isinstance(size, int) for size in value.shape):
            return torch.empty(value.shape, dtype=value.dtype, device="meta")
        case tuple() | list():
            return type(value)(_stated(item, op) for item in value)
        case bool() | int() | float() | None:
            return value
        case _:
            raise InputError(
                f"The program does not say what {op} gives for these inputs, and the op may not be called; "
                "export it with inputs of fixed sizes."
            )


def _noted(op: torch._ops.OpOverload, stated: object) -> Callable[..., object]:
    def note(*given: object, **named: object) -> object:
        with torch.no_grad(), _InPlaceOf(op, stated):
            return op(*given, **named)

    note.__name__ = str(op).replace(".", "_")
    return note


class _InPlaceOf(DispatchedCalls):
    """Gives zeros of the stated types in place of a call of an op."""

    def __init__(self, op: torch._ops.OpOverload, stated: object) -> None:
        super().__init__()
        self._op = op
        self._stated = stated

    def called(self, op: torch._ops.OpOverload, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        """Raises ``InputError`` for the ops that another one is made of."""
        if op is not self._op:
            raise InputError(
                f"The program calls {self._op}, which is made of other ops, and may not be called to find out which; "
                "export it with .run_decompositions()."
            )
        return _zeros(self._stated)


def _zeros(stated: object) -> object:
    match stated:
        case torch.Tensor():
            return torch.zeros(stated.shape, dtype=stated.dtype)
        case tuple() | list():
            return type(stated)(map(_zeros, stated))
        case _:
            return stated
