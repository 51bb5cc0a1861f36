"""Which optional inputs of recurrent operations may lack a value, each alone and together with others.

What is expected is said here by the documented names of the inputs, after the documentation (``tools/api/types.spec``
of the Android sources) and what the reference executor refuses (``common/cpu_operations``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Model, Operation
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.full_recurrent_models import (
    GATES,
    PEEPHOLES,
    Layer,
    bidirectional_lstm,
    bidirectional_rnn,
    lstm,
    quantized_lstm,
    sequence_lstm,
)
from tests.lowering.nnapi.small_models import F16, F32, computed, given, scalar, with_input, with_operand

FACTS = load_operations()

Names = frozenset[str]

LAYERS: dict[str, Layer] = {
    layer.kind: layer
    for layer in (lstm(), sequence_lstm(), quantized_lstm(), bidirectional_lstm(), bidirectional_rnn())
}

UNPROJECTED: dict[str, Layer] = {
    layer.kind: layer
    for layer in (
        lstm(is_projected=False),
        sequence_lstm(is_projected=False),
        quantized_lstm(is_projected=False),
        bidirectional_lstm(is_projected=False),
    )
}
"""LSTM layers in which an output is as wide as there are cells, so that a projection may be left out."""

LSTMS = tuple(UNPROJECTED)


def ways_of(layer: Layer) -> tuple[str, ...]:
    """What the names of a direction's inputs begin with."""
    return ("forward ", "backward ") if layer.kind.startswith("BIDIRECTIONAL") else ("",)


def input_gate(way: str) -> Names:
    return frozenset({f"{way}input-to-input weights", f"{way}recurrent-to-input weights", f"{way}input gate bias"})


def of_gates(way: str) -> tuple[tuple[str, Names], ...]:
    """The weights that each gate has or none, the input gate's own apart from the others'."""
    kinds = (
        [f"{way}cell-to-{gate} weights" for gate in PEEPHOLES],
        [f"{way}{gate} layer normalization weights" for gate in GATES],
        [f"{way}auxiliary input-to-{gate} weights" for gate in GATES],
    )
    return tuple((names[0], frozenset(names[1:])) for names in kinds)


def all_or_none(names: Names, present: Names) -> bool:
    return names <= present or names.isdisjoint(present)


def fits_together(layer: Layer, present: Names) -> bool:
    """Whether the documentation allows exactly these optional inputs of a layer to have a value."""
    auxiliary = frozenset(name for name in layer.optional if " auxiliary " in name)
    if layer.kind == "BIDIRECTIONAL_SEQUENCE_RNN":
        return all_or_none(auxiliary, present) and (auxiliary.isdisjoint(present) or "auxiliary input" in present)
    for way in ways_of(layer):
        gate = input_gate(way)
        if not all_or_none(gate, present):
            return False
        for own, others in of_gates(way):
            if not all_or_none(others, present) or (own in present) != (gate <= present and others <= present):
                return False
        if f"{way}projection bias" in present and f"{way}projection weights" not in present:
            return False
    not_input = frozenset(name for name in auxiliary if "input-to-input" not in name)
    return all_or_none(not_input, present) and (auxiliary.isdisjoint(present) or "auxiliary input" in present)


def units_of(layer: Layer) -> list[Names]:
    """Each optional input alone, and what is left out or given together."""
    units = [frozenset({name}) for name in layer.optional]
    auxiliary = frozenset(name for name in layer.optional if "auxiliary" in name)
    for way in ways_of(layer):
        owns = frozenset(own for own, _ in of_gates(way))
        units += [input_gate(way), input_gate(way) | owns]
        units += [others | extra for own, others in of_gates(way) for extra in (frozenset[str](), frozenset({own}))]
        units.append(frozenset({f"{way}projection weights", f"{way}projection bias"}))
    units += [auxiliary, auxiliary - {"auxiliary input"}]
    units = [unit.intersection(layer.optional) for unit in units]
    return list(dict.fromkeys(unit for unit in units if unit))


def choices_of(layer: Layer) -> Iterator[Names]:
    """All optional inputs but up to two units, and none but up to two."""
    everything, units = frozenset(layer.optional), units_of(layer)
    for count in range(3):
        for chosen in combinations(units, count):
            some = frozenset[str]().union(*chosen)
            yield everything - some
            yield some


def model_with(kind: str, present: Names, later: Names = frozenset()) -> Model:
    """A layer in which these optional inputs have a value, some are given at execution, and the others have none.

    Where a projection is left out, outputs are as wide as there are cells.
    """
    layer = LAYERS[kind]
    left_out = frozenset(layer.optional) - present
    has_all = not any("projection weights" in name for name in left_out)
    return (layer if has_all else UNPROJECTED.get(kind, layer)).model(left_out, later)


def rules(model: Model) -> set[Rule]:
    return {fault.rule for fault in validate(model, FACTS).faults}


@pytest.mark.parametrize("kind", LAYERS)
def test_optional_inputs_have_a_value_together_as_documented(kind: str) -> None:
    layer = LAYERS[kind]

    wrong = [
        sorted(set(layer.optional) - present)
        for present in dict.fromkeys(choices_of(layer))
        if rules(model_with(kind, present)) != (set() if fits_together(layer, present) else {Rule.MISSING_VALUE})
    ]

    assert wrong == []


@pytest.mark.parametrize("kind", LAYERS)
def test_both_accepted_and_refused_choices_are_tried(kind: str) -> None:
    verdicts = [fits_together(LAYERS[kind], present) for present in dict.fromkeys(choices_of(LAYERS[kind]))]

    assert {True, False} == set(verdicts)


@pytest.mark.parametrize("kind", LAYERS)
def test_what_is_accepted_is_computed(kind: str) -> None:
    layer = LAYERS[kind]
    everything, units = frozenset(layer.optional), [frozenset[str](), *units_of(layer)]
    present = [some for unit in units for some in (unit, everything - unit) if fits_together(layer, some)]

    for model in (model_with(kind, some) for some in present):
        inputs = [zeros_for(model, index) for index in model.inputs]
        shapes = [tensor.array.shape for tensor in execute(model, inputs).outputs]
        for found, output in zip(shapes, model.outputs, strict=True):
            declared = model.operands[output].shape
            assert isinstance(declared, tuple)
            assert all(size in (ours, UNSPECIFIED) for size, ours in zip(declared, found, strict=True))


def zeros_for(model: Model, index: int) -> Array:
    operand = model.operands[index]
    assert isinstance(operand.shape, tuple)
    return np.zeros([size for size in operand.shape if isinstance(size, int)], NUMPY_TYPES[operand.type])


@pytest.mark.parametrize("kind", LAYERS)
def test_every_other_input_needs_a_value(kind: str) -> None:
    layer = LAYERS[kind]
    needed = [name for name in layer.inputs if name not in layer.optional]

    assert [name for name in needed if rules(layer.model([name])) != {Rule.MISSING_VALUE}] == []


@pytest.mark.parametrize("make", [lstm, sequence_lstm, bidirectional_lstm, bidirectional_rnn])
def test_a_full_layer_of_float16_has_clips_of_float16(make: Callable[..., Layer]) -> None:
    layer = make(F16)

    clips = [position for position, name in enumerate(layer.inputs) if name.endswith("clip")]
    wide = [rules(with_input(layer.model(), position, scalar(0.0))) for position in clips]

    assert rules(layer.model()) == set()
    assert wide == [{Rule.INPUT_TYPE} for _ in clips]


@pytest.mark.parametrize("kind", LAYERS)
def test_what_the_caller_gives_at_execution_fits_with_values_and_without(kind: str) -> None:
    everything = frozenset(LAYERS[kind].optional)

    wrong = [
        (sorted(unit), name)
        for unit in units_of(LAYERS[kind])
        if fits_together(LAYERS[kind], everything - unit)
        for name in unit
        if rules(model_with(kind, everything - unit, later=frozenset({name}))) != set()
    ]

    assert wrong == []


def test_what_is_computed_for_an_optional_input_has_its_rank() -> None:
    layer = LAYERS["LSTM"]
    place, row = list(layer.inputs).index("input-to-input weights"), given(F32, (UNSPECIFIED,))
    model = with_operand(layer.model(), place, computed(F32, (UNSPECIFIED,)))
    first = len(model.operands)
    add = Operation("ADD", (first, first, first + 1), (place,))
    both = replace(
        model,
        operands=(*model.operands, row, scalar(0)),
        operations=(add, *model.operations),
        inputs=(*model.inputs, first),
    )

    assert rules(both) == {Rule.RANK}


@pytest.mark.parametrize("kind", LSTMS)
def test_without_a_projection_an_output_is_as_wide_as_its_cells(kind: str) -> None:
    layer = LAYERS[kind]

    for way in ways_of(layer):
        projection = [f"{way}projection weights", f"{way}projection bias"]
        assert rules(layer.model(projection)) == {Rule.INPUT_SHAPE}, way
        assert rules(UNPROJECTED[kind].model(projection)) == set(), way


def test_says_which_input_lacks_a_value_or_has_one_too_many() -> None:
    def said(layer: Layer, *left_out: str) -> list[tuple[str, str]]:
        faults = validate(layer.model(left_out), FACTS).faults
        return [(list(layer.inputs)[fault.operand or 0], fault.wanted) for fault in faults]

    lstm_step, *_, both_lstms, both_rnns = LAYERS.values()
    own_norm, norms = of_gates("")[1]
    assert said(lstm_step, "input gate bias") == [
        ("input gate bias", "values for all of the inputs 1, 5, 12, or for none")
    ]
    assert said(lstm_step, "cell-to-input weights") == [
        ("cell-to-input weights", "a value, for inputs 1, 10, 11 have one")
    ]
    assert said(lstm_step, *input_gate(""), "cell-to-input weights") == [(own_norm, "no value, for input 1 has none")]
    assert said(lstm_step, *norms) == [(own_norm, "no value, for input 24 has none")]
    assert said(both_lstms, "auxiliary input") == [
        ("forward auxiliary input-to-forget weights", "no value, for input 39 has none")
    ]
    assert said(both_rnns, "auxiliary input") == [("forward auxiliary weights", "no value, for input 9 has none")]
