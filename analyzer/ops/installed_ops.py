"""An installed PyTorch's ops beside the registry's cards and the committed list of schemas.

What imports torch does so when it is called: the rest is used where PyTorch is not wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.known_schemas import SchemaList


@dataclass(frozen=True, slots=True)
class InstalledOps:
    """The schemas of the Core ATen set and of the ops that were asked for, as the installed PyTorch has them."""

    version: str
    core: frozenset[str]
    schemas: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """An op whose schema is another one than the list says."""

    op: str
    listed: str
    installed: str


@dataclass(frozen=True, slots=True)
class TorchComparison:
    """How an installed PyTorch differs from cards and list. ``gone`` are ops of the list that it has not."""

    version: str
    listed_version: str
    core_ops: int
    core_without_card: tuple[str, ...]
    changed: tuple[SchemaChange, ...]
    unlisted: tuple[str, ...]
    gone: tuple[str, ...]


def installed_ops(asked: Collection[str]) -> InstalledOps:
    """Look up the Core ATen set, and of ``asked`` those that the installed PyTorch has."""
    import torch

    schemas: dict[str, str] = {}
    core: set[str] = set()
    wanted = {_qualified(op): op for op in asked}
    for schema in torch._C._jit_get_all_schemas():
        name = f"{schema.name}.{schema.overload_name}" if schema.overload_name else schema.name
        op = _dotted(name)
        if op in core or op in schemas:
            continue
        if name in wanted:
            schemas[op] = str(schema)
        if schema.name.startswith("aten::") and _is_core(op):
            core.add(op)
            schemas[op] = str(schema)
    return InstalledOps(str(torch.__version__).partition("+")[0], frozenset(core), schemas)


def _is_core(op: str) -> bool:
    import torch

    _, base, overload = op.split(".")
    packet = getattr(torch.ops.aten, base, None)
    found = getattr(packet, overload, None)
    return found is not None and torch.Tag.core in found.tags


def _qualified(op: str) -> str:
    """The name in a schema: ``aten.add.Tensor`` is ``aten::add.Tensor``, ``aten.relu.default`` is ``aten::relu``."""
    space, _, name = op.partition(".")
    return f"{space}::{name.removesuffix('.default')}"


def _dotted(name: str) -> str:
    space, _, rest = name.partition("::")
    return f"{space}.{rest if '.' in rest else f'{rest}.default'}"


def compare_with_torch(installed: InstalledOps, cards: Collection[str], listed: SchemaList) -> TorchComparison:
    """Compare an installed PyTorch with the ops that have cards and with the committed list."""
    changed = (
        SchemaChange(op, listed.schemas[op], schema)
        for op, schema in sorted(installed.schemas.items())
        if op in listed.schemas and listed.schemas[op] != schema
    )
    return TorchComparison(
        version=installed.version,
        listed_version=listed.version,
        core_ops=len(installed.core),
        core_without_card=tuple(sorted(installed.core - set(cards))),
        changed=tuple(changed),
        unlisted=tuple(sorted(installed.schemas.keys() - listed.schemas.keys())),
        gone=tuple(sorted(listed.schemas.keys() - installed.schemas.keys())),
    )
