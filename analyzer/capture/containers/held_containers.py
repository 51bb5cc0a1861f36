"""Which lists, dictionaries and objects a walk knows, and which of them a write that it cannot follow may reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from nnapi_check.analyzer.growing_graph import Fields

Container = list[object] | dict[object, object]


@dataclass(frozen=True, slots=True)
class _Birth:
    """A container with its number in the order of all, the scope that it was made in, and the value that it first was.

    Where it was first met in another container, that one's value is meant, and ``is_whole`` is false.
    """

    container: Container
    serial: int
    scope: int
    value: torch._C.Value
    is_whole: bool


class HeldContainers:
    """Every container that a walk met.

    A run comes to a place in a *scope*: a branch that may not be taken, or a turn of a loop. What is done to a
    container in the scope that made it is done to it for sure. A container *escapes* where it becomes, or comes into,
    what only the run knows; from then on a write to what only the run knows may be one to the container.
    """

    def __init__(self) -> None:
        self._births: dict[int, _Birth] = {}
        self._scopes = [0]
        self._scopes_made = 0
        self._escaped: dict[int, _Birth] = {}
        self._paths: dict[int, str] = {}
        self._is_written_blindly = False
        self._forgotten: list[int] = []
        self.written_paths: set[str] = set()

    def enter(self) -> None:
        """Come into a branch or a loop that a run may take or not."""
        self._scopes_made += 1
        self._scopes.append(self._scopes_made)

    def leave(self) -> None:
        """Come out of it again."""
        self._scopes.pop()

    def meet(self, value: torch._C.Value, item: object) -> None:
        """Say that ``value`` is, or holds, the containers in ``item``."""
        for container in containers_in(item, self._births):
            serial, is_whole = len(self._births), container is item
            self._births[id(container)] = _Birth(container, serial, self._scopes[-1], value, is_whole)

    def store(self, path: str, item: object) -> None:
        """Say that the containers in ``item`` belong to the model's attribute at ``path``, and so outlive a run."""
        for container in containers_in(item):
            self._paths[id(container)] = path

    def is_certain(self, container: Container) -> bool:
        """Whether a run that comes here surely writes to this one container."""
        birth = self._births.get(id(container))
        return birth is None or birth.scope == self._scopes[-1]

    def write(self, container: Container) -> None:
        """Say that the model writes to a container."""
        if id(container) in self._paths:
            self.written_paths.add(self._paths[id(container)])

    def home(self, container: Container) -> torch._C.Value | None:
        """The value that a container was made as; None where it was first met in another one."""
        birth = self._births.get(id(container))
        return birth.value if birth is not None and birth.is_whole else None

    def value_of(self, container: Container) -> torch._C.Value:
        """The value that a container was first met as, or in."""
        return self._births[id(container)].value

    def escape(self, item: object) -> list[Container]:
        """Say that the run alone knows who reaches the containers in ``item``. Gives those to forget at once.

        In a scope, what was written before may be written to this container in a later turn.
        """
        found = list(containers_in(item))
        for container in found:
            birth = self._births.get(id(container))
            if birth is not None:
                self._escaped[id(container)] = birth
        return found if self._is_written_blindly and len(self._scopes) > 1 else []

    def written_blindly(self, kind: torch._C.JitType | None) -> list[Container]:
        """The containers that a write to something of this type may be one to; None is a write to any."""
        self._is_written_blindly = True
        return [birth.container for birth in self._escaped.values() if kind is None or _may_be(birth, kind)]

    def forget(self, container: Container) -> None:
        """Say that what a container holds is not known any more."""
        birth = self._births.get(id(container))
        self._escaped.pop(id(container), None)
        if birth is not None:
            self._forgotten.append(birth.serial)

    def mark(self) -> tuple[int, int]:
        """A place in the walk, for `has_forgotten`."""
        return len(self._births), len(self._forgotten)

    def has_forgotten(self, mark: tuple[int, int]) -> bool:
        """Whether a container that was met before a place was forgotten behind it."""
        births, forgotten = mark
        return any(serial < births for serial in self._forgotten[forgotten:])


def containers_in(item: object, known: dict[int, _Birth] | None = None) -> Iterator[Container]:
    """Every container in an item, itself included, each once; those that are ``known`` already are left out."""
    seen: set[int] = set()
    stack = [item]
    while stack:
        found = stack.pop()
        if isinstance(found, (list, dict)):
            if id(found) in seen:
                continue
            seen.add(id(found))
            if known is None or id(found) not in known:
                yield found
        if isinstance(found, (list, tuple)):
            stack.extend(part for part in found if isinstance(part, (list, tuple, dict)))
        elif isinstance(found, dict):
            stack.extend(part for part in found.values() if isinstance(part, (list, tuple, dict)))


def put_in_place(item: object, places: dict[int, object]) -> object:
    """The item with others in the place of containers, by their ids; lists and dictionaries are changed themselves."""
    return _put(item, places, set())


def _put(item: object, places: dict[int, object], seen: set[int]) -> object:
    if isinstance(item, (list, dict)) and id(item) in places:
        return places[id(item)]
    if isinstance(item, tuple):
        parts = tuple(_put(part, places, seen) for part in item)
        return item if all(new is old for new, old in zip(parts, item, strict=True)) else parts
    if not isinstance(item, (list, dict)) or id(item) in seen:
        return item
    seen.add(id(item))
    if isinstance(item, list):
        item[:] = [_put(part, places, seen) for part in item]
    else:
        item.update({key: _put(part, places, seen) for key, part in item.items()})
    return item


def _may_be(birth: _Birth, kind: torch._C.JitType) -> bool:
    if isinstance(birth.container, Fields) != (kind.kind() == "ClassType"):
        return False
    if isinstance(birth.container, Fields):
        return True
    return isinstance(birth.container, list) == (kind.kind() == "ListType")
