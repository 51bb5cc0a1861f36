"""Models of operations that no conformance example has: what cards' examples are lowered to.

Android's examples end with feature level 8, so a later operation is known by the examples of the cards that emit it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.coverage_db.cards import Card, Way
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.nnapi.model import Model
from tests.lowering.examples.test_modules import captured_example, judged, lowered_alone, verdict_by

LAST_WITH_EXAMPLES = 8
"""The feature level with which Android's conformance examples end."""


def example_models(kind: str) -> Iterator[Model]:
    """The models that begin with the operation, of every example that passes."""
    registry = open_registry()
    for card in registry.cards():
        for way in card.ways:
            if kind in {emission.operation for emission in way.emits}:
                yield from (model for model in _models(card, way, registry) if model.operations[0].kind == kind)


def _models(card: Card, way: Way, registry: Registry) -> Iterator[Model]:
    for example in way.examples:
        if example.expect is None:
            captured = captured_example(card, example)
            judgement, node = judged(captured, card, example, registry)
            verdict = verdict_by(way, node, judgement)
            yield lowered_alone(captured, node, verdict, registry).model
