"""Changes to TOML text that leave everything else as it is written: comments, order, blank lines.

It knows the form in which the registry is written: tables begin at the start of a line, keys too, and values may go
on over several lines. Whoever changes a text reads it again and compares; see ``edits``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from nnapi_check.coverage_db.errors import UserError

_HEADER = re.compile(r"^\[\[?([^\]\n]+)\]\]?[ \t]*(?:#[^\n]*)?$", re.MULTILINE)
_SKIPPED = re.compile(r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL)


class EditError(UserError):
    """A text has another form than this module knows; it must be changed by hand."""


@dataclass(frozen=True, slots=True)
class Block:
    """A table's text: from its header to the next one, or to the comment above that.

    ``name`` is as written between the brackets.
    """

    name: str
    start: int
    end: int


@lru_cache(maxsize=8)
def blocks(text: str) -> tuple[Block, ...]:
    """Every table of a text that has a header, in order."""
    strings = [(found.start(), found.end()) for found in _SKIPPED.finditer(text) if "\n" in found[0]]
    headers = [
        found for found in _HEADER.finditer(text) if not any(start < found.start() < end for start, end in strings)
    ]
    if not headers:
        return ()
    ends = [_before_comment(text, found.start()) for found in headers[1:]] + [len(text)]
    return tuple(Block(found[1].strip(), found.start(), end) for found, end in zip(headers, ends, strict=True))


def _before_comment(text: str, header: int) -> int:
    """Where the comment right above a header begins, or the header where it has none."""
    start = header
    while start and text[text.rfind("\n", 0, start - 1) + 1 : start].startswith("#"):
        start = text.rfind("\n", 0, start - 1) + 1
    return start


def value_span(text: str, block: Block, key: str) -> tuple[int, int] | None:
    """Where the value of ``key`` stands in a block, or None without the key."""
    found = re.compile(rf"^{re.escape(key)}[ \t]*=[ \t]*", re.MULTILINE).search(text, block.start, block.end)
    if found is None:
        return None
    return found.end(), _value_end(text, found.end(), block.end)


def _value_end(text: str, start: int, limit: int) -> int:
    """The end of the value that begins at ``start``."""
    depth = 0
    position = start
    while position < limit:
        if skipped := _SKIPPED.match(text, position):
            if text[position] == "#" and depth == 0:
                return len(text[:position].rstrip())
            position = skipped.end()
            continue
        letter = text[position]
        if letter == "\n" and depth == 0:
            return len(text[start:position].rstrip()) + start
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(letter, 0)
        position += 1
    if depth:
        raise EditError("a value does not end where its table does")
    return len(text[start:limit].rstrip()) + start


def elements(text: str, span: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Where each element of the array at ``span`` stands."""
    if text[span[0]] != "[":
        raise EditError("an array was wanted")
    return tuple(_elements(text, span))


def _elements(text: str, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    depth, last = 0, span[0]
    start: int | None = None
    position = span[0] + 1
    while position < span[1]:
        letter = text[position]
        skipped = _SKIPPED.match(text, position)
        if depth == 0 and letter in ",]":
            if start is not None:
                yield start, last
            start = None
        elif skipped and letter == "#":
            position = skipped.end()
            continue
        elif not letter.isspace():
            start = position if start is None else start
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(letter, 0)
            last = skipped.end() if skipped else position + 1
        position = skipped.end() if skipped else position + 1


def set_value(text: str, block: Block, key: str, value: str, *, after: tuple[str, ...]) -> str:
    """The text with another value for ``key``; a new key stands after the last of ``after`` that is there.

    An array whose items are lines keeps those that are equal, with their comments.
    """
    span = value_span(text, block, key)
    if span is None:
        return _insert_key(text, block, f"{key} = {value}", after)
    if text[span[0]] == "[" and "\n" in text[span[0] : span[1]] and value.startswith("[\n"):
        return _set_items(text, span, value)
    return text[: span[0]] + value + text[span[1] :]


def _insert_key(text: str, block: Block, line: str, after: tuple[str, ...]) -> str:
    place = text.index("\n", block.start) if "\n" in text[block.start : block.end] else block.end
    for key in after:
        if (span := value_span(text, block, key)) is not None:
            ending = text.find("\n", span[1])
            place = max(place, ending if ending >= 0 else len(text))
    return f"{text[:place]}\n{line}{text[place:]}"


def without_key(text: str, block: Block, key: str) -> str:
    """The text without a key of a table, and without its line."""
    span = value_span(text, block, key)
    if span is None:
        return text
    start = text.rfind("\n", 0, span[0]) + 1
    ending = text.find("\n", span[1])
    return text[:start] + (text[ending + 1 :] if ending >= 0 else "")


def _set_items(text: str, span: tuple[int, int], value: str) -> str:
    """The text with the items of an array replaced where they differ, and new ones added at its end."""
    old = elements(text, span)
    new = [value[start:end] for start, end in elements(value, (0, len(value)))]
    if len(new) < len(old):
        raise EditError("an import never takes items away")
    added = "".join(f"    {item},\n" for item in new[len(old) :])
    closing = span[1] - 1
    result = text[:closing]
    # A last item without a comma gets one.
    if added and old and not text[old[-1][1] : closing].lstrip().startswith(","):
        result = text[: old[-1][1]] + "," + text[old[-1][1] : closing]
    result += added + text[closing:]
    for (start, end), item in reversed(list(zip(old, new, strict=False))):
        if _plain(text[start:end]) != _plain(item):
            result = result[:start] + item + result[end:]
    return result


def _plain(item: str) -> str:
    """An item without blanks and the comma before a closing bracket, so that only what it says is compared."""
    return re.sub(r",(?=[\]}])", "", re.sub(r"\s+", "", item))


def append_block(text: str, block: str) -> str:
    """The text with a table after all others."""
    return f"{text.rstrip()}\n\n{block}\n" if text.strip() else f"{block}\n"


def insert_after(text: str, block: Block, added: str) -> str:
    """The text with a table after another one."""
    return _joined(text[: block.end], f"\n{added}", text[block.end :])


def add_lines(text: str, block: Block, lines: str) -> str:
    """The text with more lines at a table's end."""
    return _joined(text[: block.end], lines, text[block.end :])


def _joined(head: str, added: str, tail: str) -> str:
    rest = tail.lstrip("\n")
    return f"{head.rstrip()}\n{added}\n" + (f"\n{rest}" if rest else "")
