"""What was known of an operation when a level was the highest, to compare with documents of that time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from nnapi_check.coverage_db.spec import OperandFacts, OperationFacts, RankFacts, Signature


class _Leveled(Protocol):
    @property
    def since(self) -> int: ...


Row = TypeVar("Row", bound=_Leveled)
Key = TypeVar("Key")


def operations_as_of(level: int, operations: Mapping[str, OperationFacts]) -> dict[str, OperationFacts]:
    """The operations of a level, without what came later."""
    return {name: as_of(level, facts) for name, facts in operations.items() if facts.since <= level}


def as_of(level: int, facts: OperationFacts) -> OperationFacts:
    """The facts without types, inputs, counts, rules and flags that came after ``level``."""

    def known(rows: Iterable[Row]) -> tuple[Row, ...]:
        return tuple(row for row in rows if row.since <= level)

    def numbers(pairs: Iterable[tuple[Key, int]]) -> tuple[tuple[Key, int], ...]:
        return tuple((key, since) for key, since in pairs if since <= level)

    def operands(rows: Iterable[OperandFacts]) -> tuple[OperandFacts, ...]:
        return tuple(replace(row, quant=known(row.quant)) for row in known(rows))

    def signature(found: Signature) -> Signature:
        return replace(found, inputs=operands(found.inputs), counts=numbers(found.counts))

    def rank(found: RankFacts | None) -> RankFacts | None:
        """Ranks that are accepted from a later level on are not accepted yet."""
        if found is None or found.other_since is None or found.other_since <= level:
            return found
        return RankFacts(None if found.min is None else min(found.from_start), max(found.from_start))

    return replace(
        facts,
        types=numbers(facts.types),
        output_types=numbers(facts.output_types),
        same_type_only=numbers(facts.same_type_only),
        output_counts=numbers(facts.output_counts),
        signatures=tuple(signature(found) for found in known(facts.signatures)),
        outputs=operands(facts.outputs),
        configurations=known(facts.configurations),
        rank=rank(facts.rank),
        nchw_since=facts.nchw_since if facts.nchw_since is not None and facts.nchw_since <= level else None,
        zero=known(facts.zero),
    )
