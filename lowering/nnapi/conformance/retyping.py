"""An example of an operation in one element type, made one in another: the same real numbers, stored otherwise.

Where no conformance example has an operation in a type that the documentation names, one in another type shows
what is expected of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.spec import OperandType, OperationFacts, QuantRuleKind
from nnapi_check.lowering.nnapi.conformance.vector_rows import Ignored, VectorExample
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    ChannelQuantParams,
    Immediate,
    Model,
    NoValue,
    Operand,
    QuantParams,
)
from nnapi_check.lowering.nnapi.validation.accepted_types import (
    Types,
    accepted_input,
    accepted_output,
    configuration_of,
)
from nnapi_check.lowering.nnapi.validation.contracts import Contract, QuantCheck, conclude
from nnapi_check.lowering.nnapi.validation.operands import NEEDS_SCALE

Reals = npt.NDArray[np.float64]

PER_CHANNEL = OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL
QUANTIZED = frozenset({*NEEDS_SCALE, PER_CHANNEL})
"""The types whose stored numbers stand for others."""

SYMMETRIC = frozenset({OperandType.TENSOR_QUANT8_SYMM, OperandType.TENSOR_QUANT16_SYMM, PER_CHANNEL})
"""The quantized types whose zero point is 0."""

_HEADROOM = 1.01
_OF_BIAS = frozenset({QuantRuleKind.BIAS_SCALE_IS_PRODUCT, QuantRuleKind.BIAS_SCALE_IS_ZERO})


@dataclass(frozen=True, slots=True)
class Retyped:
    """A model of one operation in another type, its inputs, and the real numbers that are expected of it.

    ``expected`` holds None for outputs of which nothing is expected. ``step`` is the largest step of a quantized
    operand, 0 where none is quantized.
    """

    model: Model
    inputs: tuple[Array | None, ...]
    expected: tuple[Reals | None, ...]
    step: float


def retype(model: Model, example: VectorExample, facts: OperationFacts, target: OperandType) -> Retyped | None:
    """The example with ``target`` as the type of the main operand, or None where the model is not of that kind."""
    if len(model.operations) != 1 or model.operations[0].kind != facts.name or facts.main_kind is None:
        return None
    (operation,) = model.operations
    contract = conclude(facts, _types(model, operation.inputs), _types(model, operation.outputs))
    if contract.main is None or contract.signature is None or contract.problems:
        return None
    if any(model.operands[index].channels is not None for index in operation.inputs):
        return None  # A bias beside a scale per channel has no scale of its own.
    inputs = _input_types(contract, _types(model, operation.inputs), target)
    outputs = _output_types(contract, _types(model, operation.outputs), target)
    if inputs is None or outputs is None:
        return None
    kinds = dict(zip((*operation.inputs, *operation.outputs), (*inputs, *outputs), strict=True))
    if any(kinds[index] is not kind for index, kind in zip(operation.inputs, inputs, strict=True)):
        return None  # One operand stands at two places that want different types.
    reals = _reals(model, example)
    quants = _quantizations(model, conclude(facts, inputs, outputs), kinds, reals)
    operands = tuple(
        _operand(operand, kinds.get(index, operand.type), quants.get(index), reals.get(index))
        for index, operand in enumerate(model.operands)
    )
    changed = replace(model, operands=_with_stored_scalars(model, contract, operands, kinds))
    return Retyped(
        model=changed,
        inputs=tuple(
            None if isinstance(given, NoValue) else _array(changed.operands[index], reals[index])
            for given, index in zip(example.inputs, model.inputs, strict=True)
        ),
        expected=tuple(reals.get(index) for index in model.outputs),
        step=max((quant.scale for quant in quants.values()), default=0.0),
    )


def to_reals(operand: Operand, stored: npt.NDArray[np.generic]) -> Reals:
    """The real numbers that an operand's stored ones stand for, with the shape of ``stored``."""
    numbers: Reals = stored.astype(np.float64)
    if operand.channels is not None:
        scales = np.asarray(operand.channels.scales)
        scaled: Reals = numbers * scales.reshape(_along(operand.channels.channel_dim, numbers.ndim))
        return scaled
    if operand.quant.scale:
        return (numbers - operand.quant.zero_point) * operand.quant.scale
    return numbers


def _along(axis: int, rank: int) -> list[int]:
    return [-1 if index == axis else 1 for index in range(rank)]


def _types(model: Model, indices: Iterable[int]) -> Types:
    return tuple(model.operands[index].type for index in indices)


def _input_types(contract: Contract, own: Types, target: OperandType) -> Types | None:
    facts, signature = contract.facts, contract.signature
    if signature is None:
        return None
    types = list(own)
    for position in range(len(own)):
        if facts.main_kind == "input" and position == facts.main_index:
            types[position] = target
            continue
        configuration = configuration_of(facts, target, tuple(types))
        accepted = accepted_input(facts, signature, target, tuple(types), position, configuration)
        if not accepted:
            return None
        is_kept = types[position] in accepted and target not in accepted
        types[position] = types[position] if is_kept else (target if target in accepted else accepted[0])
    return tuple(types)


def _output_types(contract: Contract, own: Types, target: OperandType) -> Types | None:
    types = []
    for position, kind in enumerate(own):
        if contract.facts.main_kind == "output" and position == contract.facts.main_index:
            types.append(target)
            continue
        accepted = accepted_output(contract.facts, target, position, len(own))
        if not accepted:
            return None
        types.append(kind if kind in accepted else accepted[0])
    return tuple(types)


def _reals(model: Model, example: VectorExample) -> dict[int, Reals]:
    """What is known of the operands' real numbers: constants, the example's inputs, and what it expects."""
    stored: dict[int, bytes] = {
        index: operand.source.data
        for index, operand in enumerate(model.operands)
        if isinstance(operand.source, Immediate)
    }
    for given, index in zip(example.inputs, model.inputs, strict=True):
        if isinstance(given, Immediate):
            stored[index] = given.data
    for expected, index in zip(example.outputs, model.outputs, strict=True):
        if not isinstance(expected, Ignored):
            stored[index] = expected.data
    return {
        index: to_reals(model.operands[index], _shaped(model.operands[index], data)) for index, data in stored.items()
    }


def _shaped(operand: Operand, data: bytes) -> Array:
    flat: Array = np.frombuffer(data, NUMPY_TYPES[operand.type])
    if not isinstance(operand.shape, tuple) or not all(isinstance(size, int) for size in operand.shape):
        return flat
    sizes = [size for size in operand.shape if isinstance(size, int)]
    return flat.reshape(sizes) if flat.size == np.prod(sizes, dtype=np.int64) else flat


def _quantizations(
    model: Model, contract: Contract, kinds: Mapping[int, OperandType], reals: Mapping[int, Reals]
) -> dict[int, QuantParams]:
    """Scales and zero points of the operands with a quantized type.

    Each of a convolution's operands gets its own; of other operations all have one where no rule wants another.
    """
    quantized = [index for index, kind in kinds.items() if kind in QUANTIZED]
    changed = [index for index in quantized if kinds[index] is not model.operands[index].type]
    numbers = [reals[index].reshape(-1) for index in changed if index in reals and reals[index].size]
    nothing = np.zeros(1)
    joined = np.concatenate([*numbers, nothing])
    is_joined = not contract.facts.configurations
    quants = {
        index: _fitting(joined if is_joined else np.append(reals.get(index, nothing), 0.0), kinds[index])
        if index in changed
        else model.operands[index].quant
        for index in quantized
    }
    (operation,) = model.operations
    for _ in range(2):  # A rule may rest on what another one sets.
        for check in contract.quant:
            index = (operation.outputs if check.is_output else operation.inputs)[check.position]
            is_bias = check.rule.kind in _OF_BIAS
            if index in changed or is_bias or (index in quants and check.is_output):
                _obey(quants, index, check, operation.inputs, operation.outputs, contract)
    return quants


def _fitting(reals: Reals, kind: OperandType) -> QuantParams:
    """Whole numbers stay exact where they fit; else the range is filled."""
    limits = np.iinfo(NUMPY_TYPES[kind].name)
    low, high = float(reals.min()), float(reals.max())
    is_whole = bool(np.all(reals == np.rint(reals)))
    if kind in SYMMETRIC:
        reach = max(-low, high)
        return QuantParams(1.0 if is_whole and reach <= limits.max else reach / limits.max or 1.0, 0)
    span = limits.max - limits.min
    scale = 1.0 if is_whole and high - low <= span else (high - low) / span or 1.0
    return QuantParams(float(np.float32(scale)), int(limits.min - np.rint(low / scale)))


def _obey(
    quants: dict[int, QuantParams],
    index: int,
    check: QuantCheck,
    inputs: Sequence[int],
    outputs: Sequence[int],
    contract: Contract,
) -> None:
    own, rule = quants.get(index, NOT_QUANTIZED), check.rule
    match rule.kind:
        case QuantRuleKind.SAME_AS_INPUT:
            quants[index] = quants.get(inputs[rule.index or 0], own)
        case QuantRuleKind.SAME_AS_INPUTS:
            quants[index] = quants.get(inputs[contract.tensors[0]], own)
        case QuantRuleKind.SAME_AS_OUTPUT:
            quants[index] = quants.get(outputs[rule.index or 0], own)
        case QuantRuleKind.FIXED:
            quants[index] = QuantParams(
                own.scale if rule.scale is None else rule.scale,
                own.zero_point if rule.zero_point is None else rule.zero_point,
            )
        case QuantRuleKind.SCALE_GREATER_THAN_PRODUCT:
            product = quants[inputs[0]].scale * quants[inputs[1]].scale
            quants[index] = replace(own, scale=max(own.scale, product * _HEADROOM))
        case QuantRuleKind.BIAS_SCALE_IS_PRODUCT:
            quants[index] = QuantParams(quants[inputs[0]].scale * quants[inputs[1]].scale, 0)
        case QuantRuleKind.PAD_VALUE_UNDEFINED:
            quants[inputs[0]] = replace(quants[inputs[0]], zero_point=0)
        case QuantRuleKind.BIAS_SCALE_IS_ZERO:
            quants[index] = NOT_QUANTIZED
        case QuantRuleKind.FREE | QuantRuleKind.CHANNEL_DIM | QuantRuleKind.SAME_ACROSS_WEIGHTS:
            pass


def _operand(operand: Operand, kind: OperandType, quant: QuantParams | None, reals: Reals | None) -> Operand:
    channels = operand.channels
    if kind is PER_CHANNEL and channels is None and isinstance(operand.shape, tuple) and quant is not None:
        count = operand.shape[0]
        channels = ChannelQuantParams((quant.scale,) * (count if isinstance(count, int) else 1), 0)
    if kind is not PER_CHANNEL:
        channels = None
    params = NOT_QUANTIZED if quant is None or kind is PER_CHANNEL else quant
    changed = replace(operand, type=kind, quant=params, channels=channels)
    if isinstance(operand.source, Immediate) and reals is not None and changed != operand:
        changed = replace(changed, source=Immediate(_array(changed, reals).tobytes()))
    return changed


def _array(operand: Operand, reals: Reals) -> Array:
    """Real numbers as an operand stores them. Whole numbers that are too large are cut off, others become infinite."""
    dtype = NUMPY_TYPES[operand.type]
    numbers = reals
    if operand.channels is not None:
        scales = np.asarray(operand.channels.scales)
        numbers = reals / scales.reshape(_along(operand.channels.channel_dim, reals.ndim))
    elif operand.quant.scale:
        numbers = reals / operand.quant.scale + operand.quant.zero_point
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.name)
        numbers = np.clip(np.rint(numbers), limits.min, limits.max)
    with np.errstate(over="ignore"):
        array: Array = numbers.astype(dtype)
    return array


def _with_stored_scalars(
    model: Model, contract: Contract, operands: Sequence[Operand], kinds: Mapping[int, OperandType]
) -> tuple[Operand, ...]:
    """Scalars that are stored numbers of a quantized main operand, such as a pad value, stored as the new one is."""
    (operation,) = model.operations
    signature = contract.signature
    main = operation.inputs[contract.facts.main_index or 0]
    found = list(operands)
    for position, index in enumerate(operation.inputs):
        facts = None if signature is None else next((o for o in signature.inputs if o.index == position), None)
        old, new = model.operands[index], operands[index]
        if facts is None or not facts.type_by_main or old.type.is_tensor or not isinstance(old.source, Immediate):
            continue
        reals = _shaped(old, old.source.data).astype(np.float64)
        if old.type is OperandType.INT32 and model.operands[main].type in QUANTIZED:
            reals = to_reals(model.operands[main], reals)
        if new.type is OperandType.INT32 and kinds[main] in QUANTIZED:
            reals = _array(operands[main], reals).astype(np.float64)
        found[index] = replace(new, source=Immediate(_array(new, reals).tobytes()))
    return tuple(found)
