"""A documenting comment of an operation, taken apart: types, ranks, inputs, outputs, level and prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_LINK = re.compile(r"\{@link\s+(?:ANEURALNETWORKS_)?(\w+)\s*\}")
_TYPES = re.compile(
    r"Supported (?:(?P<of>input|output|value) )?tensor (?:OperandCode|types?)\s*(?:\([Tt]ype T\))?:\s*$"
)
_CONFIGURATIONS = re.compile(r"Supported tensor (?:OperandCode|types?) configurations:\s*$")
_RANK = re.compile(r"Supported (?:(?:input|value|output) )?tensor rank:?\s*(?P<rest>.*)$")
_OPERANDS = re.compile(r"(?P<kind>Inputs?|Outputs?)(?:\s+\((?P<label>[^)]*)\))?:\s*$")
_AVAILABLE = re.compile(r"Available since .*[^:]$")
_ITEM = re.compile(r"\*\s+(?P<index>\d+\s*~\s*[^:]+|\d+|[A-Za-z](?=:)|\([^)]*\)):?(?P<rest>.*)$")
_ADDITIONAL = re.compile(r"Since (?P<level>.*?),? there are additional (?:inputs|outputs) to this op:\s*$")


class SectionKind(Enum):
    """What a section of a comment speaks of."""

    PROSE = "prose"
    TYPES = "types"
    SAME_TYPE = "same type"
    CONFIGURATIONS = "configurations"
    RANK = "rank"
    INPUTS = "inputs"
    OUTPUTS = "outputs"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class Item:
    """One numbered operand: its index or span as written, its words in one line, and the remark above it, if any."""

    index: str
    text: str
    under: str = ""


@dataclass(slots=True)
class Section:
    """A section: ``label`` is what stands in brackets after "Inputs", or whose types are listed; ``lines`` the rest."""

    kind: SectionKind
    label: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The section's words in one line."""
        return " ".join(" ".join(self.lines).split())

    def items(self) -> tuple[Item, ...]:
        """The numbered operands of a section of inputs or outputs."""
        return tuple(_items(self.lines))

    def bullets(self) -> tuple[str, ...]:
        """The words of each entry of a list of types."""
        found: list[str] = []
        for line in self.lines:
            if line.startswith("* "):
                found.append(line[2:])
            elif found and line.startswith(" "):
                found[-1] += f" {line.strip()}"
        return tuple(found)


def sections(comment: tuple[str, ...]) -> tuple[Section, ...]:
    """The sections of a comment in their order. Links are replaced by the name they lead to."""
    found = [Section(SectionKind.PROSE)]
    for line in _unlinked(comment):
        begun = _begun(line, found[-1])
        if begun is not None:
            found.append(begun)
        else:
            found[-1].lines.append(line)
    return tuple(found)


def _unlinked(comment: tuple[str, ...]) -> Iterator[str]:
    """Lines whose links are plain names. A link that is broken over two lines is drawn together first."""
    text = re.sub(r"\{@link\s*\n\s*", "{@link ", "\n".join(comment))
    yield from (line.rstrip() for line in _LINK.sub(r"\1", text).split("\n"))


def _begun(line: str, current: Section) -> Section | None:
    """The section that a line begins, or None where it belongs to the current one."""
    if found := _TYPES.match(line):
        return Section(SectionKind.TYPES, found["of"] or "input")
    if _CONFIGURATIONS.match(line):
        return Section(SectionKind.CONFIGURATIONS)
    if found := _RANK.match(line):
        return Section(SectionKind.RANK, lines=[found["rest"]])
    if found := _OPERANDS.match(line):
        kind = SectionKind.INPUTS if found["kind"].startswith("I") else SectionKind.OUTPUTS
        return Section(kind, found["label"] or "")
    if _AVAILABLE.match(line):
        return Section(SectionKind.AVAILABLE, lines=[line])
    if not line or line.startswith((" ", "*")):
        return None
    return _after_text(line, current)


def _after_text(line: str, current: Section) -> Section | None:
    """What a line of plain words begins: mostly prose, but some sections go on after one."""
    match current.kind:
        case SectionKind.PROSE | SectionKind.RANK | SectionKind.SAME_TYPE:
            return None
        case SectionKind.CONFIGURATIONS if line.startswith("Available since"):
            return None
        case SectionKind.TYPES if line.startswith("Since "):
            return Section(SectionKind.SAME_TYPE, lines=[line])
        case SectionKind.INPUTS | SectionKind.OUTPUTS if _ADDITIONAL.match(line):
            return None
        case _:
            return Section(SectionKind.PROSE, lines=[line])


def _items(lines: list[str]) -> Iterator[Item]:
    index, words, under = "", [""], ""
    for line in lines:
        if found := _ADDITIONAL.match(line):
            if index:
                yield Item(index, " ".join(" ".join(words).split()), under)
            index, under = "", found["level"]
        elif found := _ITEM.match(line):
            if index:
                yield Item(index, " ".join(" ".join(words).split()), under)
            index, words = "".join(found["index"].split()), [found["rest"]]
        elif index and line.startswith(" "):
            words.append(line)
    if index:
        yield Item(index, " ".join(" ".join(words).split()), under)
