"""How many inputs and outputs an operation accepts, as follows from what is said of each."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.coverage_db.header_import.operand_words import ReadOperand

Counts = tuple[tuple[int, int], ...]


def input_counts(operands: Sequence[ReadOperand], since: int) -> Counts:
    """The accepted numbers of inputs, each with its level.

    A list may end before an optional input that has a default, unless the one before demands it, and before the first
    input of a higher level.
    """
    counts: dict[int, int] = {}
    level = since
    demanded: int | None = None
    for position, operand in enumerate(operands):
        facts = operand.facts
        may_end = (facts.optional and facts.default is not None) or facts.since > level
        if may_end and position != demanded:
            counts[position] = level
        demanded = operand.tied_to if operand.tied_to == position + 1 else None
        level = max(level, facts.since)
    counts[len(operands)] = level
    return tuple(sorted((count, found) for count, found in counts.items() if count))


def output_counts(operands: Sequence[ReadOperand], since: int) -> Counts:
    """The numbers of outputs, each with its level; empty where outputs are repeated.

    Outputs that are there together are one group. Each group, and each output that another input may make unused, is
    there or not.
    """
    if any(operand.facts.index is None for operand in operands):
        return ()
    always = [each for each in operands if not each.facts.optional and not each.is_unused]
    counts = {len(always): max([since, *(each.facts.since for each in always)])}
    for size, level in _groups(operands):
        for count, known in list(counts.items()):
            reached = max(level, known)
            counts[count + size] = min(counts.get(count + size, reached), reached)
    return tuple(sorted((count, level) for count, level in counts.items() if count))


def _groups(operands: Sequence[ReadOperand]) -> list[tuple[int, int]]:
    """The size and level of each group of outputs that need not be there."""
    groups: list[tuple[int, int]] = []
    is_tied = False
    for operand in operands:
        level = operand.facts.since
        if operand.is_unused:
            groups.append((1, level))
            is_tied = False
        elif operand.facts.optional:
            if is_tied:
                size, known = groups.pop()
                groups.append((size + 1, max(known, level)))
            else:
                groups.append((1, level))
            is_tied = is_tied or operand.tied_to is not None
    return groups
