"""Which arguments an op has, by PyTorch's schema of it, and that its card names no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nnapi_check.coverage_db.cards import Card, OtherCall, QuantizedForm
from nnapi_check.coverage_db.checks import CHOSEN, CardError, quantities
from nnapi_check.coverage_db.known_schemas import SCHEMAS_FILE, read_schema_list

OURS = "nnapi_check"
"""The namespace of ops that rewrites make: their cards name their arguments, for PyTorch has no schema of them."""

PACKED_NAMES = frozenset({"packed_weight", "W_prepack", "weight"})
"""What schemas call packed parameters."""

_INPUT_NAMES = frozenset({"qx", "X", "input"})
_NAMES = {"Y_scale_i": "output_scale", "Y_zero_point_i": "output_zero_point", "qaccum": "other"}
_IN_PACKED = frozenset({"weight", "bias", "stride", "padding", "output_padding", "dilation", "groups"})
_FUNCTIONS = frozenset({"len", "prod", "min", "max", "sum"})
_OUTPUT = re.compile(r"output\d*")


def card_name(argument: str) -> str:
    """What cards call an argument of an op that reads packed parameters."""
    return "input" if argument in _INPUT_NAMES else _NAMES.get(argument, argument)


def schema_arguments(schema: str) -> frozenset[str]:
    """What cards call the arguments in ``aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor``.

    Packed parameters are the weight, the bias and the numbers that they hold.
    """
    inside = schema[schema.index("(") + 1 : schema.index(") ->")]
    parts = [part.partition("=")[0] for part in re.split(r",(?![^\[(]*[\])])", inside)]
    names = {part.split()[-1] for part in parts if part.strip() and part.strip() != "*"}
    return frozenset(map(card_name, names)) | _IN_PACKED if "PackedParams" in schema else frozenset(names)


def check_arguments(cards: Iterable[Card], directory: Path) -> None:
    """Hold cards against the list of schemas in ``directory``, if there is one.

    Raises ``CardError`` for the first argument that is none of its op, and for an op with ways whose arguments are
    not known.
    """
    path = directory / SCHEMAS_FILE.name
    if not path.is_file():
        return
    schemas = read_schema_list(path).schemas
    for card in cards:
        if card.call is not None:
            _check_other_call(card, "call", card.call, (), schemas)
        if card.first_output is not None:
            check = card.first_output.where
            spoken_of = () if check is None else quantities(check)
            _check_other_call(card, "first_output", card.first_output.call, spoken_of, schemas)
        if card.quantized is not None:
            _check_quantized(card, card.quantized, schemas)
        if not card.ways:
            continue
        if card.op not in schemas and not card.arguments:
            raise CardError(f"{card.family}.toml: {card.op} is not in {path.name}, so its arguments are not known")
        known = frozenset(card.arguments) or schema_arguments(schemas[card.op])
        for name, where in named_arguments(card):
            if name not in known and name != CHOSEN and not _OUTPUT.fullmatch(name):
                found = f"{card.family}.toml: {card.op}, way {where}"
                raise CardError(f"{found}: the op has no argument {name!r}; it has {sorted(known)}")


def _check_other_call(
    card: Card, key: str, call: OtherCall, spoken_of: Iterable[str], schemas: Mapping[str, str]
) -> None:
    """Hold what an op's arguments become, and quantities that are spoken of, against the schemas of both ops."""
    where = f"{card.family}.toml: {card.op}, {key}"
    if card.op not in schemas and call == OtherCall(call.op):
        # An overload that TorchScript alone has, with the same arguments.
        return
    own, wanted = schema_arguments(schemas[card.op]), schema_arguments(schemas[call.op])
    named = {name for quantity in spoken_of for name in names_in(quantity)}
    strange = {*call.without, *(name for name, _ in call.renamed), *named} - own
    if strange:
        raise CardError(f"{where}: the op has no arguments {sorted(strange)}; it has {sorted(own)}")
    found = call.arguments(dict.fromkeys(own), lambda _: None)
    if sorted(found) != sorted(wanted):
        raise CardError(f"{where}: gives {sorted(found)}, but {call.op} has {sorted(wanted)}")


def _check_quantized(card: Card, form: QuantizedForm, schemas: Mapping[str, str]) -> None:
    """Hold what a call becomes on quantized tensors against the schemas of both ops."""
    where, call = f"{card.family}.toml: {card.op}, quantized", form.call
    own = frozenset(card.arguments) or schema_arguments(schemas[card.op])
    wanted = own if call.op == card.op else schema_arguments(schemas[call.op])
    strange = {*call.without, *(name for name, _ in call.renamed), *form.floats} - own
    if strange:
        raise CardError(f"{where}: the op has no arguments {sorted(strange)}; it has {sorted(own)}")
    for name, _ in call.renamed:
        if not re.search(rf"Tensor\S* {name}\b", schemas[card.op]):
            raise CardError(f"{where}: {name!r} is renamed, but is no tensor")
    found = {*call.arguments(dict.fromkeys(own), lambda _: None), *form.parameters}
    # Packed parameters hold a number that only some of the layers have.
    if found - wanted or wanted - found - _IN_PACKED - PACKED_NAMES:
        raise CardError(f"{where}: gives {sorted(found)}, but {call.op} has {sorted(wanted)}")


def named_arguments(card: Card) -> Iterator[tuple[str, str]]:
    """Every argument that a card names, and where. Examples of this project's ops are calls of PyTorch's."""
    for name in (*card.elements_of, *card.exact_in_floats) if card.ways else ():
        yield name, "any, elements"
    for way in card.ways:
        yield from ((name, f"{way.name}, any number") for name in way.any_number)
        for requirement in way.requires:
            for quantity in quantities(requirement.check):
                yield from ((name, f"{way.name}, requires {requirement.id}") for name in names_in(quantity))
        for emission in way.emits:
            if emission.of:
                yield from ((name, f"{way.name}, emits {emission.operation}") for name in names_in(emission.of))
        for example in () if card.op.startswith(f"{OURS}.") else way.examples:
            yield from ((name, f"{way.name}, example {example.name}") for name, _ in (*example.tensors, *example.args))


def names_in(quantity: str) -> frozenset[str]:
    """The arguments and outputs that a quantity speaks of."""
    try:
        tree = ast.parse(quantity, mode="eval")
    except SyntaxError as error:
        raise CardError(f"{quantity!r} is no quantity: {error.msg}") from error
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) - _FUNCTIONS
