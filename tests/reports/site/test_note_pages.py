"""Differences and reasons are told with the ops that they concern."""

import pytest

from nnapi_check.analyzer.judging.failures import reason_of
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.reports.site.note_pages import difference_views, reason_views


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def test_a_difference_names_the_ways_that_bridge_it(registry: Registry) -> None:
    views = {view.difference.id: view for view in difference_views(registry.differences(), registry.cards())}

    ops = {found.op: found.details for found in views["ceil-mode"].ops}
    assert ops["aten.max_pool2d.default"] == ("operation", "unbatched")
    assert set(views) == {found.id for found in registry.differences()}


def test_a_requirement_stands_by_its_reason_once(registry: Registry) -> None:
    views = {view.reason.code: view for view in reason_views(registry.reasons(), registry.cards())}
    card = registry.card("aten.max_pool2d.default")
    dilation = next(found for found in card.ways[0].requires if found.id == "no-dilation")

    details = {found.op: found.details for found in views[reason_of(dilation.check)].ops}[card.op]

    assert details.count("no-dilation") == 1


def test_gaps_stand_by_the_reason_of_gaps(registry: Registry) -> None:
    views = {view.reason.code: view for view in reason_views(registry.reasons(), registry.cards())}

    assert {found.op for found in views["NNC101"].ops} == {card.op for card in registry.cards() if card.gap}
    assert {found.op for found in views["NNC102"].ops} == {card.op for card in registry.cards() if card.unwritten}
    assert {found.op for found in views["NNC104"].ops} == {card.op for card in registry.cards() if card.becomes}
