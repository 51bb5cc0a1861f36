"""What a higher level adds is told operation by operation and op by op, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.cards import Card, Emission, Layout, Status, Way
from nnapi_check.coverage_db.changes import LevelChanges, OpChange, OperationChange, level_changes
from nnapi_check.coverage_db.checks import Compare, Relation
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import FunctionFacts, OperandType, OperationFacts
from tests.registry_numbers import LEVELS

F32, INT32 = OperandType.TENSOR_FLOAT32, OperandType.TENSOR_INT32


@pytest.fixture
def registry(text: Path) -> Registry:
    return open_registry(directory=text)


@dataclass(frozen=True, slots=True)
class WithCards:
    """The registry's operations with cards of the test's own."""

    registry: Registry
    own: tuple[Card, ...]

    def operation(self, name: str) -> OperationFacts:
        return self.registry.operation(name)

    def operations(self) -> tuple[OperationFacts, ...]:
        return self.registry.operations()

    def functions(self) -> tuple[FunctionFacts, ...]:
        return self.registry.functions()

    def cards(self) -> tuple[Card, ...]:
        return self.own


def way(name: str, *operations: str, bound: Bound | None = None, requires: tuple[Requirement, ...] = ()) -> Way:
    emits = tuple(Emission(operation) for operation in operations)
    return Way(name, emits, Layout.ANY, requires=requires, bound=bound)


def changes_of(registry: Registry, lower: int, higher: int, *ways: Way) -> tuple[OpChange, ...]:
    card = Card("aten.thing.default", "things", "A thing.", ways=ways)
    return level_changes(WithCards(registry, (card,)), lower, higher).ops


def operation_change(found: LevelChanges, name: str) -> OperationChange | None:
    return next((change for change in found.operations if change.operation == name), None)


def test_every_operation_is_new_at_its_own_level_and_only_there(registry: Registry) -> None:
    for higher in LEVELS[1:]:
        found = level_changes(registry, higher - 1, higher)

        new = {change.operation for change in found.operations if change.is_new}
        assert new == {facts.name for facts in registry.operations() if facts.since == higher}


def test_every_function_is_new_at_its_own_level_and_only_there(registry: Registry) -> None:
    found = [level_changes(registry, higher - 1, higher).functions for higher in LEVELS]

    assert [len(names) for names in found] == [23, 1, 19, 19, 7, 0, 0, 0]
    assert {name for names in found for name in names} == {facts.name for facts in registry.functions()}
    assert "ANeuralNetworksExecution_compute" in found[2]


def test_nothing_changes_within_a_level(registry: Registry) -> None:
    assert level_changes(registry, 3, 3) == LevelChanges(3, 3, (), ())


def test_levels_in_the_wrong_order_are_refused(registry: Registry) -> None:
    with pytest.raises(ValueError, match="feature level 2 is below 3"):
        level_changes(registry, 3, 2)


def test_tells_types_inputs_and_flags_that_a_level_adds(registry: Registry) -> None:
    found = level_changes(registry, 2, 4)

    change = operation_change(found, "RESIZE_BILINEAR")
    assert change is not None
    assert set(change.added) == {
        "type TENSOR_FLOAT16",
        "type TENSOR_QUANT8_ASYMM",
        "type TENSOR_QUANT8_ASYMM_SIGNED",
        "layout flag for NCHW",
        "batches of zero",
        "input 4 align_corners (resizing by shape)",
        "input 5 half_pixel_centers (resizing by shape)",
        "inputs (resizing by scale)",
    }


def test_tells_that_a_demand_is_dropped(registry: Registry) -> None:
    change = operation_change(level_changes(registry, 2, 3), "PAD")

    assert change is not None
    assert "a demand on scales or padding is dropped" in change.added


def test_an_op_becomes_native_in_the_types_that_its_operation_gains(registry: Registry) -> None:
    found = changes_of(registry, 3, 4, way("operation", "ADD"))

    assert found == (OpChange("aten.thing.default", (INT32,), Status.CPU, Status.NATIVE, "operation"),)


def test_an_exact_way_takes_the_place_of_an_approximate_one(registry: Registry) -> None:
    ways = way("rough", "ADD", bound=Bound(absolute=0.01)), way("exact", "HARD_SWISH")

    (change,) = [found for found in changes_of(registry, 3, 4, *ways) if F32 in found.types]

    assert (change.before, change.after, change.way) == (Status.APPROXIMATE, Status.NATIVE, "exact")
    assert change.is_newly_exact


def test_one_operation_takes_the_place_of_several(registry: Registry) -> None:
    ways = way("composed", "ADD", "MUL"), way("operation", "HARD_SWISH")

    (change,) = [found for found in changes_of(registry, 3, 4, *ways) if F32 in found.types]

    assert (change.before, change.after) == (Status.LOWERED, Status.NATIVE)


def test_an_op_that_stays_as_it_is_is_not_told(registry: Registry) -> None:
    assert changes_of(registry, 3, 8, way("operation", "FLOOR")) == ()


def test_a_requirement_that_is_demanded_no_more_is_told(registry: Registry) -> None:
    check = Compare(Relation.EQUALS, "dilation", 1)
    demand = Requirement("no-dilation", check, "It has none.", "Use none.", until=2)

    (change,) = changes_of(registry, 2, 3, way("operation", "FLOOR", requires=(demand,)))[:1]
    kept = changes_of(registry, 2, 3, way("operation", "FLOOR", requires=(replace(demand, until=3),)))

    assert change.lifted == ("no-dilation",)
    assert all(not found.lifted for found in kept)


def test_the_shipped_registry_never_loses_by_a_higher_level() -> None:
    shipped = open_registry()
    best_first = [Status.NATIVE, Status.LOWERED, Status.APPROXIMATE, Status.CPU]

    for change in level_changes(shipped, 1, 8).ops:
        assert best_first.index(change.after) <= best_first.index(change.before)
