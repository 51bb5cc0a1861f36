"""The enumerations of a C header: members, values, comments, and the API level that guards them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nnapi_check.coverage_db.header_import.source_lines import Document, HeaderError

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<directive>^[ \t]*\#(?:\\\n|[^\n])*)|(?P<text>"(?:[^"\\\n]|\\.)*")"""
    r"""|(?P<number>0[xX][0-9a-fA-F]+|\d+)|(?P<word>[A-Za-z_]\w*)|(?P<sign>\S)""",
    re.DOTALL | re.MULTILINE,
)
_REMARK = re.compile(r"^// \w+ below are available since .*")
_GUARD = re.compile(r"__ANDROID_API__\s*>=\s*(?:(\d+)|__ANDROID_API_(\w+?)__)")
# https://developer.android.com/ndk/guides/apis: the names of API levels in <android/api-level.h>.
_NAMED_API_LEVELS = {"O_MR1": 27, "P": 28, "Q": 29, "R": 30, "S": 31, "T": 33, "U": 34, "V": 35}


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


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def read_enumerations(document: Document) -> tuple[CEnumeration, ...]:
    """Every enumeration of a C text; raises ``HeaderError`` where the text breaks off or one is malformed."""
    return _Reader(document, list(_tokens(document))).run()


def _tokens(document: Document) -> Iterator[_Token]:
    text = "\n".join(line.text for line in document.lines)
    numbers = [line.number for line in document.lines]
    index = position = 0
    for found in _TOKEN.finditer(text):
        index += text.count("\n", position, found.start())
        position = found.start()
        kind = str(found.lastgroup)
        if kind == "sign" and text.startswith("/*", found.start()):
            raise document.fail(numbers[index], "a comment is not closed: the file is not whole")
        yield _Token(kind, found[0], numbers[index])


@dataclass(slots=True)
class _Reader:
    document: Document
    tokens: list[_Token]
    position: int = 0
    guards: list[tuple[int, int | None]] = field(default_factory=list)
    comments: list[_Token] = field(default_factory=list)

    def run(self) -> tuple[CEnumeration, ...]:
        found = []
        while self.position < len(self.tokens):
            token = self._next()
            match token.kind:
                case "comment":
                    self.comments.append(token)
                case "directive":
                    self._guard(token)
                    self.comments.clear()
                case "word" if token.text == "enum":
                    if (enumeration := self._enumeration(token)) is not None:
                        found.append(enumeration)
                    self.comments.clear()
                case "word" if token.text == "typedef":
                    pass
                case _:
                    self.comments.clear()
        if self.guards:
            raise self.document.fail(self.guards[-1][0], "#if is not closed: the file is not whole")
        return tuple(found)

    def _next(self) -> _Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def _guard(self, token: _Token) -> None:
        word = token.text.strip().lstrip("#").split()
        if word[:1] and word[0].startswith("if"):
            found = _GUARD.search(token.text)
            level = (int(found[1]) if found[1] else _NAMED_API_LEVELS.get(found[2])) if found else None
            self.guards.append((token.line, level))
        elif word[:1] == ["endif"]:
            if not self.guards:
                raise self.document.fail(token.line, "#endif without an #if before it")
            self.guards.pop()

    def _enumeration(self, start: _Token) -> CEnumeration | None:
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
        api_level = next((level for _, level in reversed(self.guards) if level is not None), None)
        return CEnumeration(name, comment, tuple(members), start.line, api_level)

    def _inside(self, start: _Token) -> _Token:
        while self.position < len(self.tokens):
            token = self._next()
            if token.kind != "comment":
                return token
        raise self._cut(start)

    def _cut(self, start: _Token) -> HeaderError:
        return self.document.fail(start.line, "the text breaks off in the enumeration that begins here")

    def _members(self, start: _Token) -> list[CMember]:
        members: list[CMember] = []
        comments: list[_Token] = []
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

    def _value(self, member: _Token, members: list[CMember], start: _Token) -> tuple[int, int, bool]:
        """A member's value, the line of the comma after it, and whether the enumeration ends with it."""
        written: list[_Token] = []
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

    def _named(self, other: str, member: _Token, members: list[CMember]) -> int:
        for known in members:
            if known.name == other:
                return known.value
        raise self.document.fail(member.line, f"{member.text} is {other}, which is no member above it")


def _comment(tokens: list[_Token]) -> tuple[str, ...]:
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
