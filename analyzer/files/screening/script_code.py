"""The code of a TorchScript archive, split into lines and bounded before PyTorch's parser sees it.

The parser calls itself for everything that is nested, and stops the process where that goes too deep. It reads more
than PyTorch ever writes; what is accepted here is what is written: one statement a line, two blanks an indentation,
text in double quotes, no comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nnapi_check.analyzer.files.screening.suspect import SuspectError

_MAX_BRACKETS = 100
_MAX_INDENTATION = 100
_MAX_PARTS = 2000
"""How many parts of an expression may stand inside each other; names, operators and brackets count as if all did."""
_MAX_SIZE = 64 << 20
_WANTED = "code as torch.jit.save writes it"
_TEXT = r'"(?:[^"\\\n]|\\[^\n])*"'
_TOKEN = re.compile(r"[()\[\]{},]|[^()\[\]{},]+")
_PART = re.compile(r"[A-Za-z_0-9]+|[^\sA-Za-z_0-9]")
_ODD = re.compile(r"[^\n -~]|['#\\;`$?@]|\"\"\"")
_QUOTED = re.compile(_TEXT)


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One statement, or the head of one: how far it is indented, and its text, with empty texts for those in quotes."""

    depth: int
    text: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or method of an archive, its lines, and the class that it belongs to, if any."""

    name: str
    head: str
    body: tuple[CodeLine, ...]


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file of an archive's code: what stands in its classes apart from methods, and all functions and methods.

    ``text`` is all of it, with empty texts for those in quotes, of ``quoted`` characters together.
    """

    text: str
    quoted: int
    declarations: tuple[str, ...]
    definitions: tuple[Definition, ...]


def read_code(text: str) -> CodeFile:
    """Split the text of a file of code. Raises `SuspectError` for what PyTorch does not write, or not so deep."""
    if len(text) > _MAX_SIZE:
        raise SuspectError(f"a file of code of {len(text):,} bytes", f"at most {_MAX_SIZE:,}")
    bare = _QUOTED.sub('""', text)
    odd = _ODD.search(bare)
    if odd is not None or '"' in bare.replace('""', ""):
        found = odd[0] if odd is not None else '"'
        raise SuspectError(f"code with {found!r}", _WANTED)
    lines = list(_lines(bare))
    declarations: list[str] = []
    definitions: list[Definition] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if line.text.startswith("def "):
            while end < len(lines) and lines[end].depth > line.depth:
                end += 1
            name = line.text.removeprefix("def ").partition("(")[0].strip()
            definitions.append(Definition(name, line.text, tuple(lines[at + 1 : end])))
        elif not line.text.startswith("class "):
            declarations.append(line.text)
        at = end
    return CodeFile(bare, len(text) - len(bare), tuple(declarations), tuple(definitions))


def _lines(bare: str) -> Iterator[CodeLine]:
    """The statements, each a line or, inside brackets, more than one."""
    statement: list[str] = []
    balance = 0
    for line in bare.split("\n"):
        statement.append(line)
        opened = line.count("(") + line.count("[") + line.count("{")
        balance += opened - line.count(")") - line.count("]") - line.count("}")
        if balance > 0:
            continue
        if len(statement) > 1 or opened > _MAX_BRACKETS or len(line) > _MAX_PARTS:
            line = " ".join(statement)
            _check_nesting(line)
        statement, balance = [], 0
        stripped = line.strip()
        if not stripped:
            continue
        indentation = len(line) - len(line.lstrip())
        if indentation > 2 * _MAX_INDENTATION:
            raise SuspectError(f"code nested more than {_MAX_INDENTATION} deep", _WANTED)
        yield CodeLine(indentation, stripped)
    # Where a bracket stays open, PyTorch's parser finds the same, if it gets that far.
    _check_nesting(" ".join(statement))


def _check_nesting(statement: str) -> None:
    # The parts so far of each bracket that is open, since its last comma.
    counts = [0]
    total = 0
    for match in _TOKEN.finditer(statement):
        part = match[0]
        if part in "([{":
            counts.append(0)
            if len(counts) > _MAX_BRACKETS + 1:
                raise SuspectError(f"code with brackets nested more than {_MAX_BRACKETS} deep", _WANTED)
        elif part == ",":
            total -= counts[-1]
            counts[-1] = 0
        elif part in ")]}":
            if len(counts) == 1:
                raise SuspectError("code whose brackets do not match", _WANTED)
            total -= counts.pop() - 1
            counts[-1] += 1
        else:
            more = len(_PART.findall(part))
            counts[-1] += more
            total += more
        if total > _MAX_PARTS:
            raise SuspectError(f"an expression of more than {_MAX_PARTS} parts in one another", _WANTED)
