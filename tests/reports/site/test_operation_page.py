"""An operation's page tells its types, inputs and rules, and the ops that become it."""

import pytest

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.reports.site.operation_page import OperationView, operation_view, users_by_operation


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def view_of(name: str, registry: Registry) -> OperationView:
    cards = registry.cards()
    return operation_view(registry.operation(name), users_by_operation(cards).get(name, ()), cards)


def test_every_operation_has_a_view_with_all_its_inputs(registry: Registry) -> None:
    for facts in registry.operations():
        view = view_of(facts.name, registry)
        assert [len(found.inputs) for found in view.signatures] == [len(found.inputs) for found in facts.signatures]
        assert all(row.type for found in view.signatures for row in found.inputs)


def test_types_are_told_with_their_levels(registry: Registry) -> None:
    view = view_of("AVERAGE_POOL_2D", registry)

    assert [(row.name, row.since) for row in view.types] == [
        ("TENSOR_FLOAT32", 1),
        ("TENSOR_QUANT8_ASYMM", 1),
        ("TENSOR_FLOAT16", 3),
        ("TENSOR_QUANT8_ASYMM_SIGNED", 4),
    ]


def test_rank_layout_and_empty_batches_are_sentences(registry: Registry) -> None:
    facts = view_of("AVERAGE_POOL_2D", registry).facts

    assert facts[0] == "Rank 4."
    assert "A flag chooses between NHWC and NCHW from feature level 3." in facts
    assert "The batch of input 0 may be 0 from feature level 3." in facts


def test_the_main_operand_is_told_from_those_that_follow_it(registry: Registry) -> None:
    inputs = view_of("CONV_2D", registry).signatures[0].inputs

    assert inputs[0].type == "any of the element types above"
    assert inputs[1].type == "follows the main operand, rank 4"


def test_rules_of_quantization_are_told_in_words(registry: Registry) -> None:
    softmax = view_of("SOFTMAX", registry).outputs[0].rules

    assert any(rule.startswith("TENSOR_QUANT8_ASYMM: scale 0.00390625, zero point 0") for rule in softmax)


def test_ops_are_told_with_the_ways_that_become_it(registry: Registry) -> None:
    users = {user.op: user.ways for user in view_of("MAX_POOL_2D", registry).users}

    assert users["aten.max_pool2d.default"] == ("operation", "unbatched")


def test_ops_without_a_rule_are_told_where_they_could_be_served(registry: Registry) -> None:
    card = next(card for card in registry.cards() if card.unwritten)

    assert card.op in view_of(card.unwritten[0], registry).wanted_by
