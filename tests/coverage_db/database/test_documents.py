"""What is written as a document is read back equal, and what is not a document is refused."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum, IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.coverage_db import bounds, cards, checks, input_classes, requirements, spec
from nnapi_check.coverage_db.database.documents import DocumentError, DocumentFormat
from nnapi_check.coverage_db.spec import (
    OperandFacts,
    OperandType,
    OperationFacts,
    QuantRule,
    QuantRuleKind,
    Signature,
    Trim,
)

FORMAT = DocumentFormat((spec, checks, bounds, cards, requirements, input_classes))

levels = st.integers(1, 8)
types = st.sampled_from(OperandType)
numbers = st.one_of(st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False))
rules = st.builds(
    QuantRule,
    kind=st.sampled_from(QuantRuleKind),
    types=st.frozensets(types),
    index=st.none() | st.integers(0, 20),
    scale=st.none() | st.floats(allow_nan=False),
    since=levels,
    when_filter=st.frozensets(types),
)
operands = st.builds(
    OperandFacts,
    index=st.none() | st.integers(0, 60),
    since=levels,
    is_scalar=st.booleans(),
    default=st.none() | numbers,
    type=st.none() | types,
    type_by_main=st.lists(st.tuples(st.none() | types, types)).map(tuple),
    role=st.none() | st.text(),
    quant=st.lists(rules, max_size=3).map(tuple),
)
operations = st.builds(
    OperationFacts,
    name=st.text(),
    code=st.integers(0, 1000),
    since=levels,
    main_kind=st.none() | st.just("input"),
    main_index=st.none() | st.integers(0, 3),
    types=st.lists(st.tuples(types, levels)).map(tuple),
    signatures=st.lists(
        st.builds(Signature, name=st.text(), since=levels, inputs=st.lists(operands, max_size=3).map(tuple)), max_size=2
    ).map(tuple),
    outputs=st.lists(operands, max_size=2).map(tuple),
    trims=st.lists(st.builds(Trim, first=st.integers(), values=st.lists(numbers).map(tuple)), max_size=2).map(tuple),
    notes=st.text(),
)


@given(operations)
def test_an_operation_is_read_back_equal(facts: OperationFacts) -> None:
    assert FORMAT.read(FORMAT.write(facts), OperationFacts) == facts


@given(numbers)
def test_a_default_keeps_its_type(default: bool | int | float) -> None:
    operand = OperandFacts(index=0, since=1, default=default)

    read = FORMAT.read(FORMAT.write(operand), OperandFacts)

    assert type(read.default) is type(default)


def test_fields_that_have_their_default_are_left_out_at_the_end() -> None:
    assert FORMAT.write(OperandFacts(index=3, since=2)) == '{"OperandFacts":[3,2]}'


def test_checks_of_cards_are_read_back_equal() -> None:
    check = checks.AnyOf(
        (checks.Not(checks.IsConstant("weight")), checks.Compare(checks.Relation.EQUALS, "dilation", (1, 1)))
    )

    assert FORMAT.read(FORMAT.write(check), checks.AnyOf) == check


def test_a_document_of_another_class_is_refused() -> None:
    with pytest.raises(DocumentError, match="holds Trim, wanted OperationFacts"):
        FORMAT.read(FORMAT.write(Trim(3, (False,))), OperationFacts)


@pytest.mark.parametrize(
    "document",
    ["", "{", '{"Nothing":[1]}', '{"Trim":[1]}', '{"Trim":[1,2,3,4,5]}', "{}", '{"OperandType":"TENSOR_FLOAT64"}'],
)
def test_a_damaged_document_is_refused(document: str) -> None:
    with pytest.raises(DocumentError):
        FORMAT.read(document, Trim)


def test_a_value_without_a_form_is_refused() -> None:
    with pytest.raises(DocumentError, match="complex has no form"):
        FORMAT.write(complex(1, 2))


class Foreign(Enum):
    ONE = 1


def test_a_class_of_no_given_module_is_refused() -> None:
    with pytest.raises(DocumentError, match="Foreign is not among the classes"):
        FORMAT.write(Foreign.ONE)


@dataclass(frozen=True, slots=True)
class Trimmed:
    first: int


class Number(IntEnum):
    ONE = 1


def test_an_enum_of_numbers_is_not_written_as_a_number() -> None:
    format_ = DocumentFormat((sys.modules[__name__],))

    assert format_.write(Number.ONE) == '{"Number":"ONE"}'
    assert format_.read(format_.write(Trimmed(2)), Trimmed) == Trimmed(2)
