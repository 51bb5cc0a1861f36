"""From which level a way can serve, by element type: as the facts say, and never against an example that passes."""

from __future__ import annotations

import pytest

from nnapi_check.coverage_db.cards import Status, Way
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.way_levels import MAIN_TYPES, best_status, main_argument, role_since, way_level, way_types


@pytest.fixture
def registry() -> Registry:
    return open_registry()


def levels(way: Way, registry: Registry) -> dict[str, int]:
    return {kind.name: level for kind, level in way_types(way, registry)}


def test_level_of_a_type_is_the_one_at_which_the_operation_takes_it(registry: Registry) -> None:
    way = registry.card("aten.relu.default").ways[0]

    assert levels(way, registry) == {"TENSOR_FLOAT32": 1, "TENSOR_FLOAT16": 3, "TENSOR_QUANT8_ASYMM": 1}


def test_several_operations_need_the_highest_level_among_them(registry: Registry) -> None:
    for card in registry.cards():
        for way in card.ways:
            assert way_level(way, registry) >= max(
                (registry.operation(part.operation).since for part in way.emits), default=1
            ), f"{card.op}, {way.name}"


def test_an_optional_input_that_came_later_raises_the_level(registry: Registry) -> None:
    resize = registry.operation("RESIZE_BILINEAR")

    assert role_since(resize, "half_pixel_centers") > resize.since
    assert way_level(registry.card("aten.upsample_bilinear2d.vec").way("half-pixel"), registry) == 4


def test_a_requirement_on_the_element_type_leaves_the_others_out(registry: Registry) -> None:
    for op, way in (("aten.floor_divide.default", "operation"), ("aten.remainder.Tensor", "whole numbers")):
        assert set(levels(registry.card(op).way(way), registry)) == {"TENSOR_INT32"}


def test_every_element_type_of_a_passing_example_is_among_the_types(registry: Registry) -> None:
    kinds = {dtype: kind for kind, dtypes in MAIN_TYPES.items() for dtype in dtypes}
    tried = 0
    for card in registry.cards():
        for way in card.ways:
            for example in way.examples:
                if example.expect is not None or not example.tensors:
                    continue
                first = example.tensors[0][1]
                spec = first if isinstance(first, str) else next(part for part in first if part != "none")
                dtype = spec.partition("[")[0].partition("(")[0]
                if dtype in kinds:
                    tried += 1
                    assert kinds[dtype] in dict(way_types(way, registry)), f"{card.op}, {way.name}, {example.name}"
    assert tried > 500


def test_float16_needs_its_own_level_where_nothing_is_emitted(registry: Registry) -> None:
    way = next(way for way in registry.card("aten.alias.default").ways if not way.emits)

    assert dict(way_types(way, registry))[OperandType.TENSOR_FLOAT16] == 3


def test_an_exact_way_is_better_than_an_approximate_one(registry: Registry) -> None:
    ways = [way for card in registry.cards() for way in card.ways]
    approximate = next(way for way in ways if way.status is Status.APPROXIMATE)
    lowered = next(way for way in ways if way.status is Status.LOWERED)

    assert best_status([approximate, lowered]) is Status.LOWERED
    assert best_status([]) is Status.CPU


def test_first_tensor_is_named_as_the_examples_name_it(registry: Registry) -> None:
    ways = registry.card("aten.cat.default").ways

    assert {main_argument(way) for way in ways} == {"tensors"}
