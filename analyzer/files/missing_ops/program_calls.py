"""How an exported program calls an op, by its description: enough to define one that is not registered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_TARGET = re.compile(r"torch\.ops\.(\w+)\.(\w+)\.(\w+)")
_NAME = re.compile(r"[A-Za-z_]\w*")

_KINDS = {
    "as_tensor": "Tensor",
    "as_tensors": "Tensor[]",
    "as_optional_tensor": "Tensor?",
    "as_optional_tensors": "Tensor?[]",
    "as_int": "int",
    "as_ints": "int[]",
    "as_float": "float",
    "as_floats": "float[]",
    "as_bool": "bool",
    "as_bools": "bool[]",
    "as_string": "str",
    "as_strings": "str[]",
    "as_sym_int": "SymInt",
    "as_sym_ints": "SymInt[]",
    "as_scalar_type": "ScalarType",
    "as_device": "Device",
    "as_layout": "Layout",
    "as_memory_format": "MemoryFormat",
}
"""The types of a schema, by the names that a description gives the kinds of arguments."""

_NONE = "as_none"
_NAMED = 2
"""The number of arguments that are passed by name alone."""

_WIDER = {
    frozenset({"int", "float"}): "float",
    frozenset({"int[]", "float[]"}): "float[]",
    frozenset({"int", "SymInt"}): "SymInt",
    frozenset({"int[]", "SymInt[]"}): "SymInt[]",
}


@dataclass(frozen=True, slots=True)
class OpName:
    """An op by its space of names, its name, and its overload."""

    space: str
    name: str
    overload: str

    def __str__(self) -> str:
        return f"{self.space}::{self.name}"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of one call: its kind, None where nothing is passed, and whether it is passed by name alone."""

    name: str
    kind: str | None
    is_named: bool


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """One call of an op, by the types of what goes in and what comes out."""

    op: OpName
    arguments: tuple[Argument, ...]
    outputs: tuple[str, ...]


def called_ops(text: bytes) -> frozenset[OpName]:
    """The ops that a description names."""
    return frozenset(OpName(*found) for found in _TARGET.findall(text.decode("utf-8", errors="replace")))


def calls_in(text: bytes, ops: Iterable[OpName]) -> tuple[ProgramCall, ...] | None:
    """The calls of some ops in a description; None where one is not understood."""
    wanted = {f"torch.ops.{op.space}.{op.name}.{op.overload}": op for op in ops}
    try:
        nodes = list(_nodes(json.loads(text), frozenset(wanted)))
    except (ValueError, RecursionError):
        return None
    found = [_call(wanted[str(node["target"])], node) for node in nodes]
    calls = tuple(call for call in found if call is not None)
    return calls if len(calls) == len(found) else None


def schema_of(calls: Iterable[ProgramCall]) -> str | None:
    """A schema that fits all these calls of one op, without the op's space of names; None where none does."""
    known = tuple(calls)
    names = dict.fromkeys(argument.name for call in known for argument in call.arguments)
    outputs = {call.outputs for call in known}
    if len(outputs) != 1 or not all(map(_NAME.fullmatch, names)):
        return None
    positional: list[str] = []
    named: list[str] = []
    is_optional = False
    for name in names:
        given = [argument for call in known for argument in call.arguments if argument.name == name]
        kind = _joined({argument.kind for argument in given if argument.kind is not None})
        if kind is None:
            return None
        may_lack = len(given) < len(known) or any(argument.kind is None for argument in given)
        # What follows an argument with a default has one as well.
        is_optional = is_optional or (may_lack and not given[0].is_named)
        text = f"{kind.removesuffix('?')}? {name}=None" if may_lack or is_optional else f"{kind} {name}"
        (named if given[0].is_named else positional).append(text)
    (results,) = outputs
    op = known[0].op
    title = op.name if op.overload == "default" else f"{op.name}.{op.overload}"
    arguments = ", ".join([*positional, *(["*", *named] if named else [])])
    returned = results[0] if len(results) == 1 else "(" + ", ".join(results) + ")"
    return f"{title}({arguments}) -> {returned}"


def _joined(kinds: set[str]) -> str | None:
    """The one type that takes all these; of an argument that is never given, a tensor."""
    match len(kinds):
        case 0:
            return "Tensor"
        case 1:
            return next(iter(kinds))
        case _:
            return _WIDER.get(frozenset(kinds))


def _nodes(document: object, targets: frozenset[str]) -> Iterator[Mapping[str, object]]:
    """Every call of one of the targets, those inside branches and loops too."""
    waiting = [document]
    while waiting:
        match waiting.pop():
            case Mapping() as node if str(node.get("target")) in targets:
                yield node
            case Mapping() as table:
                waiting.extend(reversed(list(table.values())))
            case list() as items:
                waiting.extend(reversed(items))


def _call(op: OpName, node: Mapping[str, object]) -> ProgramCall | None:
    given, made = node.get("inputs"), node.get("outputs")
    if not isinstance(given, list) or not isinstance(made, list):
        return None
    arguments = [_argument(item) for item in given]
    outputs = [_kind(item) for item in made]
    known = tuple(argument for argument in arguments if argument is not None)
    types = tuple(kind for kind in outputs if kind is not None)
    if len(known) < len(arguments) or len(types) < len(outputs):
        return None
    return ProgramCall(op, known, types)


def _argument(item: object) -> Argument | None:
    match item:
        case {"name": str(name), "arg": given, **rest}:
            is_named = rest.get("kind") == _NAMED
            if isinstance(given, Mapping) and list(given) == [_NONE]:
                return Argument(name, None, is_named)
            kind = _kind(given)
            return None if kind is None else Argument(name, kind, is_named)
        case _:
            return None


def _kind(item: object) -> str | None:
    match item:
        case Mapping() if len(item) == 1:
            return _KINDS.get(str(next(iter(item))))
        case _:
            return None
