"""The registry's text changed to say what a merge decided. What is not changed stays as it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from nnapi_check.coverage_db.facts import read_operation
from nnapi_check.coverage_db.header_import.operation_toml import (
    operation_text,
    operation_values,
    signature_text,
    signature_values,
)
from nnapi_check.coverage_db.header_import.toml_text import (
    Block,
    EditError,
    add_lines,
    append_block,
    blocks,
    insert_after,
    set_value,
    without_key,
)
from nnapi_check.coverage_db.spec import EnumerationMember, Level, OperationFacts, Signature
from nnapi_check.coverage_db.text import Table, TextError

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
    values = list(operation_values(wanted))
    before = dict(operation_values(known))
    keys = tuple(key for key, _ in values)
    for key in before.keys() - set(keys):
        text = without_key(text, _table(text, wanted.name), key)
    for position, (key, value) in enumerate(values):
        if before.get(key) != value:
            text = set_value(text, _table(text, wanted.name), key, value, after=keys[:position])
    for position, signature in enumerate(wanted.signatures):
        mine = known.signatures[position] if position < len(known.signatures) else None
        text = _with_signature(text, wanted, position, signature, mine)
    _check(text, wanted)
    return text


def _with_signature(text: str, facts: OperationFacts, position: int, wanted: Signature, known: Signature | None) -> str:
    tables = [block for block in blocks(text) if block.name == f"{facts.name}.signatures"]
    if known is None:
        return insert_after(text, tables[-1], signature_text(facts, wanted))
    values = list(signature_values(wanted, facts.since))
    before = dict(signature_values(known, facts.since))
    keys = tuple(key for key, _ in values)
    for at, (key, value) in enumerate(values):
        if before.get(key) != value:
            tables = [block for block in blocks(text) if block.name == f"{facts.name}.signatures"]
            text = set_value(text, tables[position], key, value, after=keys[:at])
    return text


def _table(text: str, name: str) -> Block:
    for block in blocks(text):
        if block.name == name:
            return block
    raise EditError(f"{name} has no table of its own")


def _check(text: str, wanted: OperationFacts) -> None:
    """Read the changed text again: it must say exactly what was wanted."""
    own = "".join(
        text[block.start : block.end] for block in blocks(text) if block.name.partition(".")[0] == wanted.name
    )
    try:
        tables = tomllib.loads(own)
        table = Table(Path(), wanted.name, tables[wanted.name])
        found = read_operation(wanted.name, table)
    except (tomllib.TOMLDecodeError, KeyError, TextError) as error:
        raise EditError(f"{wanted.name} cannot be changed in this text: {error}") from error
    if found != wanted:
        raise EditError(f"{wanted.name} cannot be changed in this text: it would say something else")


def with_members(text: str, enumeration: str, added: Iterable[EnumerationMember]) -> str:
    """The text with more members of an enumeration, which is new where it is not there."""
    lines = [_member_line(member) for member in added]
    for block in blocks(text):
        if block.name == enumeration:
            return add_lines(text, block, "\n".join(lines))
    return append_block(text, "\n".join([f"[{enumeration}]", *lines]))


def _member_line(member: EnumerationMember) -> str:
    since = f", since = {member.since}" if member.since != 1 else ""
    return f"{member.name} = {{ value = {member.value}{since} }}"


def with_levels(text: str, added: Iterable[Level]) -> str:
    """The text of levels.toml with more feature levels after those that are there."""
    for level in added:
        row = f"[[levels]]\nfeature_level = {level.feature_level}\nc_value = {level.c_value}\ncame_with = "
        row += f'"{level.came_with}"'
        there = [block for block in blocks(text) if block.name == "levels"]
        text = insert_after(text, there[-1], row) if there else append_block(text, row)
    return text
