"""TOML and JSON as people write them, read within bounds, so that whatever is found can be shown in a sentence."""

from __future__ import annotations

import json
import reprlib
import tomllib
from collections.abc import Callable, Iterable
from typing import TypeVar

_Found = TypeVar("_Found")

_MAX_DEPTH = 64
_MAX_BITS = 64
_SHOWN_CHARACTERS = 80

_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict = 3, 6, 4
_short.maxstring = _short.maxlong = _short.maxother = _SHOWN_CHARACTERS


def parse_toml(text: str) -> dict[str, object]:
    """The tables of a TOML text. Raises ``ValueError`` that says what is wrong, and mostly the line."""
    return _bounded(lambda: tomllib.loads(text))


def parse_json(text: str) -> object:
    """What a JSON text holds. Raises ``ValueError`` that says what is wrong."""
    return _bounded(lambda: json.loads(text))


def shown(value: object) -> str:
    """A value as it is written, as far as it is short enough for a sentence."""
    return _short.repr(value)


def _bounded(parse: Callable[[], _Found]) -> _Found:
    try:
        found = parse()
    except RecursionError:
        raise ValueError("its lists and tables stand too deep in one another") from None
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        # Both readers leave it to Python to refuse numbers of thousands of digits, in words for programmers.
        raise ValueError(f"it holds a whole number of more than {_MAX_BITS} bits") from None
    inside: Iterable[object] = (found,)
    for _ in range(_MAX_DEPTH):
        inside = [part for item in inside for part in _parts(item)]
        if any(isinstance(item, int) and item.bit_length() > _MAX_BITS for item in inside):
            raise ValueError(f"it holds a whole number of more than {_MAX_BITS} bits")
        if not inside:
            return found
    raise ValueError(f"its lists and tables stand more than {_MAX_DEPTH} deep in one another")


def _parts(item: object) -> Iterable[object]:
    match item:
        case dict():
            return item.values()
        case list():
            return item
        case _:
            return ()
