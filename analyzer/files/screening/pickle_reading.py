"""Pickles as PyTorch writes them, read without making anything that they name.

PyTorch's own reader trusts what it reads: sizes, places in memory and numbers of functions are taken as they stand.
This one knows the same opcodes, and gives stand-ins: what a pickle would make, as plain data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import TypeAlias

MAX_SIZE = 64 << 20
MAX_DEPTH = 100


class PickleError(Exception):
    """Not a pickle as PyTorch writes them; says what is odd about it."""


class DamagedPickleError(PickleError):
    """Not a pickle at all."""

    def __init__(self) -> None:
        super().__init__("it is damaged")


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


_ORDERED = Name("collections", "OrderedDict")


class Sequence:
    """A list or a tuple. A dictionary is one of its keys and values in turn."""

    __slots__ = ("height", "is_mapping", "is_placed", "is_tuple", "items")

    def __init__(self, items: list[Value], *, is_tuple: bool = False, is_mapping: bool = False) -> None:
        self.items = items
        self.is_tuple = is_tuple
        self.is_mapping = is_mapping
        self.is_placed = False
        self.height = _height_over(items) if items else 1

    def pairs(self) -> Iterator[tuple[Value, Value]]:
        """The keys of a dictionary with their values."""
        return zip(self.items[::2], self.items[1::2], strict=True)


class Made:
    """What calling ``name`` with ``given`` makes, or an object of that class in that state.

    ``held`` are the keys and values of an ordered dictionary, which are put into it once it is made.
    """

    __slots__ = ("given", "height", "held", "is_placed", "name")

    def __init__(self, name: Name, given: Value) -> None:
        self.name = name
        self.given = given
        self.held: Sequence | None = None
        self.height = _height_over((given,))
        self.is_placed = not self.is_empty_dictionary

    @property
    def is_empty_dictionary(self) -> bool:
        """Whether this is an ordered dictionary in which nothing is yet."""
        is_plain = isinstance(self.given, Sequence) and self.given.is_tuple and not self.given.items
        return self.name == _ORDERED and is_plain and self.held is None

    def hold(self, items: list[Value]) -> None:
        """Put keys and values into an empty dictionary that nothing holds yet, itself included."""
        self.held = Sequence(items, is_mapping=True)
        if self.is_placed:
            raise PickleError("it adds to a list or dictionary that is in use already")
        self.is_placed = True
        self.height = max(self.height, self.held.height + 1)

    def is_described_by(self, state: Value) -> bool:
        """Whether ``state`` is what the state of a module says of itself beside its tensors, which nothing reads."""
        is_alone = isinstance(state, Sequence) and state.is_mapping and state.items[::2] == ["_metadata"]
        return self.name == _ORDERED and is_alone


class Storage:
    """The elements of tensors: those named by a tuple of a word, a type, a key, a device and a count."""

    __slots__ = ("given", "height", "is_placed")

    def __init__(self, given: Value) -> None:
        self.given = given
        self.is_placed = True
        self.height = _height_over((given,))


Value: TypeAlias = "int | float | str | Name | Sequence | Made | Storage | None"

_INT32, _UINT16, _UINT32, _DOUBLE = (struct.Struct(form).unpack_from for form in ("<i", "<H", "<I", ">d"))


def _height_over(items: Items[Value]) -> int:
    """How high a value is nested that holds ``items``, which are complete from now on, so that none holds itself."""
    height = 0
    for item in items:
        if isinstance(item, _NESTED):
            item.is_placed = True
            height = max(height, item.height)
    if height >= MAX_DEPTH:
        raise PickleError(f"it is nested more than {MAX_DEPTH} deep")
    return height + 1


_NESTED = (Sequence, Made, Storage)


@dataclass(frozen=True, slots=True)
class Pickle:
    """What a pickle stands for, with every name, call and storage in it, in order."""

    root: Value
    names: frozenset[Name]
    made: tuple[Made, ...]
    storages: tuple[Storage, ...]


def read_pickle(data: bytes) -> Pickle:
    """What a pickle stands for. Raises `PickleError`."""
    if len(data) > MAX_SIZE:
        raise PickleError(f"it has {len(data):,} bytes, which is more than any description of a model")
    try:
        return _run(data)
    except (IndexError, struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise DamagedPickleError from error


def _run(data: bytes) -> Pickle:  # One branch for each opcode.
    stack: list[Value] = []
    marks: list[int] = []
    memo: dict[int, Value] = {}
    names: set[Name] = set()
    all_made: list[Made] = []
    storages: list[Storage] = []
    push, at = stack.append, 0
    while True:
        code = data[at]
        at += 1
        match code:
            case 0x4B:  # K
                push(data[at])
                at += 1
            case 0x71:  # q
                memo[data[at]] = stack[-1]
                at += 1
            case 0x68:  # h
                push(memo[data[at]])
                at += 1
            case 0x87:
                stack[-3:] = [Sequence(stack[-3:], is_tuple=True)] if len(stack) > 2 else _underflow()
            case 0x4D:  # M
                push(_UINT16(data, at)[0])
                at += 2
            case 0x28:  # (
                marks.append(len(stack))
            case 0x74:  # t
                start = marks.pop()
                stack[start:] = [Sequence(stack[start:], is_tuple=True)]
            case 0x58:  # X
                size = _UINT32(data, at)[0]
                if size > len(data) - at - 4:
                    raise DamagedPickleError
                push(data[at + 4 : at + 4 + size].decode())
                at += 4 + size
            case 0x52 | 0x62:  # R, b
                given, name = stack.pop(), stack.pop()
                if code == 0x62 and isinstance(name, Made) and name.is_described_by(given):
                    push(name)
                    continue
                if not isinstance(name, Name):
                    raise PickleError("it calls what is no name")
                made = Made(name, given)
                all_made.append(made)
                push(made)
            case 0x81:
                empty = stack.pop()
                if not isinstance(empty, Sequence) or empty.items or not isinstance(stack[-1], Name):
                    raise PickleError("it makes an object of what is no class")
            case 0x7D:  # }
                push(Sequence([], is_mapping=True))
            case 0x5D:  # ]
                push(Sequence([]))
            case 0x29:  # )
                push(Sequence([], is_tuple=True))
            case 0x85:
                stack[-1:] = [Sequence(stack[-1:], is_tuple=True)] if stack else _underflow()
            case 0x86:
                stack[-2:] = [Sequence(stack[-2:], is_tuple=True)] if len(stack) > 1 else _underflow()
            case 0x63:  # c
                end = data.index(b"\n", at)
                last = data.index(b"\n", end + 1)
                used = Name(data[at:end].decode(), data[end + 1 : last].decode())
                names.add(used)
                push(used)
                at = last + 1
            case 0x51:  # Q
                storage = Storage(stack.pop())
                storages.append(storage)
                push(storage)
            case 0x89 | 0x88:
                push(code == 0x88)
            case 0x4E:  # N
                push(None)
            case 0x4A:  # J
                push(_INT32(data, at)[0])
                at += 4
            case 0x8A:
                size = data[at]
                push(int.from_bytes(data[at + 1 : at + 1 + size], "little", signed=True))
                at += 1 + size
            case 0x47:  # G
                push(_DOUBLE(data, at)[0])
                at += 8
            case 0x65 | 0x75:  # e, u
                start = marks.pop()
                _extend(stack[start - 1] if start else None, stack[start:], is_mapping=code == 0x75)
                del stack[start:]
            case 0x61:  # a
                item = stack.pop()
                _extend(stack[-1], [item], is_mapping=False)
            case 0x73:  # s
                _extend(stack[-3], stack[-2:], is_mapping=True)
                del stack[-2:]
            case 0x72:  # r
                place = _UINT32(data, at)[0]
                if place > len(data):
                    raise DamagedPickleError
                memo[place] = stack[-1]
                at += 4
            case 0x6A:  # j
                push(memo[_UINT32(data, at)[0]])
                at += 4
            case 0x80:
                at += 1
            case 0x2E:  # .
                if len(stack) != 1 or marks:
                    raise DamagedPickleError
                return Pickle(stack[0], frozenset(names), tuple(all_made), tuple(storages))
            case _:
                raise PickleError(f"it has an opcode ({code:#04x}) that PyTorch does not write")


def _underflow() -> list[Value]:
    raise DamagedPickleError


def _extend(holder: Value, items: list[Value], *, is_mapping: bool) -> None:
    if isinstance(holder, Made) and is_mapping and holder.is_empty_dictionary:
        if len(items) % 2:
            raise DamagedPickleError
        holder.hold(items)
        return
    if not isinstance(holder, Sequence) or holder.is_tuple or holder.is_mapping != is_mapping:
        raise PickleError("it adds to what is no list or dictionary")
    height = _height_over(items)
    if holder.is_placed:
        raise PickleError("it adds to a list or dictionary that is in use already")
    if is_mapping and len(items) % 2:
        raise DamagedPickleError
    holder.items.extend(items)
    holder.height = max(holder.height, height)
