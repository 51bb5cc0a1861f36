"""Combinations of element types that convolutions document: input, filter, bias and output, each with its level."""

from __future__ import annotations

import re

from nnapi_check.coverage_db.header_import.comment_sections import Section
from nnapi_check.coverage_db.header_import.level_words import LEVEL, LevelWords
from nnapi_check.coverage_db.spec import BiasScale, Configuration, OperandType

_PART = re.compile(r"(\w+) for (.*)$")
_ROLES = ("input", "filter", "bias", "output")


def configurations(section: Section, levels: LevelWords, since: int) -> tuple[list[Configuration], list[str]]:
    """The combinations that a section lists, and the headings of those that are not understood.

    Raises ``UnknownLevelError`` where a level is named that is not known.
    """
    found, unread = [], []
    level = since
    for heading, parts in _groups(section.lines):
        if not parts:
            level = levels.level(heading)
            continue
        named = re.search(rf"\(since ({LEVEL})\)", heading)
        read = _combined(parts, levels.level(named[1]) if named else level)
        if read is None:
            unread.append(heading)
        else:
            found.append(read)
    return found, unread


def _groups(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Headings with what stands below each: "* Quantized:" and "* * TYPE for input"; remarks have nothing below."""
    groups: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("Available since"):
            groups.append((line, []))
        elif line.startswith("* * "):
            words = line[4:].removeprefix("* ")
            starts_part = bool(_PART.match(words))
            if groups and (starts_part or not groups[-1][1]):
                groups[-1][1].append(words)
            elif groups:
                groups[-1][1][-1] += f" {words}"
        elif line.startswith("* "):
            groups.append((line[2:], []))
        elif line.strip() and groups and groups[-1][1]:
            groups[-1][1][-1] += f" {line.strip()}"
        elif line.strip() and groups:
            groups[-1] = (f"{groups[-1][0]} {line.strip()}", [])
    return groups


def _combined(parts: list[str], level: int) -> Configuration | None:
    types: dict[str, OperandType] = {}
    scale: BiasScale | None = None
    for part in parts:
        words = _PART.match(part)
        if words is None or words[1] not in OperandType.__members__:
            return None
        kind = OperandType[words[1]]
        named = words[2].partition("(")[0]
        for role in _ROLES:
            if role in named:
                types[role] = kind
        if "bias" in named and kind is OperandType.TENSOR_INT32:
            scale = BiasScale.ZERO if "scale set to 0.0" in words[2] else BiasScale.PRODUCT
    if set(types) != set(_ROLES):
        return None
    return Configuration(level, types["input"], types["filter"], types["bias"], types["output"], scale)
