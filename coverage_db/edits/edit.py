"""Edits: calls of PyTorch with what to write in their place, as code, of the files in ``coverage_db/edits/code``.

The code is Python as a user writes it. Its names are the tensors of the op's schema (the first one is ``x``) and what
it gives: ``y``, and ``y1``, ``y2`` of further outputs. In braces stand quantities of the call, in the grammar of
``coverage_db/checks.py``, and tensors that may be numbers: ``F.max_pool2d(x, {kernel_size})`` is shown, and tried, as
``F.max_pool2d(x, (3, 2))``.

An edit of many ops alike tells in ``calls`` the ``code`` that calls each, with ``@`` in place of its tensor:
``[[x.float()]]`` in what stands ``before`` and ``after`` is that call of ``x.float()``. It is an edit for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from math import isfinite
from pathlib import Path

from nnapi_check.coverage_db.card_reading import parse_example
from nnapi_check.coverage_db.card_text import CardTable, mapping, read_toml
from nnapi_check.coverage_db.cards import Example
from nnapi_check.coverage_db.checks import CardError, Check, ConstantOrTuple, parse_check
from nnapi_check.coverage_db.user_documents import shown

_HOME = Path(__file__).parent
_QUANTITY = re.compile(r"\{([^{}]+)\}")
_CALL = re.compile(r"\[\[(.+?)\]\]")
_WORD = re.compile(r"\w+")
_ARGUMENT = re.compile(r"(?<![.\w])[a-z_]\w*")
_FIRST = frozenset({"self", "input"})


class Keeps(Enum):
    """What becomes of a model's numbers by an edit."""

    EXACT = "exact"  # they are the same
    ROUNDING = "rounding"  # they are the same but for rounding
    NEAR = "near"  # results of the call move by no more than is said
    RETRAIN = "retrain"  # it is another network, which has to be trained again


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of Python with quantities of a call in them."""

    text: str

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities, in order."""
        return tuple(_QUANTITY.findall(self.text))

    def filled(self, text_of: Callable[[str], str]) -> str:
        """The lines for one call, of whose quantities ``text_of`` gives the text."""
        return _QUANTITY.sub(lambda found: text_of(found[1]), self.text)

    @property
    def for_any_call(self) -> str:
        """The lines with quantities as they are computed from the arguments, as in ``F.max_pool2d(x, kernel_size)``."""
        return self.filled(lambda path: _ARGUMENT.sub(lambda word: code_name(word[0]), path))


@dataclass(frozen=True, slots=True)
class Edit:
    """What to write in place of calls of ``ops`` where ``when`` holds. ``says`` is it in a sentence.

    ``mends`` names the requirements of these ops' ways that such calls fail and the code does not. ``within`` is by how
    much results move that are kept near, ``provided`` what must hold of the values for what it keeps, where that is not
    so for all. ``examples`` are calls that it is for.
    """

    id: str
    ops: tuple[str, ...]
    when: Check | None
    says: str
    before: Code
    after: Code
    keeps: Keeps
    within: float | None
    provided: str
    examples: tuple[Example, ...]
    mends: tuple[str, ...] = ()

    @property
    def changes_numbers(self) -> bool:
        """Whether a model's numbers are others with it."""
        return self.keeps in (Keeps.NEAR, Keeps.RETRAIN)


@cache
def load_edits(folder: Path = _HOME / "code") -> tuple[Edit, ...]:
    """Read the edits, in the order in which they are tried: those that keep the numbers stand first."""
    tables = ((path.name, id_, raw) for path in sorted(folder.glob("*.toml")) for id_, raw in read_toml(path).items())
    found = [edit for file, id_, raw in tables for edit in _read_all(id_, raw, file)]
    return tuple(sorted(found, key=lambda edit: edit.changes_numbers))


def edits_for(op: str) -> tuple[Edit, ...]:
    """The edits of some calls of an op, in the order in which they are tried."""
    return tuple(edit for edit in load_edits() if op in edit.ops)


def code_name(name: str) -> str:
    """What code calls an argument of the op, or its output."""
    return "x" if name in _FIRST else "y" if name == "output" else name


def _read_all(id_: str, raw: object, file: str) -> Iterator[Edit]:
    """An edit, or one for each call that it names."""
    where = f"{file}: {id_}"
    shared = dict(mapping(raw, where))
    calls = CardTable({"calls": shared.pop("calls", [])}, where).items("calls")
    if not calls:
        yield _read(id_, shared, file)
    for given in calls:
        table = CardTable(given, f"{where}, calls")
        call = table.text("code")
        codes = {key: _called(shared.get(key), call) for key in ("before", "after")}
        own = {key: value for key in ("ops", "when", "mends", "examples") if (value := table.take(key)) is not None}
        table.close()
        yield _read(f"{id_}, {call.partition('(')[0]}", {**shared, **codes, **own}, file)


def _called(raw: object, call: str) -> object:
    return _CALL.sub(lambda found: call.replace("@", found[1]), raw) if isinstance(raw, str) else raw


def _read(id_: str, raw: object, file: str) -> Edit:
    where = f"{file}: {id_}"
    table = CardTable(raw, where)
    when = table.take("when")
    found = Edit(
        id=id_,
        ops=table.texts("ops"),
        when=None if when is None else parse_check(when, where),
        says=table.text("says"),
        before=_code(table.take("before"), f"{where}, before"),
        after=_code(table.take("after"), f"{where}, after"),
        keeps=_keeps(table.text("keeps"), where),
        within=table.optional_positive("within"),
        provided=table.optional_text("provided") or "",
        examples=tuple(parse_example(example, where) for example in table.items("examples")),
        mends=table.texts("mends"),
    )
    table.close()
    if not found.ops or not found.examples:
        raise CardError(f"{where}: an edit names the `ops` that it is for, and has `examples` of their calls")
    if (found.keeps is Keeps.NEAR) != (found.within is not None):
        raise CardError(f"{where}: `within` is said of what is kept near, and of nothing else")
    return found


def _code(raw: object, where: str) -> Code:
    if not isinstance(raw, str) or not raw.strip():
        raise CardError(f"{where}: lines of Python were wanted, found {shown(raw)}")
    return Code(raw.strip())


def _keeps(name: str, where: str) -> Keeps:
    known: Mapping[str, Keeps] = {item.value: item for item in Keeps}
    if name not in known:
        raise CardError(f"{where}: `keeps` is one of {', '.join(known)}, found {shown(name)}")
    return known[name]


def literal(value: ConstantOrTuple | None) -> str:
    """A value as Python writes it; plain words have quotes as people write them."""
    match value:
        case tuple():
            return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
        case str() if _WORD.fullmatch(value):
            return f'"{value}"'
        case float() if not isfinite(value):
            return f'float("{value}")'
        case _:
            return repr(value)
