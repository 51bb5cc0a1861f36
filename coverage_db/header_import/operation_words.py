"""An operation, read from its member of the enumeration and the comment above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from nnapi_check.coverage_db.header_import.comment_sections import Item, Section, SectionKind, sections
from nnapi_check.coverage_db.header_import.configuration_words import configurations
from nnapi_check.coverage_db.header_import.enumerations import CMember
from nnapi_check.coverage_db.header_import.level_words import LEVEL, LevelWords, UnknownLevelError
from nnapi_check.coverage_db.header_import.operand_counts import input_counts, output_counts
from nnapi_check.coverage_db.header_import.operand_words import ReadOperand, read_operand
from nnapi_check.coverage_db.spec import (
    Configuration,
    OperandFacts,
    OperandType,
    OperationFacts,
    RankFacts,
    Signature,
    ZeroFacts,
)

PREFIX = "ANEURALNETWORKS_"

_BULLET = re.compile(r"(\w+)\b(.*)$")
_SINCE = re.compile(rf"\(since ({LEVEL})")
_BROADCASTS = re.compile(
    r"Two dimensions are compatible when:|supports broadcasting|compatible dim|dimensions compatible"
)
_RANK = re.compile(
    r"(?P<exact>\d+)(?: or (?P<or>\d+))?(?:[,. ]|$)|up to (?P<max>\d+)|from (?P<min>\d+)"
    r"|at least (?P<least>\d+) and up to (?P<most>\d+)"
)
_OTHER_RANKS = re.compile(rf"rank (?:other|less) than ([\d or]+?)\.? (?:is|are) only supported since ({LEVEL})")
_ZERO_WORDS = (
    ("batch", "zero batch(?:es|_size) is supported"),
    ("size", "may be zero-sized|zero-sized tensors are supported"),
    ("rois", "zero num_rois is supported"),
)

Types = tuple[tuple[OperandType, int], ...]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that the document says and that was not taken in, and why."""

    subject: str
    line: int
    words: str
    why: str


@dataclass(frozen=True, slots=True)
class _MainOperand:
    """The main operand with its types and where they were read; ``outputs`` are listed apart."""

    kind: str | None = None
    index: int | None = None
    types: Types = ()
    outputs: Types = ()
    types_from: str = ""


@dataclass(slots=True)
class OperationReading:
    """Reads one operation. What it cannot read it notes in ``unread``."""

    member: CMember
    levels: LevelWords
    level_of_guard: int | None
    unread: list[Unread] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The operation's name, without the prefix of the C header."""
        return self.member.name.removeprefix(PREFIX)

    def run(self) -> OperationFacts | None:
        """The facts, or None where the level or the inputs are not known: without them nothing can be said."""
        parts = sections(self.member.comment)
        since, since_from = self._since(parts)
        if since is None:
            return None
        combined = self._configurations(parts, since)
        rank = self._rank(parts)
        signatures = self._signatures(parts, since)
        if not signatures:
            return None
        outputs = self._operands(_of(parts, SectionKind.OUTPUTS), since, is_input=False)
        main = self._main(parts, since, signatures, combined)
        if main.kind == "input" and rank is not None:
            signatures = tuple(_without_main_rank(signature, main.index) for signature in signatures)
        nchw = [operand for signature in signatures for operand in signature.inputs if operand.role == "nchw"]
        return OperationFacts(
            name=self.name,
            code=self.member.value,
            since=since,
            main_kind=main.kind,
            main_index=main.index,
            types=main.types,
            signatures=signatures,
            outputs=tuple(operand.facts for operand in outputs),
            output_counts=output_counts(outputs, since),
            output_types=main.outputs,
            same_type_only=self._same_type_only(parts, dict(main.types)),
            configurations=combined,
            rank=rank,
            nchw_since=nchw[0].since if nchw else None,
            nchw_optional=nchw[0].optional if nchw else True,
            zero=self._zero(parts, since),
            broadcasts=any(_BROADCASTS.search(part.text) for part in parts),
            since_from=since_from,
            types_from=main.types_from,
        )

    def _note(self, words: str, why: str) -> None:
        self.unread.append(Unread(self.name, self.member.line, " ".join(words.split())[:160], why))

    def _since(self, parts: Sequence[Section]) -> tuple[int | None, str]:
        """The level, and where it was read if not in the comment: in a remark on all members below, or a guard."""
        for part in _of(parts, SectionKind.AVAILABLE):
            return self._level(part.text), ""
        if self.member.remark:
            return self._level(self.member.remark), "section"
        if self.level_of_guard is None:
            self._note("", "neither the comment nor a remark or guard above it names a level")
            return None, ""
        # A header of one level only has a guard around everything, and says nothing of single operations.
        return self.level_of_guard, ""

    def _level(self, words: str) -> int | None:
        try:
            return self.levels.level(words)
        except UnknownLevelError as error:
            self._note(words, str(error))
            return None

    def _main(
        self, parts: Sequence[Section], since: int, signatures: Sequence[Signature], combined: Sequence[Configuration]
    ) -> _MainOperand:
        if combined:
            types: dict[OperandType, int] = {}
            for found in combined:
                types[found.input] = min(types.get(found.input, found.since), found.since)
            return _MainOperand("input", 0, _ordered(types))
        lists = {part.label: self._listed(part, since) for part in _of(parts, SectionKind.TYPES)}
        outputs = lists.get("output", ())
        if listed := lists.get("value") or lists.get("input"):
            return _MainOperand("input", self._main_index(parts, signatures), listed, outputs)
        if outputs:
            return _MainOperand("output", 0, outputs)
        inputs = signatures[0].inputs if signatures else ()
        if any(operand.type is OperandType.MODEL for operand in inputs):
            return _MainOperand()
        kind = inputs[0].type if inputs else None
        if kind is not None and kind.is_tensor and all(operand.type is not None for operand in inputs):
            return _MainOperand("input", 0, ((kind, since),), types_from="input 0")
        self._note("", "lists no element types")
        return _MainOperand()

    def _main_index(self, parts: Sequence[Section], signatures: Sequence[Signature]) -> int:
        """The input called "Input" or "Values", else the first whose type is not fixed."""
        for item in _items(parts, SectionKind.INPUTS):
            if item.index.isdigit() and re.match(r"(?:Input|Values)\.", item.text):
                return int(item.index)
        for signature in signatures[:1]:
            for position, operand in enumerate(signature.inputs):
                if operand.type is None and not operand.is_scalar:
                    return position
        return 0

    def _listed(self, part: Section, since: int) -> Types:
        found: dict[OperandType, int] = {}
        for bullet in part.bullets():
            words = _BULLET.match(bullet)
            if words is None or words[1] not in OperandType.__members__:
                self._note(bullet, "is not an element type that this version knows")
                continue
            level = self._level(named[1]) if (named := _SINCE.search(words[2])) else since
            if level is not None:
                found[OperandType[words[1]]] = level
        return _ordered(found)

    def _same_type_only(self, parts: Sequence[Section], freely: dict[OperandType, int]) -> Types:
        found: dict[OperandType, int] = {}
        for part in _of(parts, SectionKind.SAME_TYPE):
            remark = re.search(rf"Since ({LEVEL}), casting tensors of the following OperandCode to the same", part.text)
            if remark is None:
                self._note(part.text, "is no list of types that is understood")
            elif (level := self._level(remark[1])) is not None:
                named = (_BULLET.match(bullet) for bullet in part.bullets())
                kinds = (OperandType[words[1]] for words in named if words and words[1] in OperandType.__members__)
                found |= {kind: level for kind in kinds if kind not in freely}
        return _ordered(found)

    def _configurations(self, parts: Sequence[Section], since: int) -> tuple[Configuration, ...]:
        found: list[Configuration] = []
        for part in _of(parts, SectionKind.CONFIGURATIONS):
            try:
                read, unread = configurations(part, self.levels, since)
            except UnknownLevelError as error:
                self._note(part.text, str(error))
                continue
            found += read
            for words in unread:
                self._note(words, "is no combination of element types that is understood")
        return tuple(found)

    def _rank(self, parts: Sequence[Section]) -> RankFacts | None:
        for part in _of(parts, SectionKind.RANK):
            found = _RANK.match(part.text)
            if found is None:
                self._note(part.text, "the rank is not understood")
                return None
            if found["or"]:
                ranks = sorted((int(found["exact"]), int(found["or"])))
                return RankFacts(ranks[0], ranks[1], from_start=tuple(ranks))
            low = found["exact"] or found["min"] or found["least"] or self._least_rank(parts)
            high = found["exact"] or found["max"] or found["most"]
            other = _OTHER_RANKS.search(part.text)
            return RankFacts(
                min=int(low) if low else None,
                max=int(high) if high else None,
                from_start=tuple(int(rank) for rank in re.findall(r"\d+", other[1])) if other else (),
                other_since=self._level(other[2]) if other else None,
            )
        return None

    def _least_rank(self, parts: Sequence[Section]) -> str | None:
        for item in _items(parts, SectionKind.INPUTS):
            found = re.match(r"A tensor of at least rank (\d+)", item.text)
            return found[1] if found else None
        return None

    def _zero(self, parts: Sequence[Section], since: int) -> tuple[ZeroFacts, ...]:
        for part in parts:
            generic = re.search(rf"Since ({LEVEL}), generic zero-sized input tensor is supported", part.text)
            if generic and (level := self._level(generic[1])) is not None:
                return (ZeroFacts("size", level),)
        found: dict[tuple[str, int], list[str]] = {}
        for part in _of(parts, SectionKind.INPUTS):
            of_list = self._level_of_list(part, since)
            for item in part.items():
                for what, words in _ZERO_WORDS:
                    if not re.search(words, item.text, re.IGNORECASE):
                        continue
                    remark = re.search(rf"Since ({LEVEL}), [^.]*(?:{words})", item.text, re.IGNORECASE)
                    reached = self._level(remark[1]) if remark else of_list
                    if reached is not None and item.index not in found.setdefault((what, reached), []):
                        found[what, reached].append(item.index)
        return tuple(ZeroFacts(what, level, tuple(inputs)) for (what, level), inputs in found.items())

    def _level_of_list(self, part: Section, since: int) -> int:
        _, _, remark = part.label.partition("since ")
        own = self._level(remark) if remark else None
        return own if own is not None else since

    def _signatures(self, parts: Sequence[Section], since: int) -> tuple[Signature, ...]:
        found: list[Signature] = []
        for part in _of(parts, SectionKind.INPUTS):
            name = part.label.partition(", since ")[0] or "default"
            if any(signature.name == name for signature in found):
                self._note(f"Inputs ({name})", "a second list of inputs has the same name")
                continue
            level = self._level_of_list(part, since)
            operands = self._operands([part], level, is_input=True)
            if not operands:
                self._note(f"Inputs ({name})", "the list is empty")
                continue
            inputs = tuple(_as_last(operand.facts) for operand in operands)
            repeated = sum(1 for operand in inputs if operand.index is None and not operand.is_last)
            found.append(
                Signature(
                    name=name,
                    since=level,
                    inputs=inputs,
                    counts=() if repeated else input_counts(operands, level),
                    is_variadic=bool(repeated),
                    fixed_inputs=len(inputs) - repeated if repeated else None,
                )
            )
        if not found:
            self._note("", "lists no inputs")
        return tuple(found)

    def _operands(self, parts: Sequence[Section], since: int, *, is_input: bool) -> list[ReadOperand]:
        read: list[ReadOperand] = []
        kind = "input" if is_input else "output"
        for item in (item for part in parts for item in part.items()):
            try:
                operand = read_operand(item, self.levels, since, is_input=is_input)
            except UnknownLevelError as error:
                self._note(item.text, str(error))
                continue
            if operand.facts.index is not None and operand.facts.index != len(read):
                self._note(f"{item.index}: {item.text}", f"{len(read)} was wanted as the number of the {kind}")
                continue
            if not operand.is_understood:
                self._note(
                    item.text, f"what is said of the scale and zero point of {kind} {item.index} is not understood"
                )
            read.append(operand)
        return read


def _of(parts: Sequence[Section], kind: SectionKind) -> list[Section]:
    return [part for part in parts if part.kind is kind]


def _items(parts: Sequence[Section], kind: SectionKind) -> Iterator[Item]:
    return (item for part in _of(parts, kind) for item in part.items())


def _ordered(types: dict[OperandType, int]) -> Types:
    return tuple(sorted(types.items(), key=lambda pair: (pair[1], pair[0])))


def _as_last(operand: OperandFacts) -> OperandFacts:
    """The same input; one whose number is a single letter, such as n, is the last, after repeated ones."""
    return replace(operand, is_last=operand.span is not None and len(operand.span) == 1)


def _without_main_rank(signature: Signature, index: int | None) -> Signature:
    """The same signature without the main operand's rank, which the operation's rank tells."""
    inputs = tuple(
        replace(operand, rank=None) if position == index else operand
        for position, operand in enumerate(signature.inputs)
    )
    return replace(signature, inputs=inputs)
