"""What an exported program tells of the shapes that it takes, kept with the module that is traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch.utils import _pytree as pytree

from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.inputs.taken_shapes import Expression, TakenShape, TakenSize, VaryingSize

_KEY = "nnapi_check"


class _Bound(Protocol):
    def __int__(self) -> int: ...

    def __gt__(self, other: int) -> bool: ...


class _Range(Protocol):
    lower: _Bound
    upper: _Bound


_unflatten = cast("Callable[[Sequence[object], object], object]", pytree.tree_unflatten)


@dataclass(frozen=True, slots=True)
class ProgramShapes:
    """The call that a program takes, with a `TakenShape` for every tensor.

    ``lost`` says where no trace can follow its sizes, so that one holds for its own alone; it is empty where all can.
    """

    call: Call
    lost: str = ""


def keep_shapes(module: torch.fx.GraphModule, program: torch.export.ExportedProgram, lost: str) -> None:
    """Keep with a module what its program takes."""
    limits = {cast(Expression, symbol): found for symbol, found in program.range_constraints.items()}
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}

    def shape_of(given: object) -> object:
        value = values.get(given) if isinstance(given, str) else None
        if not isinstance(value, torch.Tensor):
            return None
        return TakenShape(tuple(_taken(size, limits) for size in value.shape))

    leaves = [shape_of(given) for given in program.graph_signature.user_inputs]
    arguments, named = cast(
        "tuple[tuple[object, ...], dict[str, object]]", _unflatten(leaves, program.call_spec.in_spec)
    )
    module.meta[_KEY] = ProgramShapes(Call(arguments, named), lost)


_MOST = 1 << 62
"""More is no limit: PyTorch has an infinity of its own for that."""


def _taken(size: object, limits: Mapping[Expression, _Range]) -> TakenSize:
    """A dimension as a program tells it: a number, or a ``torch.SymInt``."""
    if not isinstance(size, torch.SymInt):
        return cast(int, size)
    expression = cast(Expression, size.node.expr)
    found = limits.get(expression)
    if found is None:
        return VaryingSize(expression, 0, None)
    return VaryingSize(expression, max(int(found.lower), 0), None if found.upper > _MOST else int(found.upper))


def shapes_kept(module: torch.nn.Module) -> ProgramShapes | None:
    """What was kept with a module of a program, if it is one."""
    found = module.meta.get(_KEY) if isinstance(module, torch.fx.GraphModule) else None
    return found if isinstance(found, ProgramShapes) else None
