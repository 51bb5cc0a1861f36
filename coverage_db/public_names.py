"""PyTorch's modules and functions as people write them, and the ops that they are: ``Conv2d``, ``nn.GELU``, ``F.pad``.

A name is the op's own but for case and underscores, with the number of dimensions where only one of the two has it.
Those of modules and functions that are other ops than their name says stand in ``public_names.toml``, and ops of two
names in ``parsed_names.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from nnapi_check.coverage_db.text import read_tables

_MODULES = frozenset({"torch", "nn", "f", "functional", "tensor", "special", "linalg", "fft"})
"""What may stand before a name, in lower case."""

_TABLE = Path(__file__).with_name("public_names.toml")
_PARSED = Path(__file__).with_name("parsed_names.toml")
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
    return [op for op in known if _squeezed(_own(op)) in keys]


def names_like(name: str, others: Iterable[str]) -> tuple[str, ...]:
    """The three of ``others`` and of PyTorch's names that look most like a name that stands for nothing, best first.

    Of an op's name its own part is compared and given, without namespace and overload.
    """
    from difflib import get_close_matches

    named = (_own(other) for other in (*others, *read_tables(_TABLE).values))
    shown: dict[str, str] = {}
    for other in sorted(named, key=lambda own: (own.startswith("_"), own.isupper() != name.isupper())):
        if not other.endswith("_"):
            shown.setdefault(_bare(other), other)
    return tuple(shown[key] for key in get_close_matches(_bare(name.rpartition(".")[2]), shown, 3, cutoff=0.7))


def keys_of(op: str) -> tuple[str, ...]:
    """What an op is called, without case and underscores: by its own name, and by modules that are other ops."""
    others = (key for key, ops in _others().items() if op.rpartition(".")[0] in ops)
    return (_squeezed(_own(op)), *others)


@cache
def parsed_names() -> Mapping[str, str]:
    """By names of PyTorch's own ops, those that its parser writes down in their place."""
    table = read_tables(_PARSED)
    return {name: table.text(name) for name in table.values}


def _squeezed(name: str) -> str:
    # What is written in place ends in an underscore, and is another op.
    own = name.lower()
    return own.strip("_").replace("_", "") + ("_" if own.endswith("_") else "")


def _own(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 2 else name


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


@cache
def _others() -> Mapping[str, tuple[str, ...]]:
    table = read_tables(_TABLE)
    parsed = {_squeezed(name): (f"aten.{other}",) for name, other in parsed_names().items()}
    return parsed | {_squeezed(name): table.texts(name) for name in table.values}
