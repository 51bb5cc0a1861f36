"""Examples are run, and their errors measured, at the level that their model needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.way_levels import MAIN_TYPES, way_types
from nnapi_check.lowering.examples.measure import ExampleError, measure, measure_example

OPS = ("aten.max_pool2d.default", "aten.gelu.default", "aten.hardswish.default", "aten.upsample_bilinear2d.vec")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def test_every_example_that_passes_is_measured_and_no_other(registry: Registry) -> None:
    card = registry.card("aten.max_pool2d.default")

    found = measure(registry, [card])

    assert set(found.by_example) == {
        (card.op, way.name, example.name) for way in card.ways for example in way.examples if example.expect is None
    }
    assert found.made_with.startswith("PyTorch ")


def test_a_maximum_is_exact_and_an_approximation_is_not(registry: Registry) -> None:
    found = measure(registry, [registry.card("aten.max_pool2d.default"), registry.card("aten.gelu.default")])

    pooled = [item for item in found.by_example.values() if item.op == "aten.max_pool2d.default"]
    smooth = [item for item in found.by_example.values() if item.op == "aten.gelu.default" and item.steps is None]
    assert {item.max_absolute for item in pooled} == {0.0}
    assert 0.0 < max(item.max_absolute for item in smooth) < 0.1
    assert {item.steps for item in pooled} == {None, 0}


def test_measured_level_is_never_below_the_one_that_the_facts_give(registry: Registry) -> None:
    kinds = {dtype: kind for kind, dtypes in MAIN_TYPES.items() for dtype in dtypes}
    for op in OPS:
        card = registry.card(op)
        for way in card.ways:
            levels = dict(way_types(way, registry))
            for example in (found for found in way.examples if found.expect is None):
                first = example.tensors[0][1]
                assert isinstance(first, str)
                kind = kinds[first.partition("[")[0].partition("(")[0]]

                assert measure_example(card, way, example, registry).level >= levels[kind]


def test_an_example_that_its_way_refuses_is_told_of(registry: Registry) -> None:
    card = registry.card("aten.max_pool2d.default")
    way = card.way("operation")
    broken = next(example for example in way.examples if example.expect is not None)

    with pytest.raises(ExampleError, match="should pass and does not"):
        measure_example(card, way, replace(broken, expect=None), registry)
