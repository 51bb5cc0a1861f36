"""A change to a text is where it belongs, and every other letter of the text stays."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import tomlkit

from nnapi_check.coverage_db.facts import OPERATIONS_DIRECTORY
from nnapi_check.coverage_db.header_import.toml_text import (
    EditError,
    add_line,
    add_table,
    array_in,
    read_document,
    remove_key,
    set_value,
    table_in,
)

TEXT = '''# A file.

[A]
code = 1  # one
types.1 = ["X"]  # first
types.3 = [
    "Y", # why
    "Z"
]
notes = """
[B] is not a table
= here."""
outputs = [
    # How many.
    { index = 0 }, # zero
    { index = 1, quant = [
        { rule = "a" },
    ] },
    # the end
]

# Of signatures.
[[A.signatures]]
inputs = [
    { index = 0 } # zero
]

# Of B.
[B]
x = { value = 1 }

# Of C.
[C]
y = 1'''

AFTER = ("code", "types.1", "types.3", "notes")


def changed(key: str, value: str, after: tuple[str, ...] = AFTER) -> str:
    document = read_document(TEXT)
    set_value(table_in(document, "A"), key, value, after=after)
    return tomlkit.dumps(document)


def replaced(old: str, new: str) -> str:
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new) + "\n"


def test_a_value_is_replaced_and_the_comment_beside_it_stays() -> None:
    assert changed("code", "2") == replaced("code = 1  # one", "code = 2  # one")
    assert changed("types.1", '["W"]') == replaced('types.1 = ["X"]', 'types.1 = ["W"]')


def test_a_new_key_stands_after_those_that_come_before_it() -> None:
    line = 'types.4 = ["V"]\n'

    assert changed("types.4", '["V"]', AFTER[:3]) == replaced('"Z"\n]\n', '"Z"\n]\n' + line)
    assert changed("types.2", '["V"]', AFTER[:2]) == replaced("# first\n", '# first\ntypes.2 = ["V"]\n')
    assert changed("first", "true", ("nowhere",)) == replaced("[A]\n", "[A]\nfirst = true\n")


def test_only_items_that_differ_are_replaced_and_new_ones_stand_at_the_end() -> None:
    rows = '[\n    { index = 5 },\n    { index = 1, quant = [{ rule = "a" }] },\n    { index = 2 },\n]'

    assert changed("outputs", rows) == replaced("{ index = 0 }, # zero", "{ index = 5 }, # zero").replace(
        "    # the end\n", "    # the end\n    { index = 2 },\n"
    )


def test_items_are_never_taken_away() -> None:
    with pytest.raises(EditError, match="never takes items away"):
        changed("outputs", "[\n    { index = 0 },\n]")


def test_a_last_item_gets_the_comma_that_it_lacks() -> None:
    document = read_document(TEXT)

    (signature,) = array_in(table_in(document, "A").value, "signatures").body
    set_value(signature, "inputs", "[\n    { index = 0 },\n    { index = 1 },\n]", after=())

    assert tomlkit.dumps(document) == replaced("{ index = 0 } # zero", "{ index = 0 }, # zero\n    { index = 1 },")


def test_a_key_goes_with_its_line_and_no_other() -> None:
    document = read_document(TEXT)

    remove_key(table_in(document, "A"), "types.1")
    remove_key(table_in(document, "A"), "types.9")

    assert tomlkit.dumps(document) == replaced('types.1 = ["X"]  # first\n', "")


def test_a_comment_above_the_next_table_stays_above_it() -> None:
    document = read_document(TEXT)

    add_line(table_in(document, "B"), "z = { value = 2 }")
    add_line(table_in(document, "C"), "z = 2")
    add_table(array_in(table_in(document, "A").value, "signatures"), '[[A.signatures]]\nname = "n"')

    wanted = replaced("\n\n# Of B.", '\n\n[[A.signatures]]\nname = "n"\n\n# Of B.')
    assert tomlkit.dumps(document) == wanted.replace("1 }\n\n# Of C", "1 }\nz = { value = 2 }\n\n# Of C") + "z = 2\n"


@pytest.mark.parametrize("name", ["D", "code", "x"])
def test_a_table_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(EditError, match="has no table of its own"):
        table_in(read_document(TEXT), name)


def test_a_table_that_goes_on_elsewhere_is_left_to_the_hand() -> None:
    with pytest.raises(EditError, match="has no table of its own"):
        table_in(read_document("[A.b]\nx = 1\n[B]\n[A.c]\ny = 1\n"), "A")


@pytest.mark.parametrize("path", sorted(OPERATIONS_DIRECTORY.glob("*.toml")), ids=lambda path: path.stem)
def test_every_operation_in_a_text_can_be_added_to_and_nothing_else_changes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = tomllib.loads(text)
    document = read_document(text)

    for name, keys in known.items():
        set_value(table_in(document, name), "added", '"here"', after=tuple(keys))

    added = tomlkit.dumps(document)
    assert tomllib.loads(added) == {name: {**keys, "added": "here"} for name, keys in known.items()}
    assert added.replace('added = "here"\n', "") == text
