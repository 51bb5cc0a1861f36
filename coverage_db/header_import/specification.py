"""Android's ``types.spec`` turned into the C text that it describes for the NDK.

A specification holds *sections* of C text. Its directives define macros and keep lines for some *kinds* of output;
what is read here is the kind ``ndk``. Without the template that a header is made from, each section that declares
members stands for itself: the name of a bare one tells whose members they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nnapi_check.coverage_db.header_import.source_lines import Document, HeaderError, Line

KIND = "ndk"

_DIRECTIVE = re.compile(r"%(/?[a-z][a-z-]*)(?:\s+(.*?))?\s*$")
_DEFINITION = re.compile(r"(\S+)(?:\s(.*))?$")
_MACRO = re.compile(r"%\{(\S+?)(?:\s+([^}]*?)\s*)?\}")
_PARAMETER = re.compile(r"%\{(\d+)\}")
_UNDEFINED = "@@@NOT_DEFINED@@@"
_MEMBER = re.compile(r"\s*ANEURALNETWORKS_\w+\s*=\s*\w+")
_REMARK = re.compile(r"%%.*\bNDK (?:Operand|Operation)Code\b.* for (?:API|Feature Level) (\d+)", re.IGNORECASE)
_CODES = {"Operand_": "OperandCode", "Operation_": "OperationCode"}


def is_specification(document: Document) -> bool:
    """Whether a document is a specification rather than C."""
    return any(line.text.startswith(("%section", "%define-lines", "%define-kinds")) for line in document.lines)


def expand(document: Document) -> Document:
    """The C text that a specification describes for the NDK. Its lines keep the numbers that they have there."""
    return _Expansion(document).run()


@dataclass(slots=True)
class _Condition:
    """A ``%kind`` that is not closed yet. ``parents_on`` says whether what encloses it is kept."""

    line: int
    is_on: bool
    parents_on: bool


@dataclass(slots=True)
class _Expansion:
    document: Document
    macros: dict[str, str] = field(default_factory=dict)
    sections: dict[str, list[Line]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    section: str = ""
    section_line: int = 0
    outer_conditions: int = 0
    conditions: list[_Condition] = field(default_factory=list)
    remark: str = ""
    remarks: dict[str, str] = field(default_factory=dict)

    def run(self) -> Document:
        for line in self.document.lines:
            if line.text.startswith("%%"):
                self._remark(line)
                continue
            if line.text.startswith("%") and not line.text.startswith("%{"):
                self._direct(line)
            elif self.section and self._is_on():
                self.sections[self.section].append(Line(line.number, self._substituted(line)))
        if self.conditions:
            raise self.document.fail(self.conditions[-1].line, "%kind is not closed: the file is not whole")
        if self.section:
            raise self.document.fail(self.section_line, f"section {self.section} is not closed: the file is not whole")
        return Document(self.document.name, tuple(self._c_text()))

    def _remark(self, line: Line) -> None:
        """Keep "NDK OperationCode for API 29" for the next sections, as the header has it above their members."""
        if found := _REMARK.match(line.text):
            level = "API level" if " API " in line.text else "NNAPI feature level"
            self.remark = f"// Members below are available since {level} {found[1]}."

    def _is_on(self) -> bool:
        return not self.conditions or self.conditions[-1].is_on

    def _direct(self, line: Line) -> None:
        found = _DIRECTIVE.match(line.text)
        directive, rest = (found[1], found[2] or "") if found else (line.text.split()[0], "")
        match directive:
            case "kind":
                is_on = self._is_on()
                self.conditions.append(_Condition(line.number, is_on and self._is_meant(rest, line), is_on))
            case "else":
                condition = self._condition(line)
                condition.is_on = condition.parents_on and not condition.is_on
            case "/kind":
                self._condition(line)
                self.conditions.pop()
            case "section" | "define-lines":
                self._open(rest, line)
            case "/section" | "/define-lines":
                self._close(line)
            case "define-kinds":
                self.kinds = tuple(rest.split())
                if KIND not in self.kinds:
                    raise self.document.fail(line.number, f"the kinds are {rest}; {KIND} is not among them")
            case "define":
                self._define(rest, line)
            case "insert" | "insert-lines" | "insert-indented":
                self._insert(rest, line, is_indented=directive == "insert-indented")
            case _:
                raise self.document.fail(line.number, f"%{directive} is not a directive of a specification")

    def _condition(self, line: Line) -> _Condition:
        if not self.conditions:
            raise self.document.fail(line.number, f"{line.text.strip()} without a %kind before it")
        if self.section and len(self.conditions) <= self.outer_conditions:
            problem = f"{line.text.strip()} in section {self.section}, which began inside that %kind"
            raise self.document.fail(line.number, problem)
        return self.conditions[-1]

    def _is_meant(self, patterns: str, line: Line) -> bool:
        """Whether patterns such as ``ndk``, ``hal*`` (a prefix) and ``hal_1.2+`` (that and what follows) name us."""
        for pattern in patterns.split():
            if pattern.endswith("*"):
                if KIND.startswith(pattern[:-1]):
                    return True
            elif pattern.endswith("+"):
                if pattern[:-1] not in self.kinds:
                    raise self.document.fail(line.number, f"{pattern[:-1]} is not among the kinds")
                if KIND in self.kinds[self.kinds.index(pattern[:-1]) :]:
                    return True
            elif pattern == KIND:
                return True
        return False

    def _open(self, name: str, line: Line) -> None:
        if self.section:
            raise self.document.fail(line.number, f"section {name} begins inside section {self.section}")
        if not name:
            raise self.document.fail(line.number, "a section has no name")
        if self._is_on():
            if name in self.sections:
                raise self.document.fail(line.number, f"section {name} is there twice")
            self.sections[name] = []
        self.section, self.section_line = name, line.number
        self.outer_conditions = len(self.conditions)
        self.remarks[name] = self.remark

    def _close(self, line: Line) -> None:
        if not self.section:
            raise self.document.fail(line.number, f"{line.text.strip()} without a section before it")
        if len(self.conditions) > self.outer_conditions:
            raise self.document.fail(self.conditions[-1].line, f"%kind is not closed in section {self.section}")
        self.section = ""

    def _define(self, rest: str, line: Line) -> None:
        found = _DEFINITION.match(rest)
        if not found:
            raise self.document.fail(line.number, "%define has no name")
        if self._is_on():
            self.macros[found[1]] = found[2] or ""

    def _insert(self, rest: str, line: Line, *, is_indented: bool) -> None:
        if not self.section:
            raise self.document.fail(line.number, "%insert outside a section")
        words = rest.split()
        if len(words) != 1 + is_indented:
            raise self.document.fail(line.number, f"%insert wants the name of a section, found {rest!r}")
        if not self._is_on():
            return
        if words[-1] not in self.sections:
            raise self.document.fail(line.number, f"there is no section {words[-1]} above")
        self.sections[self.section] += self.sections[words[-1]]

    def _substituted(self, line: Line) -> str:
        def body(found: re.Match[str]) -> str:
            if found[1] not in self.macros:
                raise self.document.fail(line.number, f"macro {found[1]} is not defined above")
            arguments = (found[2] or "").split()

            def argument(number: re.Match[str]) -> str:
                if not 1 <= int(number[1]) <= len(arguments):
                    raise self.document.fail(line.number, f"macro {found[1]} wants an argument {number[1]}")
                return arguments[int(number[1]) - 1]

            return _PARAMETER.sub(argument, self.macros[found[1]])

        return _MACRO.sub(body, line.text)

    def _c_text(self) -> list[Line]:
        """The sections that declare members, each as one enumeration."""
        text: list[Line] = []
        for name, lines in self.sections.items():
            # What is meant for other kinds only, this kind's macros turn into a mark.
            if any(_UNDEFINED in line.text for line in lines):
                continue
            if any("typedef enum" in line.text for line in lines):
                text += lines
                continue
            code = next((code for prefix, code in _CODES.items() if name.startswith(prefix)), None)
            if code is not None and any(_MEMBER.match(line.text) for line in lines):
                first, last = lines[0].number, lines[-1].number
                start = [Line(first, "typedef enum {"), Line(first, self.remarks[name])]
                text += [*start, *lines, Line(last, f"}} {code};")]
        if not text:
            raise HeaderError(f"{self.document.name} is a specification without any operation for the NDK")
        return text
