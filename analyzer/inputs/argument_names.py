"""What the arguments of ``forward`` are called: each by a name of its own."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words of TorchScript besides Python's, types that our own source names, and the module that a method belongs to.
_TAKEN = frozenset({"self", "print", "inf", "nan", "infj", "nanj", "bool"})
# Names that hide what PyTorch's own text of every module uses.
_HIDING = frozenset({"torch", "NoneType"})


def distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, where one comes again with a number after it. A trace gives each item of ``*inputs`` the same name."""
    given = list(names)
    taken = set(given)
    seen: set[str] = set()
    found: list[str] = []
    for name in given:
        found.append(_free(name, taken) if name in seen else name)
        seen.add(name)
        taken.add(found[-1])
    return tuple(found)


def source_names(names: Sequence[str]) -> tuple[str, ...]:
    """Distinct names that TorchScript's compiler takes as those of parameters: the same ones where it does."""
    said = [name if _is_said(name) else f"input_{index}" for index, name in enumerate(names)]
    return distinct_names(said)


def is_loadable(name: str) -> bool:
    """Whether PyTorch can load what it saves of a method with an argument of this name."""
    return _PLAIN.fullmatch(name) is not None and name not in _HIDING


def _is_said(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and not keyword.iskeyword(name) and name not in _TAKEN


def _free(name: str, taken: set[str]) -> str:
    number = 0
    while f"{name}{number}" in taken:
        number += 1
    return f"{name}{number}"
