"""Quantization rules between the operands of one operation."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache

from nnapi_check.coverage_db.spec import QuantRule, QuantRuleKind
from nnapi_check.lowering.nnapi.model import Operand, QuantParams, UnknownRank
from nnapi_check.lowering.nnapi.validation.contracts import Contract, QuantCheck
from nnapi_check.lowering.nnapi.validation.faults import Demand, Problem, Rule
from nnapi_check.lowering.nnapi.validation.readings import POWER_OF_TWO_SCALES

NEVER_ENDS = QuantRule(QuantRuleKind.FREE, frozenset()).until
"""The last level of a rule that holds at every level."""

BIAS_TOLERANCE = 1e-6
"""How far a bias scale may be from the product, as a share of the smaller (``OperationsExecutionUtils.cpp``)."""

POWER_TOLERANCE = 1e-3
"""How far the binary logarithm of a scale may be from a whole number where a power of two is wanted."""

_FLOAT = struct.Struct("<f")


@lru_cache(maxsize=4096)
def as_float32(value: float) -> float:
    """The float32 that NNAPI receives for a number."""
    try:
        rounded: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    except OverflowError:
        return float("inf")
    return rounded


def quant_problems(
    contract: Contract, inputs: Sequence[Operand], outputs: Sequence[Operand]
) -> tuple[list[Problem], list[Demand]]:
    """Broken rules, and what needs a higher level because it breaks a rule of the lower ones."""
    problems: list[Problem] = []
    demands: list[Demand] = []
    for check in contract.quant:
        broken = _broken(contract, check, inputs, outputs)
        if broken is None:
            continue
        found, wanted = broken
        if check.rule.until == NEVER_ENDS:
            problems.append(Problem(Rule.QUANTIZATION, found, wanted, check.position, check.is_output))
        else:
            demands.append(Demand(check.rule.until + 1, f"{contract.kind} with {found}, not {wanted},"))
    for kind, position in POWER_OF_TWO_SCALES:
        if kind == contract.kind and not _is_power_of_two(inputs[position].quant.scale):
            found = f"scale {inputs[position].quant.scale:g}"
            problems.append(Problem(Rule.QUANTIZATION, found, "a power of two", position))
    return problems, demands


def _is_power_of_two(scale: float) -> bool:
    """Whether a scale is as near to a power of two as the reference executor asks (``QuantUtils.cpp``)."""
    if not 0 < scale < math.inf:
        return True
    exponent = math.log2(scale)
    return abs(exponent - round(exponent)) < POWER_TOLERANCE


def _broken(
    contract: Contract, check: QuantCheck, inputs: Sequence[Operand], outputs: Sequence[Operand]
) -> tuple[str, str] | None:
    """What is found and what the rule wants, or None where it is obeyed."""
    rule = check.rule
    operand = outputs[check.position] if check.is_output else inputs[check.position]
    match rule.kind:
        case QuantRuleKind.SAME_AS_INPUT:
            return _unequal(operand, inputs, (rule.index or 0,), "input")
        case QuantRuleKind.SAME_AS_INPUTS:
            return _unequal(operand, inputs, contract.tensors, "input")
        case QuantRuleKind.SAME_AS_OUTPUT:
            return _unequal(operand, outputs, (rule.index or 0,), "output")
        case QuantRuleKind.SAME_ACROSS_WEIGHTS:
            first = next(other.position for other in contract.quant if other.rule.kind is rule.kind)
            return _unequal(operand, inputs, (first,), "input")
        case QuantRuleKind.FIXED:
            return _not_fixed(operand.quant, rule)
        case QuantRuleKind.SCALE_GREATER_THAN_PRODUCT:
            limit = _product(inputs)
            if as_float32(operand.quant.scale) > limit:
                return None
            return f"output scale {operand.quant.scale:g}", f"more than {limit:g}, the product of the input scales"
        case QuantRuleKind.PAD_VALUE_UNDEFINED:
            zero_point = inputs[0].quant.zero_point
            return None if zero_point == 0 else (f"zero point {zero_point} of what is padded", "zero point 0")
        case QuantRuleKind.BIAS_SCALE_IS_PRODUCT:
            return _not_product(operand.quant, inputs)
        case QuantRuleKind.BIAS_SCALE_IS_ZERO:
            return None if operand.quant.scale == 0 else (f"bias scale {operand.quant.scale:g}", "bias scale 0")
        case QuantRuleKind.CHANNEL_DIM:
            found = None if operand.channels is None else operand.channels.channel_dim
            if found is None or found == rule.dim or not _is_axis(found, operand):
                return None
            return f"channel dimension {found}", f"channel dimension {rule.dim}"
        case QuantRuleKind.FREE:
            return None


def _is_axis(axis: int, operand: Operand) -> bool:
    """Whether an axis is one of the operand's; one that is not is a fault of the operand by itself."""
    return not isinstance(operand.shape, UnknownRank) and 0 <= axis < len(operand.shape)


def _unequal(
    operand: Operand, others: Sequence[Operand], positions: Sequence[int], place: str
) -> tuple[str, str] | None:
    for position in positions:
        if position < len(others) and not _equal(operand.quant, others[position].quant):
            return _name(operand.quant), f"{_name(others[position].quant)} of {place} {position}"
    return None


def _equal(left: QuantParams, right: QuantParams) -> bool:
    if left == right:
        return True
    return left.zero_point == right.zero_point and as_float32(left.scale) == as_float32(right.scale)


def _not_fixed(quant: QuantParams, rule: QuantRule) -> tuple[str, str] | None:
    scale = quant.scale if rule.scale is None else rule.scale
    zero_point = quant.zero_point if rule.zero_point is None else rule.zero_point
    wanted = QuantParams(scale, zero_point)
    return None if _equal(quant, wanted) else (_name(quant), _name(wanted))


def _product(inputs: Sequence[Operand]) -> float:
    """The product of the scales of inputs 0 and 1, as float32 arithmetic gives it."""
    return as_float32(as_float32(inputs[0].quant.scale) * as_float32(inputs[1].quant.scale))


def _not_product(quant: QuantParams, inputs: Sequence[Operand]) -> tuple[str, str] | None:
    wanted = _product(inputs)
    found = as_float32(quant.scale)
    if abs(found - wanted) <= BIAS_TOLERANCE * min(found, wanted):
        return None
    return f"bias scale {quant.scale:g}", f"{wanted:g}, the product of input and weight scale"


def _name(quant: QuantParams) -> str:
    return f"scale {quant.scale:g} and zero point {quant.zero_point}"
