"""How the documented facts are read: what they leave unsaid, and where they slip.

The documentation, Android's validators and the conformance tests differ in places. Each entry here follows
what the validators (``common/types/operations/src`` of the Android sources) and the tests agree on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnapi_check.coverage_db.platform_facts import load_types
from nnapi_check.coverage_db.spec import OperandType, QuantRule, QuantRuleKind

FLOAT_TENSORS = frozenset({OperandType.TENSOR_FLOAT32, OperandType.TENSOR_FLOAT16})
QUANT8 = frozenset({OperandType.TENSOR_QUANT8_ASYMM, OperandType.TENSOR_QUANT8_ASYMM_SIGNED})

OPERAND_TYPE_SINCE: Mapping[OperandType, int] = {facts.type: facts.since for facts in load_types()}
"""The feature level that brought each operand type, whatever an operation's own list says."""

UNKNOWN_RANK_SINCE = 3
"""The feature level since which a tensor's rank may be left open."""

REFERENCED_MODELS_SINCE = 4
"""The feature level that brought models inside models."""


@dataclass(frozen=True, slots=True)
class TypeReading:
    """The type of an operand for which the documentation names none, or the wrong one.

    ``always`` holds whatever the main type is. ``when_quantized`` holds for a quantized main type, and the
    operand otherwise has the main type. ``as_input`` is the input whose type it shares.
    """

    always: tuple[OperandType, ...] = ()
    when_quantized: tuple[OperandType, ...] = ()
    as_input: int | None = None


_INT32 = TypeReading(always=(OperandType.INT32,))
_TENSOR_INT32 = TypeReading(always=(OperandType.TENSOR_INT32,))
_BOOL = TypeReading(always=(OperandType.BOOL,))
_BOXES = TypeReading(when_quantized=(OperandType.TENSOR_QUANT16_ASYMM,))

INPUT_TYPES: Mapping[tuple[str, int], TypeReading] = {
    ("AXIS_ALIGNED_BBOX_TRANSFORM", 1): TypeReading(
        when_quantized=(OperandType.TENSOR_QUANT8_ASYMM, OperandType.TENSOR_QUANT8_ASYMM_SIGNED)
    ),
    ("BIDIRECTIONAL_SEQUENCE_LSTM", 48): _INT32,
    ("BOX_WITH_NMS_LIMIT", 1): _BOXES,
    ("FILL", 0): _TENSOR_INT32,
    ("FULLY_CONNECTED", 2): TypeReading(when_quantized=(OperandType.TENSOR_INT32,)),
    ("GENERATE_PROPOSALS", 2): TypeReading(when_quantized=(OperandType.TENSOR_QUANT16_SYMM,)),
    ("GENERATE_PROPOSALS", 3): _BOXES,
    ("HEATMAP_MAX_KEYPOINT", 1): _BOXES,
    ("LSH_PROJECTION", 0): TypeReading(always=(OperandType.TENSOR_FLOAT32, OperandType.TENSOR_FLOAT16)),
    ("LSH_PROJECTION", 2): TypeReading(as_input=0),
    ("LSH_PROJECTION", 3): _INT32,
    ("LSTM", 20): _INT32,
    ("ROI_ALIGN", 1): _BOXES,
    ("ROI_POOLING", 1): _BOXES,
    ("SVDF", 5): _INT32,
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", 20): _INT32,
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", 21): TypeReading(always=(OperandType.FLOAT32,)),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", 22): TypeReading(always=(OperandType.FLOAT32,)),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", 23): _BOOL,
}
"""Inputs whose type is neither documented nor that of the main operand."""

OUTPUT_TYPES: Mapping[tuple[str, int], TypeReading] = {
    ("BOX_WITH_NMS_LIMIT", 1): _BOXES,
    ("GENERATE_PROPOSALS", 1): _BOXES,
    ("HASHTABLE_LOOKUP", 1): TypeReading(always=(OperandType.TENSOR_QUANT8_ASYMM,)),
    ("HEATMAP_MAX_KEYPOINT", 1): _BOXES,
    ("LSH_PROJECTION", 0): _TENSOR_INT32,
}
"""Outputs whose type is neither documented nor that of the main operand."""

ROLE_TYPES: Mapping[str, TypeReading] = {"fuse_code": _INT32}
"""Types that follow from the role, where the documentation says only what the value means."""

INPUT_COUNTS: Mapping[str, tuple[int, ...]] = {
    # Both flags are documented as optional, but a model without them is refused, and nothing trims them.
    "BATCH_MATMUL": (4,),
}
"""Accepted numbers of inputs where fewer are accepted than documented."""

FEWEST_INPUTS: Mapping[str, int] = {
    # The branches of IF may take nothing.
    "IF": 3,
}
"""The fewest inputs of variadic operations, where it is not one more than the fixed ones."""

MAY_LACK_VALUE: Mapping[str, frozenset[int]] = {
    # Layer normalization weights: input 23 is not marked optional, yet must be without value under CIFG.
    "LSTM": frozenset({23, 24, 25, 26}),
}
"""Inputs that may be without value although they are not documented as optional."""

NEEDS_VALUE: Mapping[str, frozenset[int]] = {
    "RNN": frozenset({5}),
    "SVDF": frozenset({6}),
}
"""Inputs documented as optional that must be there with a value."""

POWER_OF_TWO_SCALES: frozenset[tuple[str, int]] = frozenset({("QUANTIZED_LSTM", 19)})
"""Inputs whose scale the reference executor wants to be a power of two, which the documentation does not say."""


@dataclass(frozen=True, slots=True)
class Together:
    """Optional inputs of which all have a value or none.

    ``of_input_gates`` are further ones, each beside a weight of its input gate: it has a value where the others and
    that weight have, and nowhere else.
    """

    positions: tuple[int, ...]
    of_input_gates: tuple[tuple[int, int], ...] = ()


_INPUT_GATE = Together((1, 5, 12))
_PEEPHOLES = Together((10, 11), ((9, 1),))

PRESENT_TOGETHER: Mapping[str, tuple[Together, ...]] = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": (
        _INPUT_GATE,
        _PEEPHOLES,
        Together((54, 55, 56), ((53, 1),)),
        Together((18, 22, 29)),
        Together((27, 28), ((26, 18),)),
        Together((58, 59, 60), ((57, 18),)),
        Together((41, 42, 43, 45, 46, 47), ((40, 1), (44, 18))),
    ),
    "BIDIRECTIONAL_SEQUENCE_RNN": (Together((10, 11)),),
    "LSTM": (_INPUT_GATE, _PEEPHOLES, Together((24, 25, 26), ((23, 1),))),
    "QUANTIZED_LSTM": (_INPUT_GATE, _PEEPHOLES, Together((21, 22, 23), ((20, 1),))),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (_INPUT_GATE, _PEEPHOLES, Together((25, 26, 27), ((24, 1),))),
}
"""Weights that come for all gates or for none: of the input gate, peepholes, layer normalization, auxiliary ones."""

PRESENT_ONLY_WITH: Mapping[str, tuple[tuple[int, int], ...]] = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": ((17, 16), (34, 33), (41, 39)),
    "BIDIRECTIONAL_SEQUENCE_RNN": ((10, 9),),
    "LSTM": ((17, 16),),
    "QUANTIZED_LSTM": ((17, 16),),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ((17, 16),),
}
"""Optional inputs that have a value only where another has: a projection's bias, and auxiliary weights."""

MERGED_OUTPUT_COUNTS: Mapping[str, frozenset[int]] = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": frozenset({1, 5}),
    "BIDIRECTIONAL_SEQUENCE_RNN": frozenset({1, 3}),
}
"""Numbers of outputs at which output 1 is missing and the states move up into its place."""


def scalar_type(documented: OperandType, main: OperandType) -> OperandType:
    """The type of a float scalar: as wide as a float main tensor, and FLOAT32 beside any other."""
    if documented is OperandType.FLOAT32 and main is OperandType.TENSOR_FLOAT16:
        return OperandType.FLOAT16
    return documented


def quant_rules(kind: str, output: bool, position: int, rules: tuple[QuantRule, ...]) -> tuple[QuantRule, ...]:
    """The quantization rules of an operand, as they are meant."""
    return QUANT_RULES.get((kind, output, position), rules)


def _fixed(kind: OperandType, scale: float, zero_point: int | None = 0) -> tuple[QuantRule, ...]:
    return (QuantRule(QuantRuleKind.FIXED, frozenset({kind}), scale=scale, zero_point=zero_point),)


_BOX_SCALE = 0.125

QUANT_RULES: Mapping[tuple[str, bool, int], tuple[QuantRule, ...]] = {
    # The documented zero point of -128 beside a signed main tensor is not even a legal value of the type.
    ("BOX_WITH_NMS_LIMIT", False, 1): _fixed(OperandType.TENSOR_QUANT16_ASYMM, _BOX_SCALE),
    ("HEATMAP_MAX_KEYPOINT", False, 1): _fixed(OperandType.TENSOR_QUANT16_ASYMM, _BOX_SCALE),
    # Documented beside TENSOR_QUANT8_ASYMM only; it holds beside the signed type as well.
    ("ROI_ALIGN", False, 1): _fixed(OperandType.TENSOR_QUANT16_ASYMM, _BOX_SCALE),
    # Documented as TENSOR_QUANT16_SYMM, but it is TENSOR_QUANT16_ASYMM.
    ("GENERATE_PROPOSALS", False, 3): _fixed(OperandType.TENSOR_QUANT16_ASYMM, _BOX_SCALE),
    ("AXIS_ALIGNED_BBOX_TRANSFORM", False, 3): _fixed(OperandType.TENSOR_QUANT16_ASYMM, _BOX_SCALE),
    # Biases are documented to have a scale, but the tests leave it 0 and Android reads none.
    **{("QUANTIZED_LSTM", False, position): () for position in (12, 13, 14, 15, 17)},
}
"""Quantization rules that replace the documented ones."""
