"""Which numbers of inputs an operation takes, and which documented operand stands at a place."""

from __future__ import annotations

from collections.abc import Mapping

from nnapi_check.coverage_db.spec import OperandFacts, OperationFacts, Signature
from nnapi_check.lowering.nnapi.validation import readings


def facts_at(operands: tuple[OperandFacts, ...], position: int, count: int) -> OperandFacts | None:
    """What is documented of the operand at ``position`` of ``count``, or None where nothing is."""
    last = operands[-1] if operands and operands[-1].is_last else None
    if last is not None and position == count - 1:
        return last
    for operand in operands:
        if operand.index == position or (operand.span is not None and operand is not last):
            return operand
    return None


def output_position(kind: str, position: int, count: int) -> int:
    """The documented place of an output: with merged outputs, those after the first have moved up by one."""
    merged = readings.MERGED_OUTPUT_COUNTS.get(kind, frozenset())
    return position + 1 if position and count in merged else position


def input_counts(facts: OperationFacts, signature: Signature, count: int) -> Mapping[int, int]:
    """The numbers of inputs that a signature takes with their levels; of a variadic one, ``count`` alone."""
    if signature.is_variadic:
        fewest = _fewest(facts, signature)
        return {count: signature.since} if count >= fewest else {}
    accepted = readings.INPUT_COUNTS.get(facts.name)
    counts = dict(signature.counts)
    return counts if accepted is None else {number: counts[number] for number in accepted if number in counts}


def _fewest(facts: OperationFacts, signature: Signature) -> int:
    return readings.FEWEST_INPUTS.get(facts.name, (signature.fixed_inputs or 0) + 1)


def wanted_counts(facts: OperationFacts) -> str:
    """The numbers of inputs that an operation takes, in words."""
    counts: set[int] = set()
    for signature in facts.signatures:
        if signature.is_variadic:
            return f"at least {_fewest(facts, signature)}"
        counts.update(input_counts(facts, signature, 0))
    return " or ".join(str(count) for count in sorted(counts))
