"""Changes to TOML text that leave everything else as it is written: comments, order, blank lines.

They are made to the bodies of tomlkit's tables, the entries in the order in which they are written: added to a table
by its methods, a key would stand behind the comment above the next table, and ``types.9`` before ``types.4``. The
lookups of a table do not know of such a change, so nothing is looked up by them here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tomlkit
from tomlkit.container import Container
from tomlkit.items import AoT, Array, Item, Key, Table, Whitespace

from nnapi_check.coverage_db.errors import UserError

Body = list[tuple[Key | None, Item]]


class EditError(UserError):
    """A text has another form than this module knows; it must be changed by hand."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a key stands in a table, and its value, which for a dotted key is in tables of its own."""

    at: int
    body: Body
    index: int


def read_document(text: str) -> tomlkit.TOMLDocument:
    """The document of a text, whose last line ends as the others do."""
    return tomlkit.parse(text if text.endswith("\n") or not text else f"{text}\n")


def table_in(document: Container, name: str) -> Table:
    """The table with a header of its own, and no part of it elsewhere."""
    match _values(document, name):
        case [Table() as table] if not table.is_super_table():
            return table
    raise EditError(f"{name} has no table of its own")


def array_in(container: Container, name: str) -> AoT:
    """The tables whose headers are ``[[name]]``; there must be one."""
    match _values(container, name):
        case [AoT() as array] if len(array):
            return array
    raise EditError(f"{name} is not written as tables")


def _values(container: Container, name: str) -> list[Item]:
    return [item for key, item in container.body if key is not None and key.key == name]


def set_value(table: Table, key: str, value: str, *, after: tuple[str, ...]) -> None:
    """Give ``key`` another value; a new key stands after the last of ``after`` that is there.

    An array whose items are lines keeps those that are equal, with their comments.
    """
    places = dict(_places(table.value.body))
    if key not in places:
        last = max((places[other].at for other in after if other in places), default=-1)
        table.value.body.insert(last + 1, _entry(f"{key} = {value}"))
        return
    body, index = places[key].body, places[key].index
    name, old = body[index]
    new = tomlkit.value(value)
    if isinstance(old, Array) and isinstance(new, Array) and "\n" in old.as_string() and value.startswith("[\n"):
        _set_items(old, new)
    else:
        was = old.trivia
        new.trivia.comment_ws, new.trivia.comment, new.trivia.trail = was.comment_ws, was.comment, was.trail
        body[index] = (name, new)


def remove_key(table: Table, key: str) -> None:
    """Take a key away, and its line."""
    place = dict(_places(table.value.body)).get(key)
    if place is not None:
        del table.value.body[place.at]


def add_line(table: Table, line: str) -> None:
    """Write one more key at a table's end."""
    body = table.value.body
    body.insert(_end(body), _entry(line))


def add_table(array: AoT, text: str) -> None:
    """Write one more table after those of an array; the comment above the next table stays above that."""
    last, added = array.body[-1].value.body, _first_array(tomlkit.parse(f"{text}\n")).body[0]
    end = _end(last)
    added.value.body.extend(last[end:])
    last[end:] = [(None, Whitespace("\n"))]
    array.body.append(added)


def _first_array(container: Container) -> AoT:
    match container.body[0][1]:
        case AoT() as array:
            return array
        case Table() as table:
            return _first_array(table.value)
    raise EditError("a header in double brackets was wanted")


def _places(body: Body) -> Iterator[tuple[str, _Place]]:
    """Every key of a table with its place, a dotted one as ``types.1``; tables with headers of their own are none."""
    for at, (key, item) in enumerate(body):
        if key is not None and key.is_dotted() and isinstance(item, Table):
            for name, place in _places(item.value.body):
                yield f"{key.key}.{name}", _Place(at, place.body, place.index)
        elif key is not None and not isinstance(item, AoT | Table):
            yield key.key, _Place(at, body, at)


def _entry(line: str) -> tuple[Key | None, Item]:
    return tomlkit.parse(f"{line}\n").body[0]


def _end(body: Body) -> int:
    """Where a table's last key ends: what follows is the space and the comment above the next table."""
    return max((place.at for _, place in _places(body)), default=-1) + 1


def _set_items(old: Array, new: Array) -> None:
    """Replace the items of an array where they differ, and write new ones at its end."""
    if len(new) < len(old):
        raise EditError("an import never takes items away")
    wanted = list(new)
    for index, (mine, item) in enumerate(zip(old.unwrap(), new.unwrap(), strict=False)):
        if mine != item:
            old[index] = wanted[index]
    for item in wanted[len(old) :]:
        old.add_line(item, indent="    ")


def append_block(text: str, block: str) -> str:
    """The text with a table after all others."""
    return f"{text.rstrip()}\n\n{block}\n" if text.strip() else f"{block}\n"
