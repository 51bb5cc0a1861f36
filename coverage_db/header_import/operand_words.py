"""One input or output of an operation, read from its words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nnapi_check.coverage_db.header_import.comment_sections import Item
from nnapi_check.coverage_db.header_import.level_words import LevelWords
from nnapi_check.coverage_db.header_import.operand_roles import role_of, shaping_role_of
from nnapi_check.coverage_db.header_import.quant_words import quant_rules
from nnapi_check.coverage_db.spec import OperandFacts, OperandType

_NAMES = "|".join(sorted(OperandType.__members__, key=len, reverse=True))
_TYPE = re.compile(rf"\b({_NAMES})\b")
_LIST = rf"(?:{_NAMES})(?:(?:,? or |,? and |, )(?:{_NAMES}))*"
# Where an operand's own words end and those about special cases begin.
_CONDITION = re.compile(
    r"(?:\. |^)(?:For |If |When |Since |Before |Until |The scalar must|It is quantized|Tensor is quantized|Bias is"
    r"|Stored )"
)
_RANK = re.compile(r"(?<![\d-])(?<!or )(?<!- )\b(\d)-D (?:[Tt]ensor|TENSOR_\w+ tensor)")
_SCALAR = re.compile(r"\b[Ss]calar\b|\bvalue\b")
_DEFAULT = re.compile(r"[Dd]efaults? to (-?\d+|true|false)")
_OPTIONAL = re.compile(r"\bAn optional\b")
_OPTIONAL_ALONE = re.compile(r"(?:^|[.)] )Optional\.|This output is optional|Can be omitted")
_MAIN_THEN_SCALAR = re.compile(
    rf"(?:(?:input|output) tensors? of(?: type)?|input0 is of(?: type)?|tensors? have(?: the)? type) ({_LIST}),?"
    rf" [^.;]*?must be of(?: the)?(?: type)? ({_NAMES})"
)
_SCALAR_IF_MAIN = re.compile(rf"of(?: type)? ({_NAMES}) if input0 is of(?: type)? ({_LIST})")
_TIED = re.compile(r"[Ii]f this input is set, input (\d+)")
_PRESENT = re.compile(r"[Ii]f this output is present,? then outputs? #?(\d+)")
_UNUSED = re.compile(r"Unused if|is not produced")


@dataclass(frozen=True, slots=True)
class ReadOperand:
    """An operand, and what the number of operands follows from.

    It is not given without operand ``tied_to``; ``is_unused`` says that it may not be there at all, depending on
    another. ``is_understood`` says that nothing of scales and zero points is left unread.
    """

    facts: OperandFacts
    tied_to: int | None
    is_unused: bool
    is_understood: bool


def read_operand(item: Item, levels: LevelWords, since: int, *, is_input: bool) -> ReadOperand:
    """What an item says. ``since`` is the level of its list, for items that name none.

    Raises ``UnknownLevelError`` where it names a level that is not known.
    """
    text = item.text
    own = levels.after("[Aa]vailable since ", text)
    if own is None and item.under:
        own = levels.level(item.under)
    head = _head(text)
    kind = _fixed_type(head)
    is_scalar = bool(_SCALAR.search(head) or "this scalar must be" in text)
    by_main = _types_by_main(text) if kind is None and is_scalar else ()
    rank = _RANK.search(head)
    is_optional = bool(_OPTIONAL.search(head) or _OPTIONAL_ALONE.search(text))
    default = _default(text) if is_input else None
    is_scalar_type = kind is not None and not kind.is_tensor and kind is not OperandType.MODEL
    tied = (_TIED if is_input else _PRESENT).search(text)
    rules, is_understood = quant_rules(text, levels)
    facts = OperandFacts(
        index=int(item.index) if item.index.isdigit() else None,
        since=own if own is not None else since,
        is_scalar=is_scalar_type or bool(by_main) or "FuseCode value" in head,
        optional=is_optional,
        default=default,
        type=kind,
        type_by_main=by_main,
        role=role_of(text) if is_input else shaping_role_of(text),
        rank=int(rank[1]) if rank else None,
        quant=rules,
        span=None if item.index.isdigit() else item.index,
    )
    has_quantization = not facts.is_scalar and kind is not OperandType.MODEL
    return ReadOperand(
        facts, int(tied[1]) if tied else None, bool(_UNUSED.search(text)), is_understood or not has_quantization
    )


def _head(text: str) -> str:
    """The words before those about special cases, and what is said after them as "Type:"."""
    condition = _CONDITION.search(text)
    head = text[: condition.start()] if condition else text
    stated = re.search(rf"Type: (?:{_NAMES})", text)
    return f"{head} {stated[0]}" if stated and stated[0] not in head else head


def _fixed_type(head: str) -> OperandType | None:
    """The one type that the words name, or None where they name none or several."""
    if re.search(r"\bsame (?:OperandCode|type)\b", head):
        return None
    if reference := re.match(rf"An? ({_NAMES}) reference\b", head):
        return OperandType[reference[1]]
    named = set(_TYPE.findall(head))
    return OperandType[named.pop()] if len(named) == 1 else None


def _types_by_main(text: str) -> tuple[tuple[OperandType | None, OperandType], ...]:
    pairs: dict[OperandType | None, OperandType] = {}
    for mains, scalar in _MAIN_THEN_SCALAR.findall(text):
        for main in _TYPE.findall(mains):
            pairs.setdefault(OperandType[main], OperandType[scalar])
    if other := re.search(rf"of(?: type)? ({_NAMES}) otherwise", text):
        pairs[None] = OperandType[other[1]]
    for scalar, mains in _SCALAR_IF_MAIN.findall(text):
        for main in _TYPE.findall(mains):
            pairs.setdefault(OperandType[main], OperandType[scalar])
    # "Otherwise" stands last.
    return tuple(sorted(pairs.items(), key=lambda pair: pair[0] is None))


def _default(text: str) -> int | bool | None:
    found = _DEFAULT.search(text)
    if found is None:
        return None
    return {"true": True, "false": False}[found[1]] if found[1] in ("true", "false") else int(found[1])
