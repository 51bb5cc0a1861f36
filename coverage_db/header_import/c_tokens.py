"""The tokens of a C header, and the guards around them that ask for an API level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nnapi_check.coverage_db.header_import.source_lines import Document

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<directive>^[ \t]*\#(?:\\\n|[^\n])*)|(?P<text>"(?:[^"\\\n]|\\.)*")"""
    r"""|(?P<number>0[xX][0-9a-fA-F]+|\d+)|(?P<word>[A-Za-z_]\w*)|(?P<sign>\S)""",
    re.DOTALL | re.MULTILINE,
)
_GUARD = re.compile(r"__ANDROID_API__\s*>=\s*(?:(\d+)|__ANDROID_API_(\w+?)__)")
# https://developer.android.com/ndk/guides/apis: the names of API levels in <android/api-level.h>.
NAMED_API_LEVELS = {"O_MR1": 27, "P": 28, "Q": 29, "R": 30, "S": 31, "T": 33, "U": 34, "V": 35}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number, sign, text, comment or directive, and the line that it begins in."""

    kind: str
    text: str
    line: int


def read_tokens(document: Document) -> Iterator[Token]:
    """Every token of a C text; raises ``HeaderError`` where a comment is not closed."""
    text = "\n".join(line.text for line in document.lines)
    numbers = [line.number for line in document.lines]
    index = position = 0
    for found in _TOKEN.finditer(text):
        index += text.count("\n", position, found.start())
        position = found.start()
        kind = str(found.lastgroup)
        if kind == "sign" and text.startswith("/*", found.start()):
            raise document.fail(numbers[index], "a comment is not closed: the file is not whole")
        yield Token(kind, found[0], numbers[index])


@dataclass(slots=True)
class Guards:
    """The ``#if`` that are open at a place, each with its line and the API level that it asks for."""

    open: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def api_level(self) -> int | None:
        """The API level that the innermost guard with one asks for."""
        return next((level for _, level in reversed(self.open) if level is not None), None)

    def read(self, token: Token, document: Document) -> None:
        """Take in a directive; raises ``HeaderError`` for an ``#endif`` too many."""
        word = token.text.strip().lstrip("#").split()
        if word[:1] and word[0].startswith("if"):
            found = _GUARD.search(token.text)
            level = (int(found[1]) if found[1] else NAMED_API_LEVELS.get(found[2])) if found else None
            self.open.append((token.line, level))
        elif word[:1] == ["endif"]:
            if not self.open:
                raise document.fail(token.line, "#endif without an #if before it")
            self.open.pop()

    def finish(self, document: Document) -> None:
        """Raise ``HeaderError`` where a guard is still open."""
        if self.open:
            raise document.fail(self.open[-1][0], "#if is not closed: the file is not whole")
