"""The registry's text changed to say what a merge decided. What is not changed stays as it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from nnapi_check.coverage_db.facts import read_operation
from nnapi_check.coverage_db.header_import.operation_toml import (
    operation_text,
    operation_values,
    signature_text,
    signature_values,
)
from nnapi_check.coverage_db.header_import.toml_text import (
    EditError,
    add_line,
    add_table,
    append_block,
    array_in,
    read_document,
    remove_key,
    set_value,
    table_in,
)
from nnapi_check.coverage_db.spec import EnumerationMember, FunctionFacts, Level, OperationFacts
from nnapi_check.coverage_db.text import Table as TextTable
from nnapi_check.coverage_db.text import TextError

IMPORTED = """\
# Operations that an import added. Move each to the file of its family when you describe it further.
"""


def with_new_operations(text: str, added: Iterable[OperationFacts]) -> str:
    """The text with more operations at its end."""
    text = text or IMPORTED
    for facts in added:
        text = append_block(text, operation_text(facts))
        _check(text, facts)
    return text


def with_operation(text: str, known: OperationFacts, wanted: OperationFacts) -> str:
    """The text with one operation's facts changed; raises ``EditError`` where its form is not understood."""
    document = read_document(text)
    table = table_in(document, wanted.name)
    _change(table, dict(operation_values(known)), dict(operation_values(wanted)))
    for position, signature in enumerate(wanted.signatures):
        array = array_in(table.value, "signatures")
        if position < len(known.signatures):
            mine = known.signatures[position]
            before, after = signature_values(mine, known.since), signature_values(signature, wanted.since)
            _change(array.body[position], dict(before), dict(after))
        else:
            add_table(array, signature_text(wanted, signature))
    text = tomlkit.dumps(document)
    _check(text, wanted)
    return text


def _change(table: Table, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for key in before.keys() - after.keys():
        remove_key(table, key)
    for position, (key, value) in enumerate(after.items()):
        if before.get(key) != value:
            set_value(table, key, value, after=tuple(after)[:position])


def _check(text: str, wanted: OperationFacts) -> None:
    """Read the changed text again: it must say exactly what was wanted."""
    try:
        table = TextTable(Path(), wanted.name, tomllib.loads(text)[wanted.name])
        found = read_operation(wanted.name, table)
    except (tomllib.TOMLDecodeError, KeyError, TextError) as error:
        raise EditError(f"{wanted.name} cannot be changed in this text: {error}") from error
    if found != wanted:
        raise EditError(f"{wanted.name} cannot be changed in this text: it would say something else")


def with_members(text: str, enumeration: str, added: Iterable[EnumerationMember]) -> str:
    """The text with more members of an enumeration, which is new where it is not there."""
    lines = [_member_line(member) for member in added]
    document = read_document(text)
    if enumeration not in document:
        return append_block(text, "\n".join([f"[{enumeration}]", *lines]))
    for line in lines:
        add_line(table_in(document, enumeration), line)
    return tomlkit.dumps(document)


def _member_line(member: EnumerationMember) -> str:
    since = f", since = {member.since}" if member.since != 1 else ""
    return f"{member.name} = {{ value = {member.value}{since} }}"


_FUNCTIONS = """\
# NNAPI's C functions, and the feature level that brought each. The library of a lower level does not export it.
"""


def with_functions(text: str, added: Iterable[FunctionFacts]) -> str:
    """The text of functions.toml with more functions at its end."""
    lines = [f"{facts.name} = {{ since = {facts.since} }}" for facts in added]
    return f"{text or _FUNCTIONS}{chr(10).join(lines)}\n"


def with_levels(text: str, added: Iterable[Level]) -> str:
    """The text of levels.toml with more feature levels after those that are there."""
    for level in added:
        row = f"[[levels]]\nfeature_level = {level.feature_level}\nc_value = {level.c_value}\ncame_with = "
        row += f'"{level.came_with}"'
        document = read_document(text)
        if "levels" not in document:
            text = append_block(text, row)
            continue
        add_table(array_in(document, "levels"), row)
        text = tomlkit.dumps(document)
    return text
