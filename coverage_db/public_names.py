"""PyTorch's modules and functions as people write them, and the ops that they are: ``Conv2d``, ``nn.GELU``, ``F.pad``.

A name is the op's own but for case and underscores, with the number of dimensions where only one of the two has it.
Those of modules and functions that are other ops than their name says stand in ``public_names.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from nnapi_check.coverage_db.text import read_tables

_MODULES = frozenset({"torch", "nn", "f", "functional", "tensor", "special", "linalg", "fft"})
"""What may stand before a name, in lower case."""

_DIMENSIONS = re.compile(r"[123]d$")


def ops_called(name: str, known: Iterable[str]) -> list[str]:
    """The ops that a public name stands for: those of ``known`` in their order, or else names without an overload.

    None where the name stands for nothing.
    """
    *before, last = name.split(".")
    if not {part.lower() for part in before} <= _MODULES:
        return []
    key = _squeezed(last)
    others = _others().get(key)
    if others is not None:
        return [op for op in known if op.rpartition(".")[0] in others] or list(others)
    keys = {key, _DIMENSIONS.sub("", key)}
    return [op for op in known if _squeezed(op.split(".")[1]) in keys]


def keys_of(op: str) -> tuple[str, ...]:
    """What an op is called, without case and underscores: by its own name, and by modules that are other ops."""
    others = (key for key, ops in _others().items() if op.rpartition(".")[0] in ops)
    return (_squeezed(op.split(".")[1]), *others)


def _squeezed(name: str) -> str:
    # What is written in place ends in an underscore, and is another op.
    own = name.lower()
    return own.strip("_").replace("_", "") + ("_" if own.endswith("_") else "")


@cache
def _others() -> Mapping[str, tuple[str, ...]]:
    table = read_tables(Path(__file__).with_name("public_names.toml"))
    return {_squeezed(name): table.texts(name) for name in table.values}
