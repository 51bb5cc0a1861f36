"""How large texts and tuples become that PyTorch puts together while it reads the code of an archive.

Its front end joins constant texts, and spells out the types of tuples. Forty lines that double what the line before
made are more than any machine holds, so that both are estimated before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from nnapi_check.analyzer.files.screening.script_code import CodeFile, Definition
from nnapi_check.analyzer.files.screening.suspect import SuspectError

_MAX_TEXT = 1 << 24
_MAX_ITEMS = 1 << 16
_LITERAL = '""'
_PADDING = re.compile(r"torch\.(?:zfill|ljust|rjust|center|expandtabs)\(")
_JOINING = re.compile(r"torch\.(?:add|format|percentFormat|str)\(")
_MULTIPLYING = re.compile(r"torch\.(?:join|replace)\(")
_NAME = re.compile(r"[A-Za-z_]\w*")
_TUPLE = re.compile(r"\((?P<items>[^()\[\]{}]*,[^()\[\]{}]*)\)")
_ITEM = re.compile(r"\((?P<tuple>\w+)\)\[(?P<place>\d{1,4})\]")
_NAMES = re.compile(r"(?:\w+, )+\w*|\w+")


@dataclass(frozen=True, slots=True)
class _Tuple:
    """A tuple by its items, or what may be one in an unknown way, and how many items all tuples in it have."""

    items: tuple[_Tuple | None, ...]
    size: int


def screen_growth(file: CodeFile) -> None:
    """Raise `SuspectError` where reading a file's code makes a huge text or type of a tuple, or pads a text."""
    if _PADDING.search(file.text):
        raise SuspectError("code that pads texts", "a program that leaves that out")
    for definition in file.definitions:
        _check_texts(definition, max(file.quoted, 1))
        _check_tuples(definition)


def _assignments(definition: Definition) -> Iterator[tuple[list[str], str]]:
    for line in definition.body:
        names, equals, expression = line.text.partition(" = ")
        if equals and _NAMES.fullmatch(names):
            yield _NAME.findall(names), expression


def _check_texts(definition: Definition, literal: int) -> None:
    """Follow the lengths of texts by name; each that is written out counts as ``literal``."""
    lengths: dict[str, int] = {}
    for names, expression in _assignments(definition):
        length = _length(expression, lengths, literal)
        if length > _MAX_TEXT:
            raise SuspectError(f"code that joins texts to more than {_MAX_TEXT:,} characters", "shorter ones")
        lengths.update(dict.fromkeys(names, length))


def _length(expression: str, lengths: Mapping[str, int], literal: int) -> int:
    used = [lengths[name] for name in _NAME.findall(expression) if lengths.get(name)]
    written = [literal] * expression.count(_LITERAL)
    if _MULTIPLYING.match(expression):
        return prod([*used, *written])
    if expression == _LITERAL or (_JOINING.match(expression) and (used or not expression.startswith("torch.add("))):
        return sum([*used, *written])
    return max(used, default=0)


def _check_tuples(definition: Definition) -> None:
    known: dict[str, _Tuple] = {}
    for names, expression in _assignments(definition):
        found = _tuple(expression, known)
        if found is None:
            continue
        if found.size > _MAX_ITEMS:
            raise SuspectError(f"code with tuples in one another of more than {_MAX_ITEMS:,} items", "fewer")
        parts = found.items if len(names) == len(found.items) > 1 else (found,) * len(names)
        known.update({name: part for name, part in zip(names, parts, strict=True) if part is not None})


def _tuple(expression: str, known: Mapping[str, _Tuple]) -> _Tuple | None:
    written = _TUPLE.fullmatch(expression)
    if written is not None:
        items = tuple(known.get(item.strip()) for item in written["items"].split(",") if item.strip())
        return _Tuple(items, sum(1 if item is None else 1 + item.size for item in items))
    item = _ITEM.fullmatch(expression)
    if item is not None and item["tuple"] in known:
        items = known[item["tuple"]].items
        return items[int(item["place"])] if int(item["place"]) < len(items) else None
    used = [known[name] for name in _NAME.findall(expression) if name in known]
    if not used:
        return None
    if expression.startswith("("):
        return _Tuple((), sum(part.size for part in used))
    return max(used, key=lambda part: part.size)
