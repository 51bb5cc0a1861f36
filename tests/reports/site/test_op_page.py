"""An op's page tells its ways, what they demand, and the errors that were measured."""

import pytest

from nnapi_check.coverage_db.cards import Example
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.measured_errors import NOTHING_MEASURED, MeasuredExample, measurements
from nnapi_check.reports.site.op_page import call_text, op_view


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def test_ways_stand_in_the_order_in_which_they_are_tried(registry: Registry) -> None:
    card = registry.card("aten.hardswish.default")

    view = op_view(card, registry, NOTHING_MEASURED)

    assert [(way.name, way.since) for way in view.ways] == [("operation", 4), ("composed", 1)]
    assert view.since == 1
    assert view.status == "native"


def test_every_requirement_is_told_with_condition_reason_and_fix(registry: Registry) -> None:
    for card in registry.cards():
        view = op_view(card, registry, NOTHING_MEASURED)
        for way, told in zip(card.ways, view.ways, strict=True):
            ids = [line.id for line in (*view.requires, *told.requires)]
            assert sorted(ids) == sorted(requirement.id for requirement in way.requires)
            assert all(line.condition and line.because and line.fix and line.reason for line in told.requires)


def test_what_every_way_demands_is_told_once(registry: Registry) -> None:
    card = registry.card("aten.max_pool2d.default")

    view = op_view(card, registry, NOTHING_MEASURED)

    assert [line.id for line in view.requires] == ["no-dilation"]
    assert [[line.id for line in way.requires] for way in view.ways] == [["batched"], ["one-image"]]


def test_a_gap_has_no_level(registry: Registry) -> None:
    card = next(card for card in registry.cards() if card.gap is not None)

    view = op_view(card, registry, NOTHING_MEASURED)

    assert (view.status, view.since, view.ways) == ("gap", None, ())


def test_optional_inputs_of_an_operation_are_named(registry: Registry) -> None:
    view = op_view(registry.card("aten.upsample_bilinear2d.vec"), registry, NOTHING_MEASURED)

    notes = {way.name: [part.note for part in way.emits] for way in view.ways}
    assert "with half_pixel_centers" in notes["half-pixel"]


def test_an_error_stands_by_the_example_that_it_was_measured_of(registry: Registry) -> None:
    measured = MeasuredExample("aten.max_pool2d.default", "operation", "quantized", 1, 0.05, 0.01, 1)

    view = op_view(registry.card("aten.max_pool2d.default"), registry, measurements("PyTorch", [measured]))

    found = {line.name: line.measured for line in view.ways[0].examples}
    assert found["quantized"] == measured
    assert found["dilated"] is None
    assert view.has_measurements


def test_example_reads_as_a_call() -> None:
    tensors = (("tensors", ("f32[2,3]", "f32[4,3]")), ("other", "i64[2]!"))
    example = Example("x", tensors, (("dim", 0), ("kernel_size", (3, 2)), ("out", None)), reads=(1,))

    text = call_text("aten.cat.default", example)

    assert text == "cat(tensors: [f32[2,3], f32[4,3]], other: i64[2]!, dim=0, kernel_size=(3, 2), out=None)[1]"


def test_an_op_that_is_read_as_another_names_it(registry: Registry) -> None:
    view = op_view(registry.card("aten.native_layer_norm.default"), registry, NOTHING_MEASURED)

    assert view.status == "rewritten"
    assert view.becomes == ("aten.layer_norm.default",)
    assert view.when == "only the first output is read"
