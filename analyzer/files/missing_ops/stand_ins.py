"""Ops that stand in for those that are not registered here, so that a file which calls them can be read.

They compute nothing. For the shapes that a program was exported with they tell what the program says of the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.missing_ops.program_calls import OpName, calls_in, schema_of
from nnapi_check.analyzer.files.missing_ops.script_calls import schemas_in_code
from nnapi_check.analyzer.tensor_types import flat_tensors

_RESERVED = frozenset({"prim", "higher_order"})

_KEPT: list[torch.library.Library] = []
"""Definitions end with their library. TorchScript knows ops by their address, and would take what comes to lie at that
of an op that is gone for the op, so they live as long as the process."""

_Key = tuple[tuple[tuple[int, ...], torch.dtype], ...]


class StandIns:
    """Ops that were defined, and what a program says of their results."""

    def __init__(self, ops: Sequence[OpName]) -> None:
        self.names = tuple(sorted({str(op) for op in ops}))
        self._results: dict[str, dict[_Key, object]] = {f"{op.space}::{op.name}": {} for op in ops}

    def learn(self, module: torch.fx.GraphModule) -> None:
        """Take from a program what its calls of these ops give, in shapes that never vary."""
        unclear: set[tuple[str, _Key]] = set()
        for node in (node for part in _programs(module) for node in part.graph.nodes):
            name = node.target._schema.name if isinstance(node.target, torch._ops.OpOverload) else ""
            if name not in self._results:
                continue
            made = node.meta.get("val")
            key = _key(flat_tensors(torch.fx.node.map_arg((node.args, node.kwargs), lambda item: item.meta.get("val"))))
            if key is None or not _is_fixed(made):
                continue
            known = self._results[name].setdefault(key, made)
            if _types(known) != _types(made):
                unclear.add((name, key))
        for name, key in unclear:
            # Something else than shapes decides: which call it was cannot be told.
            del self._results[name][key]

    def result(self, name: str, given: object) -> object:
        """What an op gives for such tensors, without elements. Raises ``RuntimeError`` where nothing is said."""
        key = _key(flat_tensors(given))
        if key is None or key not in self._results[name]:
            raise RuntimeError(f"{name} is not registered here, and the file does not say what it gives")
        return _empty(self._results[name][key])


def unregistered(ops: Iterable[OpName]) -> list[OpName]:
    """Those of the ops that nothing imported here has registered."""
    return [op for op in sorted(ops, key=str) if not torch._C._jit_get_schemas_for_operator(str(op))]


def lacking_ops(path: Path, ops: Iterable[OpName]) -> InputError:
    """What is said of a file that cannot be read for want of these ops."""
    names = ", ".join(sorted({str(op) for op in ops}))
    return InputError(
        f"{path} needs ops that this PyTorch does not have ({names}); import their library (--import MODULE)."
    )


def stand_ins_for_program(descriptions: Sequence[bytes], ops: Sequence[OpName]) -> StandIns | None:
    """Define ops by how an exported program calls them; None, and nothing is defined, where that does not tell how.

    They stay for the life of the process, so that it can import their library no more.
    """
    schemas: dict[OpName, str] = {}
    for op in ops:
        calls = [calls_in(text, [op]) for text in descriptions]
        known = [call for found in calls if found is not None for call in found]
        schema = schema_of(known) if known and None not in calls else None
        if schema is None:
            return None
        schemas[op] = schema
    found = _define(schemas)
    if found is not None:
        for library, op in zip(_KEPT[-len(ops) :], ops, strict=True):
            title = op.name if op.overload == "default" else f"{op.name}.{op.overload}"
            library.impl(title, _told(found, str(op)), "Meta")  # type: ignore[no-untyped-call]  # PyTorch's
    return found


def stand_ins_for_script(code: Sequence[str], ops: Sequence[OpName]) -> StandIns | None:
    """Define ops by how the code of a TorchScript archive calls them, as `stand_ins_for_program` does."""
    schemas = schemas_in_code(code, ops)
    return None if schemas is None else _define(schemas)


def _define(schemas: Mapping[OpName, str]) -> StandIns | None:
    if any(op.space in _RESERVED for op in schemas):
        return None
    for op, schema in schemas.items():
        library = torch.library.Library(op.space, "FRAGMENT")  # type: ignore[no-untyped-call]  # PyTorch's
        _KEPT.append(library)
        try:
            library.define(schema)  # type: ignore[no-untyped-call]  # PyTorch's
        except RuntimeError:
            return None
    return StandIns(tuple(schemas))


def _told(ops: StandIns, name: str) -> object:
    def call(*given: object, **named: object) -> object:
        return ops.result(name, (given, named))

    return call


def _programs(module: torch.fx.GraphModule) -> Iterator[torch.fx.GraphModule]:
    return (part for part in module.modules() if isinstance(part, torch.fx.GraphModule))


def _key(tensors: Sequence[torch.Tensor]) -> _Key | None:
    return tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors) if all(map(_is_fixed, tensors)) else None


def _is_fixed(item: object) -> bool:
    match item:
        case torch.Tensor():
            return all(isinstance(size, int) for size in item.shape)
        case list() | tuple():
            return all(map(_is_fixed, item))
        case bool() | int() | float():
            return True
        case _:
            return False


def _types(item: object) -> object:
    match item:
        case torch.Tensor():
            return (tuple(item.shape), item.dtype)
        case list() | tuple():
            return tuple(map(_types, item))
        case _:
            return item


def _empty(item: object) -> object:
    match item:
        case torch.Tensor():
            return torch.empty(item.shape, dtype=item.dtype, device="meta")
        case list() | tuple():
            return type(item)(map(_empty, item))
        case _:
            return item
