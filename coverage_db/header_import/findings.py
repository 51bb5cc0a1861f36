"""All that a document says of NNAPI, and apart from it what was not read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nnapi_check.coverage_db.header_import.enumerations import CEnumeration, CMember, read_enumerations
from nnapi_check.coverage_db.header_import.functions import CFunction, is_symbol_list, read_functions, read_symbols
from nnapi_check.coverage_db.header_import.level_words import LEVEL, LevelWords, UnknownLevelError
from nnapi_check.coverage_db.header_import.operation_words import PREFIX, OperationReading, Unread
from nnapi_check.coverage_db.header_import.source_lines import Document, HeaderError, read_bytes, read_document
from nnapi_check.coverage_db.header_import.specification import expand, is_specification
from nnapi_check.coverage_db.spec import (
    Enumeration,
    EnumerationMember,
    FunctionFacts,
    Level,
    OperandType,
    OperationFacts,
)

CONSTANTS = "constants"
"""The enumeration that holds the members of C enumerations without a name."""

_OPERATIONS, _TYPES, _LEVELS = "OperationCode", "OperandCode", "FeatureLevelCode"
# What stands before each member's own name, besides the prefix of all.
_PREFIXES = {
    "FuseCode": "FUSED_",
    "PaddingCode": "PADDING_",
    "PreferenceCode": "PREFER_",
    "DeviceTypeCode": "DEVICE_",
    "PriorityCode": "PRIORITY_",
}
_SPOKEN = re.compile(rf"[Aa]vailable since ({LEVEL})")
_ANDROID = re.compile(r"available in (Android [\w-]+)")
_UNNAMED = "an update that its header does not name"


class DocumentKind(Enum):
    """What kind of document was read."""

    HEADER = "NDK header"
    SPECIFICATION = "specification"
    SYMBOLS = "list of symbols"


@dataclass(frozen=True, slots=True)
class ReadType:
    """An operand type: number and level."""

    type: OperandType
    since: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read of a document. ``level`` is the highest feature level that it knows of."""

    name: str
    sha256: str
    kind: DocumentKind
    level: int
    levels: tuple[Level, ...]
    types: tuple[ReadType, ...]
    enumerations: tuple[Enumeration, ...]
    operations: tuple[OperationFacts, ...]
    functions: tuple[FunctionFacts, ...]
    unread: tuple[Unread, ...]


def read_findings(path: Path, known: tuple[Level, ...]) -> Findings:
    """Read the NDK header, the specification or the list of symbols at ``path``. ``known`` are the registry's levels.

    Raises ``HeaderError`` where the file is none of them, is not whole, or contradicts itself.
    """
    data = read_bytes(path)
    document = read_document(path, data)
    kind = _kind_of(document)
    enumerations: tuple[CEnumeration, ...] = ()
    functions: tuple[CFunction, ...] = ()
    match kind:
        case DocumentKind.SPECIFICATION:
            enumerations = read_enumerations(expand(document))
        case DocumentKind.HEADER:
            enumerations, functions = read_enumerations(document), read_functions(document)
        case DocumentKind.SYMBOLS:
            functions = read_symbols(document)
    if not functions and not any(found.name == _OPERATIONS for found in enumerations):
        raise HeaderError(_no_operations(document, enumerations))
    return _Reading(document, enumerations, functions, known).run(kind, hashlib.sha256(data).hexdigest())


def _kind_of(document: Document) -> DocumentKind:
    if is_symbol_list(document):
        return DocumentKind.SYMBOLS
    return DocumentKind.SPECIFICATION if is_specification(document) else DocumentKind.HEADER


def _no_operations(document: Document, enumerations: Sequence[CEnumeration]) -> str:
    found = ", ".join(each.name for each in enumerations if each.name)
    has = f"it has {found}" if found else "it has no enumeration at all"
    return (
        f"{document.name} declares neither {_OPERATIONS} nor a function; {has}. "
        "Wanted is the NDK's NeuralNetworksTypes.h or NeuralNetworks.h, Android's types.spec, "
        "or libneuralnetworks.map.txt."
    )


class _Reading:
    """Reads the enumerations and functions of one document."""

    def __init__(
        self,
        document: Document,
        enumerations: Sequence[CEnumeration],
        functions: Sequence[CFunction],
        known: tuple[Level, ...],
    ) -> None:
        self._document = document
        self._enumerations = enumerations
        self._declared = functions
        self._unread: list[Unread] = []
        self._levels = tuple(self._read_levels())
        documented = frozenset(level.feature_level for level in self._levels)
        self._words = LevelWords.of(known, documented)

    def run(self, kind: DocumentKind, sha256: str) -> Findings:
        operations = tuple(self._operations())
        self._check_codes(operations)
        types = tuple(self._types())
        others = tuple(self._others())
        functions = tuple(self._functions())
        return Findings(
            name=self._document.name,
            sha256=sha256,
            kind=kind,
            level=self._level(operations, types, others, functions),
            levels=self._levels,
            types=types,
            enumerations=others,
            operations=operations,
            functions=functions,
            unread=tuple(self._unread),
        )

    def _level(
        self,
        operations: Iterable[OperationFacts],
        types: Iterable[ReadType],
        others: Iterable[Enumeration],
        functions: Iterable[FunctionFacts],
    ) -> int:
        found = {level.feature_level for level in self._levels}
        found |= {since for facts in operations for since in levels_of(facts)}
        found |= {read.since for read in types}
        found |= {member.since for each in others for member in each.members}
        found |= {facts.since for facts in functions}
        return max(found)

    def _named(self, name: str) -> Iterator[CEnumeration]:
        return (found for found in self._enumerations if found.name == name)

    def _note(self, member: CMember, why: str) -> None:
        self._unread.append(Unread(_bare(member.name), member.line, "", why))

    def _read_levels(self) -> Iterator[Level]:
        for enumeration in self._named(_LEVELS):
            for member in enumeration.members:
                number = _bare(member.name).removeprefix("FEATURE_LEVEL_")
                if not number.isdigit():
                    self._note(member, "is not a numbered feature level")
                    continue
                android = _ANDROID.search(" ".join(member.comment))
                yield Level(int(number), member.value, android[1] if android else _UNNAMED)

    def _guard(self, enumeration: CEnumeration) -> int | None:
        """The feature level of the guard around an enumeration."""
        if enumeration.api_level is None:
            return None
        try:
            return self._words.of_api_level(enumeration.api_level)
        except UnknownLevelError:
            return None

    def _functions(self) -> Iterator[FunctionFacts]:
        for declared in self._declared:
            why = "neither a mark after it nor a guard around it names an API level"
            if declared.api_level is not None:
                try:
                    yield FunctionFacts(declared.name, self._words.of_api_level(declared.api_level))
                    continue
                except UnknownLevelError as error:
                    why = str(error)
            self._unread.append(Unread(declared.name, declared.line, "", why))

    def _operations(self) -> Iterator[OperationFacts]:
        for enumeration in self._named(_OPERATIONS):
            for member in enumeration.members:
                reading = OperationReading(member, self._words, self._guard(enumeration))
                facts = reading.run()
                self._unread += reading.unread
                if facts is not None:
                    yield facts

    def _check_codes(self, operations: Sequence[OperationFacts]) -> None:
        names: dict[int, str] = {}
        for facts in operations:
            if facts.code in names or facts.name in names.values():
                other = names.get(facts.code, facts.name)
                raise HeaderError(f"{self._document.name}: {facts.name} = {facts.code}, and {other} is there already")
            names[facts.code] = facts.name

    def _types(self) -> Iterator[ReadType]:
        for enumeration in self._named(_TYPES):
            for member in enumeration.members:
                name = _bare(member.name)
                if name not in OperandType.__members__:
                    self._note(
                        member, f"operand type {member.value} is new: add it to OperandType and types.toml first"
                    )
                    continue
                if OperandType[name].value != member.value:
                    raise HeaderError(
                        f"{self._document.name}, line {member.line}: {name} is {member.value}, "
                        f"and NNAPI's {OperandType[name].value}"
                    )
                if (since := self._since(member, enumeration)) is not None:
                    yield ReadType(OperandType[name], since)

    def _since(self, member: CMember, enumeration: CEnumeration) -> int | None:
        """The level of a member: its comment's, its section's, its enumeration's, or that of the guard."""
        for words in (" ".join(member.comment), member.remark, " ".join(enumeration.comment)):
            if found := _SPOKEN.search(words):
                try:
                    return self._words.level(found[1])
                except UnknownLevelError as error:
                    self._note(member, str(error))
                    return None
        guard = self._guard(enumeration)
        if guard is None:
            self._note(member, "neither its comment nor its enumeration's names a level")
        return guard

    def _others(self) -> Iterator[Enumeration]:
        members: dict[str, list[EnumerationMember]] = {}
        for enumeration in self._enumerations:
            if enumeration.name in (_OPERATIONS, _TYPES, _LEVELS):
                continue
            # Enumerations of other kinds of a specification have no such members.
            own = [member for member in enumeration.members if member.name.startswith(PREFIX)]
            name = enumeration.name or CONSTANTS
            for member in own:
                since = self._since(member, enumeration)
                if since is not None:
                    short = _bare(member.name).removeprefix(_PREFIXES.get(name, ""))
                    members.setdefault(name, []).append(EnumerationMember(short, member.value, since))
        yield from (Enumeration(name, tuple(found)) for name, found in members.items())


def levels_of(facts: OperationFacts) -> frozenset[int]:
    """Every feature level from which something of an operation is there."""
    found = {facts.since}
    for pairs in (facts.types, facts.output_types, facts.same_type_only):
        found |= {since for _, since in pairs}
    found |= {each.since for each in facts.configurations} | {each.since for each in facts.zero}
    for signature in facts.signatures:
        found |= {signature.since} | {operand.since for operand in signature.inputs}
    return frozenset(found | {operand.since for operand in facts.outputs})


def _bare(name: str) -> str:
    return name.removeprefix(PREFIX)
