"""Op cards: whether an op can be lowered, in which ways, and under which requirements.

Cards are written in ``coverage_db/ops/<family>.toml``; differences and reasons in ``coverage_db/differences.toml``
and ``coverage_db/reasons.toml``. Level, types, ranks and signatures are NNAPI's facts and are not repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from nnapi_check.coverage_db.bounds import Bound, parse_bound
from nnapi_check.coverage_db.card_arguments import check_arguments
from nnapi_check.coverage_db.card_text import CardTable, mapping, read_toml
from nnapi_check.coverage_db.checks import CardError, ConstantOrTuple
from nnapi_check.coverage_db.input_classes import InputClass, Jump, range_words
from nnapi_check.coverage_db.requirements import Requirement, parse_requirement, parse_shared, read_common
from nnapi_check.coverage_db.spec import FuseCode, OperandType

HOME = Path(__file__).parent
SHARED = "requirements"
"""The table of a family's file that holds the requirements which its cards name. Those of several families stand in a
file of that name; a family's table without a check only says what is its own of one of them."""

IN_PLACE = "in-place"
"""The table of a family's file that pairs ops which write in place with those that return what they write."""


class Layout(Enum):
    """In which order of dimensions a way reads and writes its rank-4 activations."""

    TORCH = "torch"  # PyTorch's own order
    NHWC = "nhwc"  # batch, height, width, channels
    ANY = "any"  # elementwise: whichever its inputs have
    AXES = "axes"  # the same rank in and out; the rule maps the axes
    REDUCTION = "reduction"  # removes or keeps the axes in `dim`; the rule maps them
    PERMUTATION = "permutation"  # reads what its input has and makes what is wanted; the rule permutes between them
    FLATTEN = "flatten"  # merges all axes but the first where it may: its readers then put their weights in that order
    FEATURES = "features"  # a product with constant weights, which take the order of flattened features


class Movement(Enum):
    """Whether an op only moves the elements of one tensor, and how."""

    NONE = "none"
    RESHAPE = "reshape"  # they keep their order
    PERMUTATION = "permutation"  # of dimensions


class Status(Enum):
    """What a node's verdict says of it, and an op's status of its best way."""

    NATIVE = "native"
    LOWERED = "lowered"
    APPROXIMATE = "approximate"
    CPU = "cpu"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Emission:
    """An NNAPI operation that a way emits.

    ``of`` is the quantity (argument, ``output``) whose element type and rank are the operation's main operand's;
    empty means the node's first tensor. ``type`` fixes the main type instead. ``roles`` are the optional trailing
    inputs that are given a value other than their default. ``filter`` is the filter's type, where not the main one.
    """

    operation: str
    of: str = ""
    type: OperandType | None = None
    roles: tuple[str, ...] = ()
    filter: OperandType | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One call of the op. ``tensors`` are specifications by argument name: ``f32[1,2,7,9]``; a trailing ``!`` makes it
    a constant; ``= -0.0, inf, nan`` after it states elements, which are repeated in turn; a list is a list of tensors.
    ``expect`` is the id of the one requirement it breaks, or None. ``reads`` are the numbers of the outputs that are
    read, where not all of them are."""

    name: str
    tensors: tuple[tuple[str, str | tuple[str, ...]], ...]
    args: tuple[tuple[str, ConstantOrTuple | None], ...]
    expect: str | None = None
    reads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One possibility to lower an op.

    ``bound`` states the error of an approximation; None means exact. ``rounding`` is how far a way that is exact but
    for rounding may be off however small its result is, because numbers inside it are greater. ``activation`` is what
    the op ends with.
    """

    name: str
    emits: tuple[Emission, ...]
    layout: Layout
    differences: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    examples: tuple[Example, ...] = ()
    bound: Bound | None = None
    rounding: float | None = None
    activation: FuseCode = FuseCode.NONE
    jumps: Jump = Jump.NONE

    @property
    def status(self) -> Status:
        """Native when one operation means the same, lowered when differences are bridged, else approximate."""
        if self.bound is not None:
            return Status.APPROXIMATE
        return Status.NATIVE if len(self.emits) == 1 and not self.differences else Status.LOWERED


@dataclass(frozen=True, slots=True)
class FirstOutput:
    """How a call is one of the op that makes its first output alone: with the same arguments, but for these.

    Those ``without`` which, those that are ``renamed`` to what that op calls them, and those ``given`` besides.
    """

    without: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    given: tuple[tuple[str, ConstantOrTuple | None], ...] = ()

    def names(self, arguments: Iterable[str]) -> tuple[str, ...]:
        """What the arguments of a call are called in the other op, in order."""
        other = dict(self.renamed)
        kept = (other.get(name, name) for name in arguments if name not in self.without)
        return (*kept, *(name for name, _ in self.given))


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of one op. Exactly one of ``ways``, ``gap``, ``unwritten`` and ``becomes`` is set.

    ``unwritten`` names the operations that could serve, for which no rule is written yet; ``becomes`` the ops that
    a call is read as ``when`` that holds, before anything is judged: their cards say whether they can be lowered.
    ``arguments`` are those of an op of this project; PyTorch's ops have them in the list of schemas. What only
    ``moves`` elements may become a part of one rearrangement. Where ``first_output`` is set, the op is read as the one
    that it ``becomes`` where nothing reads its other outputs. ``jumps`` says where the smallest change of an input
    changes a result by much, whatever computes it.
    """

    op: str
    family: str
    summary: str
    ways: tuple[Way, ...] = ()
    gap: str | None = None
    unwritten: tuple[str, ...] = ()
    becomes: tuple[str, ...] = ()
    when: str = ""
    source: str = ""
    fix: str = ""
    arguments: tuple[str, ...] = ()
    moves: Movement = Movement.NONE
    first_output: FirstOutput | None = None
    jumps: Jump = Jump.NONE

    def way(self, name: str) -> Way:
        """The way called ``name``."""
        for way in self.ways:
            if way.name == name:
                return way
        raise CardError(f"{self.op} has no way called {name!r}; it has {[way.name for way in self.ways]}")


@dataclass(frozen=True, slots=True)
class Difference:
    """A thing that PyTorch and NNAPI mean differently, and how it is bridged.

    ``inputs`` are the elements for which results may differ all the same; where it ``spreads``, one such element may
    also change results that are not computed of it.
    """

    id: str
    title: str
    pytorch: str
    nnapi: str
    bridge: str
    since: int
    until: int | None
    source: str
    inputs: tuple[InputClass, ...] = ()
    spreads: bool = False

    @property
    def input_range(self) -> str:
        """The elements for which results may differ, in words; empty for none."""
        return range_words(self.inputs, spreads=self.spreads)


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code for why a node stays on the CPU, or why a part is not made."""

    code: str
    kind: str
    title: str
    explanation: str
    fix: str


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
    jumps = _jump(table)
    card = Card(
        op=op,
        family=family,
        summary=table.text("summary"),
        ways=tuple(
            replace(_parse_way(part, table.where, common, shared), activation=activation, jumps=jumps)
            for part in table.tables("ways")
        ),
        gap=table.optional_text("gap"),
        unwritten=table.texts("unwritten"),
        becomes=table.texts("becomes"),
        when=table.optional_text("when") or "",
        source=table.optional_text("source") or "",
        fix=table.optional_text("fix") or "",
        arguments=table.texts("arguments"),
        moves=_movement(table),
        first_output=_first_output(table.take("first_output"), table.where),
        jumps=jumps,
    )
    table.close()
    if sum((bool(card.ways), card.gap is not None, bool(card.unwritten), bool(card.becomes))) != 1:
        raise CardError(f"{table.where}: a card has exactly one of ways, gap, unwritten and becomes")
    if bool(card.becomes) != bool(card.when):
        raise CardError(f"{table.where}: `becomes` and `when` are given together")
    if card.first_output is not None and len(card.becomes) != 1:
        raise CardError(f"{table.where}: `first_output` is for an op that becomes one other")
    return card


def _first_output(raw: object, where: str) -> FirstOutput | None:
    if raw is None:
        return None
    table = CardTable(raw, f"{where}, first_output")
    renamed = mapping(table.take("renamed", {}), table.where)
    given = mapping(table.take("given", {}), table.where)
    found = FirstOutput(
        table.texts("without"),
        tuple((name, str(other)) for name, other in renamed.items()),
        tuple((name, _argument(value)) for name, value in given.items()),
    )
    table.close()
    return found


def _movement(table: CardTable) -> Movement:
    found = table.optional_text("moves") or Movement.NONE.value
    if found not in {item.value for item in Movement}:
        raise CardError(f"{table.where}: `moves` is one of {[item.value for item in Movement]}, found {found!r}")
    return Movement(found)


def _jump(table: CardTable) -> Jump:
    found = table.optional_text("jumps") or Jump.NONE.value
    if found not in {item.value for item in Jump}:
        raise CardError(f"{table.where}: `jumps` is one of {[item.value for item in Jump]}, found {found!r}")
    return Jump(found)


def _parse_way(raw: object, where: str, common: tuple[Requirement, ...], shared: Mapping[str, Requirement]) -> Way:
    table = CardTable(raw, where)
    name = table.text("name")
    table.where = where = f"{where}, way {name}"
    layout = table.optional_text("layout") or "torch"
    if layout not in {item.value for item in Layout}:
        raise CardError(f"{where}: `layout` is one of {[item.value for item in Layout]}, found {layout!r}")
    way = Way(
        name=name,
        emits=tuple(_parse_emission(part, where) for part in table.items("emits")),
        layout=Layout(layout),
        differences=table.texts("differences"),
        requires=common + tuple(parse_requirement(part, where, shared) for part in table.items("requires")),
        examples=tuple(_parse_example(part, where) for part in table.tables("examples")),
        rounding=table.optional_positive("rounding"),
        bound=None if (bound := table.take("bound")) is None else parse_bound(bound, where),
    )
    table.close()
    ids = [requirement.id for requirement in way.requires]
    if len(set(ids)) != len(ids):
        raise CardError(f"{where}: two requirements share an id")
    for example in way.examples:
        if example.expect is not None and example.expect not in ids:
            raise CardError(f"{where}, example {example.name}: no requirement is called {example.expect!r}")
    return way


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


def _parse_example(raw: object, where: str) -> Example:
    table = CardTable(raw, f"{where}, examples")
    name = table.text("name")
    expect = table.optional_text("expect")
    reads = table.whole_numbers("reads")
    args = tuple((key, _argument(value)) for key, value in mapping(table.take("args", {}), where).items())
    tensors: list[tuple[str, str | tuple[str, ...]]] = []
    for key, value in table.rest().items():
        if isinstance(value, str):
            tensors.append((key, value))
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            tensors.append((key, tuple(value)))
        else:
            raise CardError(f"{where}, example {name}: {key} is a tensor like `f32[1,2,7,9]`, found {value!r}")
    return Example(name, tuple(tensors), args, expect, reads)


def _argument(raw: object) -> ConstantOrTuple | None:
    if raw == "none":
        return None
    if isinstance(raw, list):
        return tuple(raw)
    if isinstance(raw, bool | int | float | str):
        return raw
    raise CardError(f"an example's argument is a number, a text or a list, found {raw!r}")


def load_differences(path: Path = HOME / "differences.toml") -> dict[str, Difference]:
    """Read the differences, by id."""
    found: dict[str, Difference] = {}
    for id_, raw in read_toml(path).items():
        table = CardTable(raw, f"{path.name}: {id_}")
        found[id_] = Difference(
            id=id_,
            title=table.text("title"),
            pytorch=table.text("pytorch"),
            nnapi=table.text("nnapi"),
            bridge=table.text("bridge"),
            since=table.optional_int("since") or 1,
            until=table.optional_int("until"),
            source=table.text("source"),
            inputs=_input_classes(table.texts("inputs"), table.where),
            spreads=table.take("spreads", False) is True,
        )
        table.close()
    return found


def _input_classes(names: tuple[str, ...], where: str) -> tuple[InputClass, ...]:
    known = {item.value: item for item in InputClass}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise CardError(f"{where}: `inputs` are of {sorted(known)}, found {unknown}")
    return tuple(known[name] for name in names)


def load_reasons(path: Path = HOME / "reasons.toml") -> dict[str, Reason]:
    """Read the reason codes, by code."""
    found: dict[str, Reason] = {}
    for code, raw in read_toml(path).items():
        table = CardTable(raw, f"{path.name}: {code}")
        found[code] = Reason(code, *(table.text(key) for key in ("kind", "title", "explanation", "fix")))
        table.close()
    return found
