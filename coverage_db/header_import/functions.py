"""The functions of NNAPI's header, or of the list of symbols that its library exports, with the API level of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nnapi_check.coverage_db.header_import.c_tokens import NAMED_API_LEVELS, Guards, Token, read_tokens
from nnapi_check.coverage_db.header_import.source_lines import Document

_PREFIX = "ANeuralNetworks"
_MARKS = ("__INTRODUCED_IN", "__NNAPI_INTRODUCED_IN")
_BLOCK = re.compile(r"^(\w+) \{")
_SYMBOL = re.compile(rf"^\s*({_PREFIX}\w+);(?:\s*# introduced=(?:(\d+)|(\w+)))?\s*$")
# What the platform's own libraries see stands in a block of another name.
_FOR_APPS = "LIBNEURALNETWORKS"
_FIRST_API_LEVEL = 27


@dataclass(frozen=True, slots=True)
class CFunction:
    """A function that is declared or exported. ``api_level`` is None where nothing tells it."""

    name: str
    api_level: int | None
    line: int


def is_symbol_list(document: Document) -> bool:
    """Whether the document is the version script of ``libneuralnetworks.so``."""
    return any(_block(line.text) == _FOR_APPS for line in document.lines)


def read_symbols(document: Document) -> tuple[CFunction, ...]:
    """The symbols that a version script exports to apps; one without a mark has been there from the start."""
    found: list[CFunction] = []
    block = ""
    for line in document.lines:
        block = _block(line.text) or block
        symbol = _SYMBOL.match(line.text)
        if symbol is not None and block == _FOR_APPS:
            level = int(symbol[2]) if symbol[2] else NAMED_API_LEVELS.get(symbol[3]) if symbol[3] else _FIRST_API_LEVEL
            found.append(CFunction(symbol[1], level, line.number))
    return tuple(found)


def _block(text: str) -> str:
    return found[1] if (found := _BLOCK.match(text)) else ""


def read_functions(document: Document) -> tuple[CFunction, ...]:
    """The functions that a header declares. Their level is that of their mark, or else of the guard around them."""
    return tuple(_declarations(document, list(read_tokens(document))))


@dataclass(frozen=True, slots=True)
class _Ending:
    """What follows a list of parameters: whether a declaration ends there, and the API level that it is marked with."""

    is_declaration: bool
    api_level: int | None = None


def _declarations(document: Document, tokens: list[Token]) -> Iterator[CFunction]:
    guards = Guards()
    for position, token in enumerate(tokens):
        if token.kind == "directive":
            guards.read(token, document)
        elif token.kind == "word" and token.text.startswith(_PREFIX) and _text(tokens, position + 1) == "(":
            ending = _ending(tokens, position + 1)
            if ending.is_declaration:
                level = guards.api_level if ending.api_level is None else ending.api_level
                yield CFunction(token.text, level, token.line)


def _ending(tokens: list[Token], opening: int) -> _Ending:
    level = None
    depth = 0
    for position in range(opening, len(tokens)):
        match tokens[position].text:
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case ";" if depth == 0:
                return _Ending(is_declaration=True, api_level=level)
            case mark if mark in _MARKS:
                level = _api_level(_text(tokens, position + 2))
            case "{" | "}":
                break
    return _Ending(is_declaration=False)


def _api_level(word: str) -> int | None:
    """An API level by its number, or by its name in <android/api-level.h>."""
    return int(word) if word.isdigit() else NAMED_API_LEVELS.get(word.strip("_").removeprefix("ANDROID_API_"))


def _text(tokens: list[Token], position: int) -> str:
    return tokens[position].text if position < len(tokens) else ""
