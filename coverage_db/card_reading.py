"""Op cards as ``coverage_db/ops/<family>.toml`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nnapi_check.coverage_db.bounds import parse_bound
from nnapi_check.coverage_db.card_arguments import check_arguments
from nnapi_check.coverage_db.card_text import CardTable, mapping, read_toml
from nnapi_check.coverage_db.cards import (
    Card,
    Emission,
    Example,
    FirstOutput,
    Halves,
    InFloats,
    Layout,
    Movement,
    OtherCall,
    QuantizedForm,
    Way,
    WeightScales,
)
from nnapi_check.coverage_db.checks import CardError, ConstantOrTuple, parse_check
from nnapi_check.coverage_db.input_classes import Jump
from nnapi_check.coverage_db.requirements import Requirement, parse_requirement, parse_shared, read_common
from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.coverage_db.targets import PER_CHANNEL
from nnapi_check.coverage_db.user_documents import shown

HOME = Path(__file__).parent
SHARED = "requirements"
"""The table of a family's file that holds the requirements which its cards name. Those of several families stand in a
file of that name; a family's table without a check only says what is its own of one of them."""

IN_PLACE = "in-place"
"""The table of a family's file that pairs ops which write in place with those that return what they write."""


def load_cards(directory: Path = HOME / "ops") -> dict[str, Card]:
    """Read every card of every family, by op, in order of the families."""
    cards: dict[str, Card] = {}
    common = read_common(directory.parent / f"{SHARED}.toml")
    in_place: list[tuple[str, str, object]] = []
    for path in sorted(directory.glob("*.toml")):
        tables = read_toml(path)
        shared = parse_shared(tables.pop(SHARED, {}), path.name, common)
        pairs = mapping(tables.pop(IN_PLACE, {}), path.name)
        in_place += [(path.stem, op, functional) for op, functional in pairs.items()]
        for op, raw in tables.items():
            _add(cards, parse_card(op, path.stem, raw, shared))
    for family, op, functional in in_place:
        if functional not in cards:
            raise CardError(f"{family}.toml: {op} writes what {functional!r} returns, which has no card")
        _add(cards, _in_place_card(op, family, cards[str(functional)]))
    check_arguments(cards.values(), directory.parent)
    return dict(sorted(cards.items(), key=lambda item: item[1].family))


_WHEN_EXPANDED = "its tensors hold real numbers, of which none is quantized or of 16 bits and a fraction"


def _add(cards: dict[str, Card], card: Card) -> None:
    if card.op in cards:
        raise CardError(f"{card.family}.toml: {card.op} has a card in {cards[card.op].family}.toml already")
    cards[card.op] = card


def _in_place_card(op: str, family: str, functional: Card) -> Card:
    """The card of an op that writes into its input what another op returns: reading a model replaces it by that."""
    words = functional.summary
    name = functional.op.rpartition(".")[0]
    return Card(
        op=op,
        family=family,
        summary=f"In place: {words if words[:2].isupper() else words[0].lower() + words[1:]}",
        becomes=(functional.op,),
        when="nothing else reads what it overwrites",
        fix=f"Use {name}, which returns a new tensor.",
        jumps=functional.jumps,
    )


def parse_card(op: str, family: str, raw: object, shared: Mapping[str, Requirement]) -> Card:
    """Read one card from its table. A requirement may be the id of one of the family's ``shared`` ones.

    What the card itself requires holds for each of its ways, before the way's own requirements, and so does the
    activation that its op ends with.
    """
    table = CardTable(raw, f"{family}.toml: {op}")
    common = tuple(parse_requirement(part, table.where, shared) for part in table.items("requires"))
    activation = _fuse_code(table.optional_text("activation"), table.where)
    jumps = table.choice("jumps", Jump.NONE)
    any_number = table.texts("any_number")
    becomes = table.texts("becomes")
    moves = table.choice("moves", Movement.NONE)
    card = Card(
        op=op,
        family=family,
        summary=table.text("summary"),
        ways=tuple(
            replace(
                _parse_way(part, table.where, common, shared),
                activation=activation,
                jumps=jumps,
                any_number=any_number,
            )
            for part in table.tables("ways")
        ),
        gap=table.optional_text("gap"),
        unwritten=table.texts("unwritten"),
        becomes=becomes,
        when=_when(table),
        source=table.optional_text("source") or "",
        fix=table.optional_text("fix") or "",
        arguments=table.texts("arguments"),
        moves=moves,
        elements_of=table.texts("elements_of") or (("self",) if moves is not Movement.NONE else ()),
        exact_in_floats=table.texts("exact_in_floats"),
        call=_call(table, becomes),
        first_output=_first_output(table, becomes),
        jumps=jumps,
        quantized=_quantized_form(table, op),
    )
    table.close()
    if sum((bool(card.ways), card.gap is not None, bool(card.unwritten), bool(card.becomes))) != 1:
        raise CardError(f"{table.where}: a card has exactly one of ways, gap, unwritten and becomes")
    if bool(card.becomes) != bool(card.when):
        raise CardError(f"{table.where}: `becomes` and `when` are given together")
    return card


def _when(card: CardTable) -> str:
    """When an op is read as others, in words. All that is ``expanded`` has one condition, and may have one besides."""
    own = card.optional_text("when") or ""
    return " and ".join(filter(None, (_WHEN_EXPANDED, own))) if card.flag("expanded") else own


def _call(card: CardTable, becomes: tuple[str, ...]) -> OtherCall | None:
    table = _table_of_call(card, "call", becomes)
    if table is None:
        return None
    found = _call_of(table, becomes[0], table.texts("without"))
    table.close()
    return found


def _first_output(card: CardTable, becomes: tuple[str, ...]) -> FirstOutput | None:
    table = _table_of_call(card, "first_output", becomes)
    if table is None:
        return None
    call, where = _call_of(table, becomes[0], table.texts("without")), table.take("where")
    table.close()
    return FirstOutput(call, None if where is None else parse_check(where, table.where))


def _table_of_call(card: CardTable, key: str, becomes: tuple[str, ...]) -> CardTable | None:
    raw = card.take(key)
    if raw is None:
        return None
    if len(becomes) != 1:
        raise CardError(f"{card.where}: `{key}` is for an op that becomes one other")
    return CardTable(raw, f"{card.where}, {key}")


def _call_of(table: CardTable, op: str, without: tuple[str, ...]) -> OtherCall:
    renamed = mapping(table.take("renamed", {}), table.where)
    given = mapping(table.take("given", {}), table.where)
    return OtherCall(
        op,
        without,
        tuple((name, str(other)) for name, other in renamed.items()),
        tuple((name, _argument(value)) for name, value in given.items()),
    )


def _quantized_form(card: CardTable, op: str) -> QuantizedForm | None:
    raw = card.take("quantized")
    if raw is None:
        return None
    table = CardTable(raw, f"{card.where}, quantized")
    only = mapping(table.take("only", {}), table.where)
    followed_by = mapping(table.take("followed_by", {}), table.where)
    other = table.optional_text("op") or op
    found = QuantizedForm(
        call=_call_of(table, other, (*table.texts("without"), *only)),
        only=tuple((name, _argument(value)) for name, value in only.items()),
        floats=table.texts("floats"),
        parameters=table.texts("parameters"),
        gives=_given_parameters(table),
        folds=table.texts("folds"),
        followed_by=tuple((name, str(whole)) for name, whole in followed_by.items()),
        rank=table.optional_int("rank"),
        channels=table.optional_int("channels") or 0,
    )
    table.close()
    if len(found.parameters) not in (0, 2):
        raise CardError(f"{table.where}: `parameters` are the arguments of a scale and a zero point")
    return found


def _given_parameters(table: CardTable) -> tuple[float, int] | None:
    match table.items("gives"):
        case []:
            return None
        case [float() as scale, int() as zero_point]:
            return scale, zero_point
        case found:
            raise CardError(f"{table.where}: `gives` is a scale and a zero point, found {shown(found)}")


def _parse_way(raw: object, where: str, common: tuple[Requirement, ...], shared: Mapping[str, Requirement]) -> Way:
    table = CardTable(raw, where)
    name = table.text("name")
    table.where = where = f"{where}, way {name}"
    layout = table.choice("layout", Layout.TORCH)
    way = Way(
        name=name,
        emits=tuple(_parse_emission(part, where) for part in table.items("emits")),
        layout=layout,
        folded=table.flag("folded") or layout is Layout.ANY,
        differences=table.texts("differences"),
        requires=common + tuple(parse_requirement(part, where, shared) for part in table.items("requires")),
        examples=tuple(parse_example(part, where) for part in table.tables("examples")),
        rounding=table.optional_positive("rounding"),
        quantized_bound=None if (steps := table.take("quantized_bound")) is None else parse_bound(steps, where),
        bound=None if (bound := table.take("bound")) is None else parse_bound(bound, where),
        halves=_halves(table),
        in_floats=_in_floats(table),
        weight_scales=table.choice("weight_scales", WeightScales.OWN),
    )
    table.close()
    ids = [requirement.id for requirement in way.requires]
    if len(set(ids)) != len(ids):
        raise CardError(f"{where}: two requirements share an id")
    for example in way.examples:
        if example.expect is not None and example.expect not in ids:
            raise CardError(f"{where}, example {example.name}: no requirement is called {example.expect!r}")
    return way


def _halves(way: CardTable) -> Halves | None:
    raw = way.take("halves")
    if raw is None:
        return None
    table = CardTable(raw, f"{way.where}, halves")
    steps = table.items("of")
    found = Halves(tuple(CardTable({"sum": item}, table.where).texts("sum") for item in steps), table.flag("alike"))
    table.close()
    if not all(found.steps) or not found.steps:
        raise CardError(f"{table.where}: `of` is a list of lists of quantities")
    return found


def _in_floats(way: CardTable) -> InFloats | None:
    raw = way.take("in_floats")
    if raw is None:
        return None
    table = CardTable(raw, f"{way.where}, in_floats")
    found = InFloats(table.text("because"), table.text("fix"))
    table.close()
    return found


def _parse_emission(raw: object, where: str) -> Emission:
    if isinstance(raw, str):
        return Emission(raw)
    table = CardTable(raw, f"{where}, emits")
    emission = Emission(
        operation=table.text("operation"),
        of=table.optional_text("of") or "",
        type=_operand_type(table.optional_text("type"), where),
        roles=table.texts("roles"),
        filter=_operand_type(table.optional_text("filter"), where),
    )
    table.close()
    return emission


def _operand_type(name: str | None, where: str) -> OperandType | None:
    if name is None:
        return None
    if name not in OperandType.__members__:
        raise CardError(f"{where}: {name!r} is not an operand type of NNAPI")
    return OperandType[name]


def _fuse_code(name: str | None, where: str) -> FuseCode:
    if name is None:
        return FuseCode.NONE
    if name not in FuseCode.__members__:
        raise CardError(f"{where}: {name!r} is not an activation of NNAPI; {[code.name for code in FuseCode]} are")
    return FuseCode[name]


def parse_example(raw: object, where: str) -> Example:
    """Read an example call. Raises ``CardError``, which says ``where``."""
    table = CardTable(raw, f"{where}, examples")
    name = table.text("name")
    expect = table.optional_text("expect")
    reads = table.whole_numbers("reads")
    per_channel = table.choice("per_channel", PER_CHANNEL)
    args = tuple((key, _argument(value)) for key, value in mapping(table.take("args", {}), where).items())
    tensors: list[tuple[str, str | tuple[str, ...]]] = []
    for key, value in table.rest().items():
        if isinstance(value, str):
            tensors.append((key, value))
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            tensors.append((key, tuple(value)))
        else:
            raise CardError(f"{where}, example {name}: {key} is a tensor like `f32[1,2,7,9]`, found {shown(value)}")
    return Example(name, tuple(tensors), args, expect, reads, per_channel)


def _argument(raw: object) -> ConstantOrTuple | None:
    if raw == "none":
        return None
    if isinstance(raw, list):
        return tuple(raw)
    if isinstance(raw, bool | int | float | str):
        return raw
    raise CardError(f"an example's argument is a number, a text or a list, found {shown(raw)}")
