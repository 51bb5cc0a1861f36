"""Which values scalar parameters may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.constants import Constants, Number
from nnapi_check.lowering.nnapi.validation.contracts import Contract
from nnapi_check.lowering.nnapi.validation.faults import Problem, Rule


@dataclass(frozen=True, slots=True)
class ValueRule:
    """The values that a scalar may have, in words and as a test."""

    wanted: str
    accepts: Callable[[Number], bool]


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """A scalar input and the rule for its value."""

    position: int
    rule: ValueRule


def _one_of(*values: int) -> ValueRule:
    return ValueRule(" or ".join(str(value) for value in values), lambda value: value in values)


_AT_LEAST_0 = ValueRule("0 or more", lambda value: value >= 0)
_AT_LEAST_1 = ValueRule("1 or more", lambda value: value >= 1)
_POSITIVE = ValueRule("more than 0", lambda value: value > 0)
_NOT_ZERO = ValueRule("other than 0", lambda value: value != 0)
_ANY = ValueRule("any value", lambda value: True)
_FUSE_CODE = ValueRule("a fuse code from 0 to 3", lambda value: 0 <= value <= 3)
_NO_FUSED_ACTIVATION = ValueRule("fuse code 0, for integers have none", lambda value: value == 0)
_LSTM_ACTIVATION = ValueRule("an activation: 0, 1, 3, 4 or 6", lambda value: value in (0, 1, 3, 4, 6))

ROLES: Mapping[str, ValueRule] = {
    "fuse_code": _FUSE_CODE,
    "padding_code": _one_of(1, 2),
    **dict.fromkeys(("pad_left", "pad_right", "pad_top", "pad_bottom"), _AT_LEAST_0),
    **dict.fromkeys(("stride_width", "stride_height"), _AT_LEAST_1),
    **dict.fromkeys(("filter_width", "filter_height"), _AT_LEAST_1),
    **dict.fromkeys(("dilation_width", "dilation_height"), _AT_LEAST_1),
    **dict.fromkeys(("output_width", "output_height"), _AT_LEAST_1),
    **dict.fromkeys(("width_scale", "height_scale"), _POSITIVE),
    "depth_multiplier": _AT_LEAST_1,
    "num_groups": _AT_LEAST_1,
    "num_splits": _AT_LEAST_1,
    "block_size": _AT_LEAST_1,
    "k": _AT_LEAST_1,
    "radius": _AT_LEAST_0,
    "mirror_mode": _one_of(0, 1),
}
"""What the role alone says of a value."""

ROLES_OF_KIND: Mapping[tuple[str, str], ValueRule] = {
    ("SOFTMAX", "beta"): _POSITIVE,
    ("LOG_SOFTMAX", "beta"): _POSITIVE,
    ("LOCAL_RESPONSE_NORMALIZATION", "bias"): _NOT_ZERO,
    # Negative padding at the far end settles which of several output sizes is meant.
    ("TRANSPOSE_CONV_2D", "pad_right"): _ANY,
    ("TRANSPOSE_CONV_2D", "pad_bottom"): _ANY,
}
"""Where an operation's own rule stands in place of the role's."""

POSITIONS: Mapping[tuple[str, int], ValueRule] = {
    **{("BIDIRECTIONAL_SEQUENCE_LSTM", position): _AT_LEAST_0 for position in (49, 50)},
    ("BIDIRECTIONAL_SEQUENCE_LSTM", 48): _LSTM_ACTIVATION,
    ("BOX_WITH_NMS_LIMIT", 5): _one_of(0, 1, 2),
    ("BOX_WITH_NMS_LIMIT", 6): _AT_LEAST_0,
    **{("DETECTION_POSTPROCESSING", position): _POSITIVE for position in (3, 4, 5, 6)},
    ("DETECTION_POSTPROCESSING", 8): _AT_LEAST_1,
    **{("DETECTION_POSTPROCESSING", position): _AT_LEAST_0 for position in (11, 12)},
    **{("GENERATE_PROPOSALS", position): _POSITIVE for position in (4, 5)},
    **{("GENERATE_PROPOSALS", position): _AT_LEAST_0 for position in (8, 9)},
    **{("LSTM", position): _AT_LEAST_0 for position in (21, 22)},
    ("LSTM", 20): _LSTM_ACTIVATION,
    **{("QUANTIZED_LSTM", position): _AT_LEAST_0 for position in (24, 25)},
    ("RANDOM_MULTINOMIAL", 1): _AT_LEAST_1,
    **{("ROI_ALIGN", position): _POSITIVE for position in (5, 6)},
    **{("ROI_ALIGN", position): _AT_LEAST_0 for position in (7, 8)},
    **{("ROI_POOLING", position): _POSITIVE for position in (5, 6)},
    ("SVDF", 5): _AT_LEAST_1,
    **{("UNIDIRECTIONAL_SEQUENCE_LSTM", position): _AT_LEAST_0 for position in (21, 22)},
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", 20): _LSTM_ACTIVATION,
}
"""Scalars that have no documented role, by operation and position."""


def value_checks(contract: Contract, input_count: int) -> tuple[ValueCheck, ...]:
    """The scalars of an operation whose values are bound."""
    checks = []
    for role, position in contract.roles.items():
        rule = ROLES_OF_KIND.get((contract.kind, role), ROLES.get(role))
        if role == "fuse_code" and contract.main is OperandType.TENSOR_INT32:
            rule = _NO_FUSED_ACTIVATION
        if rule is not None:
            checks.append(ValueCheck(position, rule))
    for position in range(input_count):
        own = POSITIONS.get((contract.kind, position))
        if own is not None:
            checks.append(ValueCheck(position, own))
    return tuple(checks)


def value_problems(checks: tuple[ValueCheck, ...], inputs: tuple[int, ...], constants: Constants) -> list[Problem]:
    """The scalars whose known values are not accepted."""
    problems = []
    for check in checks:
        value = constants.scalar(inputs[check.position])
        if value is not None and not check.rule.accepts(value):
            problems.append(Problem(Rule.VALUE, f"{value}", check.rule.wanted, check.position))
    return problems
