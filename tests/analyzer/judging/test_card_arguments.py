"""Every argument that a card names is one of its op's schema, in the committed list of schemas."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from nnapi_check.analyzer.ops.known_schemas import read_schema_list
from nnapi_check.analyzer.ops.packed_ops import card_name
from nnapi_check.coverage_db.cards import Card, load_cards
from nnapi_check.coverage_db.checks import quantities
from nnapi_check.lowering.examples.own_ops import OURS

FUNCTIONS = {"len", "prod", "min", "max", "sum"}
PACKED = {"weight", "bias", "stride", "padding", "output_padding", "dilation", "groups"}
"""What packed parameters hold, by the names that cards call it."""

SCHEMAS = read_schema_list().schemas
CARDS = [card for card in load_cards().values() if card.ways and not card.op.startswith(f"{OURS}.")]


def schema_arguments(schema: str) -> set[str]:
    """The names of the arguments in ``aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor``."""
    inside = schema[schema.index("(") + 1 : schema.index(") ->")]
    parts = [part.partition("=")[0] for part in re.split(r",(?![^\[(]*[\])])", inside)]
    names = {part.split()[-1] for part in parts if part.strip() and part.strip() != "*"}
    if "PackedParams" in schema:
        names = {card_name(name) for name in names} | PACKED
    return names


def names_in(path: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(path, mode="eval")) if isinstance(node, ast.Name)} - FUNCTIONS


def named_arguments(card: Card) -> Iterator[tuple[str, str]]:
    """Every argument that a card names, and where."""
    for way in card.ways:
        for requirement in way.requires:
            for path in quantities(requirement.check):
                yield from ((name, f"{way.name}, requires {requirement.id}") for name in names_in(path))
        for emission in way.emits:
            yield from ((name, f"{way.name}, emits {emission.operation}") for name in names_in(emission.of or "output"))
        for example in way.examples:
            yield from ((name, f"{way.name}, example {example.name}") for name, _ in (*example.tensors, *example.args))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.op)
def test_every_argument_that_a_card_names_is_one_of_the_schema(card: Card) -> None:
    known = schema_arguments(SCHEMAS[card.op])

    strange = {
        f"{name} ({where})"
        for name, where in named_arguments(card)
        if name not in known and not re.fullmatch(r"output\d*", name)
    }

    assert strange == set()


def test_names_are_read_from_schemas_with_lists_as_defaults() -> None:
    schema = "aten::conv2d(Tensor input, SymInt[2] stride=[1, 1], str padding='a', *, int? groups=1) -> Tensor"

    assert schema_arguments(schema) == {"input", "stride", "padding", "groups"}
