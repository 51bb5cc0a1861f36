"""Facts as of a level hold all of its time and nothing that came later."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandFacts, OperandType, RankFacts
from tests.coverage_db.as_of_level import as_of, operations_as_of
from tests.registry_numbers import HIGHEST_LEVEL, NEXT_LEVEL

FACTS = load_operations()


def test_as_of_the_highest_level_nothing_is_left_out() -> None:
    assert operations_as_of(HIGHEST_LEVEL, FACTS) == FACTS


def test_an_earlier_level_has_fewer_operations_types_and_inputs() -> None:
    found = operations_as_of(2, FACTS)

    assert len(found) == 38
    assert dict(found["ADD"].types) == {OperandType.TENSOR_FLOAT32: 1, OperandType.TENSOR_QUANT8_ASYMM: 1}
    assert [dict(signature.counts) for signature in found["CONV_2D"].signatures] == [{10: 1}, {7: 1}]
    assert found["CONV_2D"].nchw_since is None


def test_a_rank_that_a_later_level_widens_is_the_earlier_one() -> None:
    later = RankFacts(None, 8, from_start=(1, 2, 3, 4), other_since=NEXT_LEVEL)

    assert as_of(HIGHEST_LEVEL, replace(FACTS["FLOOR"], rank=later)).rank == RankFacts(None, 4)
    assert as_of(NEXT_LEVEL, replace(FACTS["FLOOR"], rank=later)).rank == later


def test_what_a_later_level_adds_is_left_out() -> None:
    before = as_of(HIGHEST_LEVEL, FACTS["TOPK_V2"])
    (signature,) = before.signatures
    more = OperandFacts(len(signature.inputs), NEXT_LEVEL, is_scalar=True, type=OperandType.BOOL, optional=True)
    later = replace(
        before,
        types=(*before.types, (OperandType.TENSOR_BOOL8, NEXT_LEVEL)),
        signatures=(
            replace(
                signature,
                inputs=(*signature.inputs, more),
                counts=(*signature.counts, (len(signature.inputs) + 1, NEXT_LEVEL)),
            ),
        ),
    )

    assert as_of(HIGHEST_LEVEL, later) == before
