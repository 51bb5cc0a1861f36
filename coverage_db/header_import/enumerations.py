"""The enumerations of a C header: members, values, comments, and the API level that guards them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nnapi_check.coverage_db.header_import.c_tokens import Guards, Token, read_tokens
from nnapi_check.coverage_db.header_import.source_lines import Document, HeaderError

_REMARK = re.compile(r"^// \w+ below are available since .*")


@dataclass(frozen=True, slots=True)
class CMember:
    """A member of a C enumeration. ``comment`` are the lines of its comment, without stars; ``remark`` is the last
    line above it that speaks of all members below."""

    name: str
    value: int
    comment: tuple[str, ...]
    line: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class CEnumeration:
    """A C enumeration; one without a name has an empty ``name``. ``api_level`` is that of the guard around it."""

    name: str
    comment: tuple[str, ...]
    members: tuple[CMember, ...]
    line: int
    api_level: int | None


def read_enumerations(document: Document) -> tuple[CEnumeration, ...]:
    """Every enumeration of a C text; raises ``HeaderError`` where the text breaks off or one is malformed."""
    return _Reader(document, list(read_tokens(document))).run()


@dataclass(slots=True)
class _Reader:
    document: Document
    tokens: list[Token]
    position: int = 0
    guards: Guards = field(default_factory=Guards)
    comments: list[Token] = field(default_factory=list)

    def run(self) -> tuple[CEnumeration, ...]:
        found = []
        while self.position < len(self.tokens):
            token = self._next()
            match token.kind:
                case "comment":
                    self.comments.append(token)
                case "directive":
                    self.guards.read(token, self.document)
                    self.comments.clear()
                case "word" if token.text == "enum":
                    if (enumeration := self._enumeration(token)) is not None:
                        found.append(enumeration)
                    self.comments.clear()
                case "word" if token.text == "typedef":
                    pass
                case _:
                    self.comments.clear()
        self.guards.finish(self.document)
        return tuple(found)

    def _next(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def _enumeration(self, start: Token) -> CEnumeration | None:
        """The enumeration whose keyword was just read, or None where the keyword only names a type."""
        comment = _comment(self.comments)
        name = ""
        while True:
            token = self._inside(start)
            if token.text == "{":
                break
            if token.text in ";)*,=":
                return None
            if token.kind == "word" and token.text not in ("class", "struct") and not name:
                name = token.text
        members = self._members(start)
        while (token := self._inside(start)).text != ";":
            if token.kind == "word":
                name = token.text
        return CEnumeration(name, comment, tuple(members), start.line, self.guards.api_level)

    def _inside(self, start: Token) -> Token:
        while self.position < len(self.tokens):
            token = self._next()
            if token.kind != "comment":
                return token
        raise self._cut(start)

    def _cut(self, start: Token) -> HeaderError:
        return self.document.fail(start.line, "the text breaks off in the enumeration that begins here")

    def _members(self, start: Token) -> list[CMember]:
        members: list[CMember] = []
        comments: list[Token] = []
        last_comma, remark = 0, ""
        while self.position < len(self.tokens):
            token = self._next()
            if token.kind == "comment":
                # What follows a comma in its line speaks of the member before it.
                if token.line != last_comma:
                    comments.append(token)
                remark = found[0] if (found := _REMARK.search(token.text)) else remark
            elif token.text == "}":
                return members
            elif token.kind == "word":
                value, last_comma, is_last = self._value(token, members, start)
                members.append(CMember(token.text, value, _comment(comments), token.line, remark))
                comments = []
                if is_last:
                    return members
            elif token.kind != "directive":
                raise self.document.fail(token.line, f"a member of an enumeration was wanted, found {token.text!r}")
        raise self._cut(start)

    def _value(self, member: Token, members: list[CMember], start: Token) -> tuple[int, int, bool]:
        """A member's value, the line of the comma after it, and whether the enumeration ends with it."""
        written: list[Token] = []
        while (token := self._inside(start)).text not in (",", "}"):
            written.append(token)
        is_last = token.text == "}"
        match [part.text for part in written]:
            case []:
                value = members[-1].value + 1 if members else 0
            case ["=", one] if one.isdigit() or one[:2].lower() == "0x":
                value = int(one, 0) if not one.isdigit() else int(one)
            case ["=", "-", one] if one.isdigit():
                value = -int(one)
            case ["=", other]:
                value = self._named(other, member, members)
            case words:
                wanted = f"{member.text} wants a number or another member's name"
                raise self.document.fail(member.line, f"{wanted}, found {' '.join(words)!r}")
        return value, token.line, is_last

    def _named(self, other: str, member: Token, members: list[CMember]) -> int:
        for known in members:
            if known.name == other:
                return known.value
        raise self.document.fail(member.line, f"{member.text} is {other}, which is no member above it")


def _comment(tokens: list[Token]) -> tuple[str, ...]:
    """The lines of the last documenting comment, or of the run of line comments where there is none."""
    documenting = [token for token in tokens if token.text.startswith("/**")]
    if documenting:
        lines = documenting[-1].text[3:-2].split("\n")
        return tuple(_without_star(line) for line in lines)
    return tuple(token.text.lstrip("/").removeprefix(" ").rstrip() for token in tokens if token.text.startswith("//"))


def _without_star(line: str) -> str:
    bare = line.strip()
    if bare.startswith("*"):
        return bare[1:].removeprefix(" ").rstrip()
    return bare
