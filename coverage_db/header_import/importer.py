"""One import: a document compared with the registry's text, and the text changed where that is asked for."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nnapi_check.coverage_db.card_reading import load_cards
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.header_import.edits import (
    with_functions,
    with_levels,
    with_members,
    with_new_operations,
    with_operation,
)
from nnapi_check.coverage_db.header_import.findings import DocumentKind, Findings, levels_of, read_findings
from nnapi_check.coverage_db.header_import.merge import Change, ChangeKind, Merge, Reach
from nnapi_check.coverage_db.header_import.operation_words import Unread
from nnapi_check.coverage_db.header_import.staging import only_import, replace_files
from nnapi_check.coverage_db.header_import.toml_text import append_block
from nnapi_check.coverage_db.knowledge import TEXT_DIRECTORY
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.platform_facts import load_enumerations, load_functions, load_imports, load_types
from nnapi_check.coverage_db.spec import (
    Enumeration,
    EnumerationMember,
    FunctionFacts,
    ImportRecord,
    Level,
    OperationFacts,
    TypeFacts,
)
from nnapi_check.coverage_db.text import read_tables

NEW_FILE = "operations/imported.toml"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found and did. ``total`` operations are in the registry with what is taken in.

    ``nameless`` are new inputs, such as "TOPK_V2 input 2", whose role the document does not tell.
    ``is_written`` says that the text was changed: it is not where nothing is to be taken in.
    """

    document: str
    kind: DocumentKind
    level: int
    read_operations: int
    read_functions: int
    total: int
    changes: tuple[Change, ...]
    unread: tuple[Unread, ...]
    nameless: tuple[str, ...]
    is_written: bool


def import_document(path: Path, directory: Path = TEXT_DIRECTORY / "nnapi", *, write: bool = False) -> ImportReport:
    """Compare the document at ``path`` with the text in ``directory``, and with ``write`` take in what it adds.

    Raises ``HeaderError`` for a document that cannot be read, ``TextError`` for text that cannot, ``EditError`` for
    text of an unknown form and ``StagingError`` where it cannot be written. The text is then as it was.
    """
    if not write:
        return _Import.of(path, directory).report(is_written=False)
    with only_import(directory):
        found = _Import.of(path, directory)
        contents = found.contents()
        if contents:
            replace_files(directory, contents)
        return found.report(is_written=bool(contents))


@dataclass(slots=True)
class _Import:
    directory: Path
    findings: Findings
    levels: tuple[Level, ...]
    types: tuple[TypeFacts, ...]
    enumerations: tuple[Enumeration, ...]
    operations: dict[str, OperationFacts]
    functions: tuple[FunctionFacts, ...]
    changes: list[Change] = field(default_factory=list)
    joined: dict[str, OperationFacts] = field(default_factory=dict)
    new_functions: list[FunctionFacts] = field(default_factory=list)
    new_levels: list[Level] = field(default_factory=list)
    new_members: dict[str, list[EnumerationMember]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, directory: Path) -> _Import:
        """The comparison of a document with the text in a directory."""
        levels = load_levels(directory / "levels.toml")
        operations = directory / "operations"
        found = cls(
            directory,
            read_findings(path, levels),
            levels,
            load_types(directory / "types.toml"),
            load_enumerations(directory / "enumerations.toml"),
            load_operations(operations) if any(operations.glob("*.toml")) else {},
            load_functions(directory / "functions.toml"),
        )
        found._compare()
        return found

    def report(self, *, is_written: bool) -> ImportReport:
        """What was found."""
        return ImportReport(
            document=self.findings.name,
            kind=self.findings.kind,
            level=self.findings.level,
            read_operations=len(self.findings.operations),
            read_functions=len(self.findings.functions),
            total=len(self.operations.keys() | self.joined.keys()),
            changes=tuple(self.changes),
            unread=self.findings.unread,
            nameless=tuple(self._nameless()),
            is_written=is_written,
        )

    def _nameless(self) -> Iterator[str]:
        """The new inputs of a type of their own. What follows the main input is named well enough by its index."""
        for name, joined in self.joined.items():
            known = self.operations[name].signatures if name in self.operations else ()
            before = {operand.index for signature in known for operand in signature.inputs}
            new = {
                operand.index: None
                for signature in joined.signatures
                for operand in signature.inputs
                if operand.type is not None and operand.role is None and operand.index not in before
            }
            yield from (f"{name} input {index}" for index in new)

    def _compare(self) -> None:
        reach = Reach(self.findings.level, self._reached())
        self._compare_levels()
        for facts in self.findings.operations:
            known = self.operations.get(facts.name)
            if known is None:
                self._add(facts)
                continue
            merge = Merge(known, facts, reach)
            joined = merge.run()
            self.changes += merge.changes
            if joined != known:
                self.joined[facts.name] = joined
        self._compare_types()
        self._compare_members()
        self._compare_functions()

    def _reached(self) -> int:
        """The highest level that was taken in so far; 0 where nothing was."""
        if not self.operations:
            return 0
        imported = [record.level for record in load_imports(self.directory / "imports.toml")]
        return max([*imported, *(level for facts in self.operations.values() for level in levels_of(facts))])

    def _dispute(self, subject: str, words: str) -> None:
        self.changes.append(Change(ChangeKind.DISPUTED, subject, words))

    def _compare_levels(self) -> None:
        known = {level.feature_level: level for level in self.levels}
        for level in self.findings.levels:
            subject = f"feature level {level.feature_level}"
            if level.feature_level not in known:
                self.new_levels.append(level)
                self.changes.append(Change(ChangeKind.NEW_LEVEL, subject, f"number {level.c_value}"))
            elif known[level.feature_level].c_value != level.c_value:
                words = f"number {known[level.feature_level].c_value}, read {level.c_value}"
                self._dispute(subject, words)

    def _add(self, facts: OperationFacts) -> None:
        codes = {known.code: known.name for known in self.operations.values()}
        if facts.code in codes:
            self._dispute(facts.name, f"code {facts.code} is that of {codes[facts.code]}")
            return
        self.joined[facts.name] = facts
        directory = self.directory.parent / "ops"
        suggested = _suggested_ops(facts.name, load_cards(directory).values()) if directory.is_dir() else ()
        types = ", ".join(kind.name for kind, _ in facts.types) or "no element types"
        words = f"code {facts.code}, from level {facts.since}: {types}"
        self.changes.append(Change(ChangeKind.NEW_OPERATION, facts.name, words, suggested))

    def _compare_types(self) -> None:
        known = {facts.type: facts for facts in self.types}
        for read in self.findings.types:
            since = known[read.type].since
            if since != read.since:
                self._dispute(read.type.name, f"from level {since}, read {read.since}")

    def _compare_members(self) -> None:
        known = {found.name: {member.name: member for member in found.members} for found in self.enumerations}
        for read in self.findings.enumerations:
            mine = known.get(read.name, {})
            for member in read.members:
                subject = f"{read.name}.{member.name}"
                if member.name not in mine:
                    self.new_members.setdefault(read.name, []).append(member)
                    words = f"{member.value}, from level {member.since}"
                    self.changes.append(Change(ChangeKind.MEMBER, subject, words))
                elif mine[member.name] != member:
                    here = mine[member.name]
                    words = f"{here.value} from level {here.since}, read {member.value} from level {member.since}"
                    self._dispute(subject, words)

    def _compare_functions(self) -> None:
        known = {facts.name: facts.since for facts in self.functions}
        for read in self.findings.functions:
            if read.name not in known:
                self.new_functions.append(read)
                self.changes.append(Change(ChangeKind.FUNCTION, read.name, f"from level {read.since}"))
            elif known[read.name] != read.since:
                self._dispute(read.name, f"from level {known[read.name]}, read {read.since}")

    def contents(self) -> dict[str, str]:
        """The new text of each file that changes, in an order in which each step leaves text that can be read."""
        found: dict[str, str] = {}
        if self.new_levels:
            found["levels.toml"] = with_levels(self._text("levels.toml"), self.new_levels)
        if self.new_members:
            text = self._text("enumerations.toml")
            for name, members in self.new_members.items():
                text = with_members(text, name, members)
            found["enumerations.toml"] = text
        if self.new_functions:
            found["functions.toml"] = with_functions(self._text("functions.toml"), self.new_functions)
        found |= self._operation_texts()
        if found:
            found["imports.toml"] = _with_record(self._text("imports.toml"), self._record())
        return found

    def _operation_texts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        homes = self._homes()
        for name, joined in self.joined.items():
            if name in self.operations:
                text = found.get(homes[name]) or self._text(homes[name])
                found[homes[name]] = with_operation(text, self.operations[name], joined)
        added = [facts for name, facts in self.joined.items() if name not in self.operations]
        if added:
            found[NEW_FILE] = with_new_operations(found.get(NEW_FILE) or self._text(NEW_FILE), added)
        return found

    def _homes(self) -> dict[str, str]:
        """The file of each operation, below the directory."""
        return {
            name: path.relative_to(self.directory).as_posix()
            for path in sorted((self.directory / "operations").glob("*.toml"))
            for name in read_tables(path).values
        }

    def _text(self, name: str) -> str:
        path = self.directory / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _record(self) -> ImportRecord:
        taken = [change for change in self.changes if change.is_taken]
        new = (ChangeKind.NEW_OPERATION, ChangeKind.NEW_LEVEL, ChangeKind.FUNCTION)
        return ImportRecord(
            document=self.findings.name,
            level=self.findings.level,
            sha256=self.findings.sha256,
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            added=_subjects(change for change in taken if change.kind in new),
            changed=_subjects(change for change in taken if change.kind not in new),
        )


def _subjects(changes: Iterable[Change]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(change.subject for change in changes))


_SHORTEST_NAME = 3


def _suggested_ops(operation: str, cards: Iterable[Card]) -> tuple[str, ...]:
    """The ops that are called as the operation is, that name it as one that could serve, or whose gap names it."""
    words = operation.lower().split("_")
    name = "".join(words)
    found = []
    for card in cards:
        if card.becomes:
            continue
        base = card.op.split(".")[1] if "." in card.op else card.op
        is_named = base.strip("_").replace("_", "").lower() == name
        texts = " ".join(text for text in (card.gap, card.fix) if text).lower()
        is_missed = len(name) >= _SHORTEST_NAME and re.search(rf"\b{'[ _]?'.join(map(re.escape, words))}\b", texts)
        if is_named or operation in card.unwritten or (card.gap is not None and is_missed):
            found.append(card.op)
    return tuple(found)


_HEADING = (
    "# What was imported, in order. `nnapi-check db import` adds an entry for each import that changes something."
)


def _with_record(text: str, record: ImportRecord) -> str:
    """The text with one more import."""
    lines = [
        "[[imports]]",
        f"document = {json.dumps(record.document)}",
        f"sha256 = {json.dumps(record.sha256)}",
        f"level = {record.level}",
        f"date = {json.dumps(record.date)}",
        f"added = {json.dumps(list(record.added))}",
        f"changed = {json.dumps(list(record.changed))}",
    ]
    return append_block(text or _HEADING, "\n".join(lines))
