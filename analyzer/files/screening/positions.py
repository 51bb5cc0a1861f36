"""The record of where each line of an archive's code comes from, read by faster means than other pickles.

There is one for each file of code, and PyTorch reads them when it is asked where a node comes from.
"""

from __future__ import annotations

import io
import marshal
import pickle
import re
from collections.abc import Callable

from nnapi_check.analyzer.files.screening.pickle_reading import DamagedPickleError

_LEXED = re.compile(
    rb"(?:[Kqh].|\x87|M..|[()tea\]R\x85\x86N\x88\x89]|J.{4}|r..[\x00-\x0f]\x00|j.{4}|\x80.|"
    rb"ctorch\.jit\._pickle\n(?:build_intlist|restore_type_tag)\n)*+",
    re.DOTALL,
)


class _Positions(pickle.Unpickler):
    """Reads the pickle of source positions, which calls nothing but for lists of numbers."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """What stands for the only functions that such a pickle calls."""
        return _first


def _first(item: object, *_: object) -> object:
    return item


def check_positions(data: bytes) -> None:
    """Raise `PickleError` unless ``data`` is a pickle of plain tuples and texts, as source positions are."""
    at, end = 0, len(data)
    while at < end:
        at = _LEXED.match(data, at).end()  # type: ignore[union-attr]  # An empty match is one.
        if data[at : at + 1] == b"X" and at + 5 <= end:
            at += 5 + int.from_bytes(data[at + 1 : at + 5], "little")
        elif data[at:] == b".":
            break
        else:
            raise DamagedPickleError
    try:
        found = _Positions(io.BytesIO(data)).load()
        marshal.dumps(found)
        is_sound = _is_sound(found)
    except (pickle.UnpicklingError, ValueError, EOFError, TypeError, IndexError, KeyError, MemoryError) as error:
        raise DamagedPickleError from error
    if not is_sound:
        raise DamagedPickleError


def _is_sound(found: object) -> bool:
    """Whether every place in the record lies in the text that it is said to lie in, which PyTorch takes for granted."""
    match found:
        case ("FORMAT_WITH_STRING_TABLE", tuple() as table, tuple() as records):
            lengths = [len(text.encode()) for text in table]
            ranges = [span for _offset, span, _tag in records]
        case tuple():
            lengths = []
            ranges = [record[-1] for record in found]
        case _:
            return False
    known: dict[int, int] = {}
    for source, start, end in ranges:
        length = known.get(id(source))
        if length is None:
            length = known[id(source)] = _length_of(source, lengths)
        # What PyTorch makes itself has no text, and is said to lie in the first letter of it.
        if not 0 <= start <= end <= max(length, 1):
            return False
    return True


def _length_of(source: object, lengths: list[int]) -> int:
    """How long the text of a source is: texts of the table by their numbers, or, as was written before, a text."""
    match source:
        case (list() as parts, name, int()):
            numbers = [*parts, *([name] if name is not None else [])]
            if not numbers:
                return 0
            if set(map(type, numbers)) <= {int, bool} and min(numbers) >= 0 and max(numbers) < len(lengths):
                return sum(map(lengths.__getitem__, parts))
        case (str() as text, None | str(), int()):
            return len(text.encode())
        case _:
            pass
    raise ValueError("a source is damaged")
