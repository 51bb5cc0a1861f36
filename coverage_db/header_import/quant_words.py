"""Demands on an operand's scale and zero point, read from its words."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from nnapi_check.coverage_db.header_import.level_words import LEVEL, LevelWords
from nnapi_check.coverage_db.spec import OperandType, QuantRule, QuantRuleKind

_QUANTIZED = "|".join(sorted((name for name in OperandType.__members__ if "QUANT" in name), key=len, reverse=True))
_TYPE = re.compile(rf"\b(?:{_QUANTIZED})\b")
_TYPES = rf"(?P<types>(?:{_QUANTIZED})(?:,?(?: or| and)?(?: a)? (?:{_QUANTIZED}))*)"
_FOR = (
    rf"[Ff]or (?:an? |input0 of type |output tensor of (?:type )?|tensor of type )?{_TYPES}(?: (?:output )?tensors?)?,?"
)
_NUMBER = r"(?P<scale>-?[\d.]+f?(?: ?/ ?\d+)?)"
_BIAS = rf"[Ff]or (?P<of>filter|input) tensor of {_TYPES},? the bias should be of TENSOR_INT32,? with zeroPoint of 0"
_LEFT_UNREAD = re.compile(
    r"zero ?[Pp]oint|\b(?:in|out)put_scale|\b(?:filter|bias)_scale|[Qq]uantized with|is undefined"
    r"|\bscales? (?:of|and|must|is|=)"
)

_Reader = Callable[[re.Match[str], LevelWords], QuantRule]


def quant_rules(text: str, levels: LevelWords) -> tuple[tuple[QuantRule, ...], bool]:
    """The rules that the words state in known forms, and whether nothing else is said of scales and zero points.

    Raises ``UnknownLevelError`` where a rule names a level that is not known.
    """
    rules: list[QuantRule] = []
    left = text
    for pattern, read in _FORMS:
        for found in pattern.finditer(text):
            rules.append(read(found, levels))
            left = left.replace(found[0], "")
    return tuple(dict.fromkeys(rules)), not _LEFT_UNREAD.search(left)


def _types(found: re.Match[str]) -> frozenset[OperandType]:
    return frozenset(OperandType[name] for name in _TYPE.findall(found["types"]))


def _real(words: str) -> float:
    above, _, below = words.replace("f", "").partition("/")
    return float(Fraction(above.strip().rstrip(".") or "0") / int(below or 1))


def _free(found: re.Match[str], levels: LevelWords) -> QuantRule:
    return QuantRule(QuantRuleKind.FREE, _types(found))


def _same(found: re.Match[str], levels: LevelWords) -> QuantRule:
    return QuantRule(QuantRuleKind.SAME_AS_INPUT, _types(found), index=int(found["index"]))


def _fixed(found: re.Match[str], levels: LevelWords) -> QuantRule:
    scale, zero_point = _real(found["scale"]), int(found["zero_point"])
    return QuantRule(QuantRuleKind.FIXED, _types(found), scale=scale, zero_point=zero_point)


def _greater(found: re.Match[str], levels: LevelWords) -> QuantRule:
    kind = QuantRuleKind.SCALE_GREATER_THAN_PRODUCT
    if found["before"] is None:
        return QuantRule(kind, _types(found))
    return QuantRule(kind, _types(found), until=levels.level(found["before"]) - 1)


def _undefined(found: re.Match[str], levels: LevelWords) -> QuantRule:
    return QuantRule(QuantRuleKind.PAD_VALUE_UNDEFINED, _types(found), until=levels.level(found["before"]) - 1)


def _bias_product(found: re.Match[str], levels: LevelWords) -> QuantRule:
    kinds = frozenset({OperandType.TENSOR_INT32})
    return QuantRule(QuantRuleKind.BIAS_SCALE_IS_PRODUCT, kinds, zero_point=0, when_filter=_types(found))


def _bias_zero(found: re.Match[str], levels: LevelWords) -> QuantRule:
    kinds = frozenset({OperandType.TENSOR_INT32})
    return QuantRule(QuantRuleKind.BIAS_SCALE_IS_ZERO, kinds, scale=0.0, zero_point=0, when_filter=_types(found))


def _gate_bias(found: re.Match[str], levels: LevelWords) -> QuantRule:
    return QuantRule(QuantRuleKind.BIAS_SCALE_IS_PRODUCT, frozenset({OperandType.TENSOR_INT32}), zero_point=0)


def _channel_dim(found: re.Match[str], levels: LevelWords) -> QuantRule:
    return QuantRule(QuantRuleKind.CHANNEL_DIM, _types(found), dim=int(found["dim"]))


_FORMS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (
        re.compile(
            rf"{_FOR} the scales? and zeroPoint can be different from input(?:\d|s'|s)?"
            r"(?: scale(?:s)?(?: and zeroPoint)?)?"
        ),
        _free,
    ),
    (
        re.compile(
            rf"{_FOR} (?:the|its) scales? and zeroPoint (?:must be the|has to be|are the) same as (?:the )?input"
            r"(?P<index>\d)(?: scale and zeroPoint)?"
        ),
        _same,
    ),
    (re.compile(rf"{_FOR} the scale must be {_NUMBER} and the zeroPoint must be (?P<zero_point>-?\d+)"), _fixed),
    (
        re.compile(
            rf"Stored as {_TYPES} with offset (?P<zero_point>\d+) and scale {_NUMBER}",
        ),
        _fixed,
    ),
    (
        re.compile(
            rf"(?:Before (?P<before>{LEVEL}), )?[Ff]or output tensor of {_TYPES}, the following condition must be"
            r" satisfied: output_scale > (?:input_scale \* filter_scale|input1_scale \* input2_scale)"
        ),
        _greater,
    ),
    (re.compile(rf"Before (?P<before>{LEVEL}), the pad value for {_TYPES} is undefined"), _undefined),
    (re.compile(rf"{_BIAS} and bias_scale == input_scale \* filter_scale"), _bias_product),
    (
        re.compile(
            rf"{_BIAS} and bias_scale of 0(?:\. The actual scale of each value 'i' is equal to bias_scale\[i\] ="
            r" input_scale \* filter_scale\[i\])?"
        ),
        _bias_zero,
    ),
    (
        re.compile(
            r"(?:Bias is q|Q)uantized with scale being (?:the|a) product of input and weights scales and zeroPoint"
            r" equal to 0"
        ),
        _gate_bias,
    ),
    (
        re.compile(rf"[Ff]or tensor of type {_TYPES} the channel dimension \([^)]*\) must be set to (?P<dim>\d)"),
        _channel_dim,
    ),
)
