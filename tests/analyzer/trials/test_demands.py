"""Every demand of a card is met by another way, mended by an edit, or said to be for no edit."""

from collections.abc import Iterator

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.judging.judge import LEVELS, judge
from nnapi_check.coverage_db.cards import Card, Example
from nnapi_check.coverage_db.edits.demands import Demand, demands, has_edit, load_without_code, why_without_code
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.modules import example_module


def breaking(card: Card, requirement: str) -> Iterator[Example]:
    for way in card.ways:
        if any(demanded.id == requirement for demanded in way.requires):
            yield from (example for example in way.examples if example.expect == requirement)


def is_taken(registry: Registry, card: Card, example: Example) -> bool:
    """Whether some way takes the call, at some level of some target."""
    built = example_module(card, example)
    graph = capture(built.module, built.inputs, weights=False).graph
    for target in registry.targets():
        judgement = judge(graph, registry, target)
        nodes = [node for node in judgement.nodes.values() if node.op == card.op]
        levels = LEVELS[LEVELS.index(target.lowest_level) :]
        if nodes and any(all(node.at(level).is_supported for node in nodes) for level in levels):
            return True
    return False


def test_every_demand_has_an_answer() -> None:
    registry = open_registry()
    left = [
        f"{demand.op}: {demand.requirement}"
        for demand in demands(registry.cards())
        if not has_edit(demand) and why_without_code(demand) is None
        if not all(
            is_taken(registry, registry.card(demand.op), example)
            for example in breaking(registry.card(demand.op), demand.requirement)
        )
    ]

    assert not left


def test_each_kind_without_code_tells_of_demands_that_there_are() -> None:
    known = list(demands(open_registry().cards()))

    for kind in load_without_code():
        told = [demand for demand in known if kind.tells_of(demand)]
        assert {demand.requirement for demand in told} >= set(kind.requirements), kind.id
        assert {demand.op for demand in told} >= set(kind.ops), kind.id
        assert any(not has_edit(demand) for demand in told), kind.id


def test_a_demand_with_an_edit_is_not_told_to_be_without() -> None:
    assert why_without_code(Demand("aten.conv2d.default", "constant-bias")) is None
    assert why_without_code(Demand("aten.conv2d.default", "constant-weight")) is not None
