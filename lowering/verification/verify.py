"""Whether a converted file computes what PyTorch computes: the whole file as an app runs it, and node by node."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import computed_op_by_op
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.nnapi.interpreter.execute import prepare
from nnapi_check.lowering.nnapi.interpreter.quantization import QUANTIZED_TENSORS
from nnapi_check.lowering.packaging.manifest import ManifestError, PartRecord
from nnapi_check.lowering.packaging.recipe_torch import stored
from nnapi_check.lowering.verification.approximation import MARGIN, Approximation, read_approximations
from nnapi_check.lowering.verification.compared_set import RowSet
from nnapi_check.lowering.verification.comparison import FirstPlaces, Numbers, compare, first_places
from nnapi_check.lowering.verification.element_sets import element_set
from nnapi_check.lowering.verification.input_dependence import indifferent_outputs, is_of_constants
from nnapi_check.lowering.verification.own_inputs import on_own_inputs
from nnapi_check.lowering.verification.own_movement import OwnMovement
from nnapi_check.lowering.verification.part_run import as_computed, inward, outward
from nnapi_check.lowering.verification.reference import graph_values, reference_runs
from nnapi_check.lowering.verification.row_sets import row_sets
from nnapi_check.lowering.verification.sensitivity import Movement
from nnapi_check.lowering.verification.stated_steps import HALVES, held_to_steps, spread_of
from nnapi_check.lowering.verification.subject import Part, Subject, of_inputs, open_subject

MARGIN_DECIBELS = 20 * math.log10(MARGIN)
"""The same margin of what noise has for amplitude."""

SPLIT = 0.01
"""An output of which PyTorch's own changes by this share of its range is compared as a set of rows."""


@dataclass(frozen=True, slots=True)
class LayerNumbers:
    """The numbers of one value of the graph that an operand of a part holds."""

    part: int
    value: int
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Verification:
    """The measured difference of a package to PyTorch. ``ran_in`` says what executed its NNAPI models.

    ``outputs`` are the file's, or each part's where only the interpreter could run; ``layers`` are worst first.
    ``executions`` counts the NNAPI models that ran, ``approximations`` are the ops that tolerances allow for, and
    ``rows`` the outputs that were compared as sets of rows, for PyTorch's own change where its ops round otherwise.
    ``half`` are the outputs once more, computed with float16's numbers, of a package that lets drivers do so. They have
    no tolerance; they only must be finite where PyTorch's are. ``quantized`` are the quantized values, each computed of
    what PyTorch has for the quantized values before it; they are held to the bounds of the ops that make them.
    ``parts`` are the outputs of each part alone, where PyTorch's own share nothing of an output of the package, so that
    it tells too little, or, where no output hangs on the inputs, all values inside. ``firsts`` tell of classes in
    outputs of quantized models that are not PyTorch's exactly. ``indifferent`` are the outputs that hardly change with
    the inputs, and ``is_of_constants`` says that each input holds one number only.
    """

    ran_in: str
    level: int
    executions: int
    outputs: tuple[Numbers, ...]
    layers: tuple[LayerNumbers, ...] = ()
    approximations: tuple[Approximation, ...] = ()
    rows: tuple[RowSet, ...] = ()
    half: tuple[Numbers, ...] = ()
    quantized: tuple[LayerNumbers, ...] = ()
    parts: tuple[LayerNumbers, ...] = ()
    firsts: tuple[FirstPlaces, ...] = ()
    indifferent: tuple[int, ...] = ()
    is_of_constants: bool = False

    @property
    def is_within_tolerance(self) -> bool:
        """Whether every output differs by rounding, and by the bounds of approximate ops, only."""
        as_rows = {place for rows in self.rows for place in rows.jumping}
        if not all(isfinite(numbers.max_absolute) for numbers in self.half):
            return False
        if not all(layer.numbers.is_within_tolerance for layer in (*self.quantized, *self.parts)):
            return False
        return all(rows.is_within_tolerance for rows in self.rows) and all(
            numbers.is_within_tolerance or place in as_rows for place, numbers in enumerate(self.outputs)
        )


@computed_op_by_op()
def verify_artifact(
    path: Path,
    model: Path | torch.nn.Module,
    inputs: Sequence[object],
    *,
    level: int,
    facts: Mapping[str, OperationFacts],
    with_layers: bool = False,
    trust: bool = False,
    reference: Call | None = None,
) -> Verification:
    """Run a converted file and the model that it was made from on the same arguments, and compare every output.

    ``reference`` is how the model is called, where that is otherwise than the converted file.

    ``facts`` are those of NNAPI's operations, by name. A package runs in PyTorch's own NNAPI binding, a model file in
    the NDK's runtime, on the host runtime that plays an Android of feature level ``level``. Without a compiler, and at
    levels whose library lacks functions that the binding calls, each part runs alone in the interpreter, on what
    PyTorch computes for its inputs.
    """
    subject = of_inputs(open_subject(path, facts, trust=trust), inputs)
    call = Call(tuple(inputs)) if reference is None else reference
    approximate = _approximations(subject)
    reads_layers = with_layers or _is_quantized(subject)
    found = tuple(_layers(subject, model, call, trust=trust)) if reads_layers else ()
    own_movement = OwnMovement(subject, model, call, tuple(_as_often(approximate, found)), trust=trust)
    if reads_layers:
        own_movement.look_inside()
    rows: tuple[RowSet, ...] = ()
    half: tuple[Numbers, ...] = ()
    firsts: tuple[FirstPlaces, ...] = ()
    indifferent: tuple[int, ...] = ()
    is_relaxed = subject.manifest is not None and subject.manifest.is_relaxed
    try:
        ran = subject.run(inputs, level, facts)
    except HostRuntimeError as error:
        alone = _held_layers(tuple(_layers(subject, model, call, trust=trust, only_outputs=True)), own_movement)
        outputs = tuple(layer.numbers for layer in alone)
        if is_relaxed:
            halved = _layers(subject, model, call, trust=trust, only_outputs=True, in_half=True)
            half = tuple(measured.layer.numbers for measured in halved)
        ran_in, executions = f"the interpreter, part by part ({error})", len(subject.parts)
    else:
        wanted, next_wanted = reference_runs(model, call, 2, trust=trust)
        outputs, rows = _held_outputs(ran.outputs, wanted, subject, own_movement)
        if not _are_same(wanted, next_wanted):
            # A model that keeps a state is compared in its next run as well.
            ran_again = subject.run(inputs, level, facts)
            next_outputs, _ = _held_outputs(ran_again.outputs, next_wanted, subject, own_movement)
            outputs = tuple(map(_worse, outputs, next_outputs))
        firsts = tuple(_firsts(ran.outputs, wanted, outputs, own_movement))
        indifferent = indifferent_outputs(model, call, wanted, trust=trust)
        ran_in, executions = ran.ran_in, ran.executions
        if is_relaxed:
            halved_run = subject.run(inputs, level, facts, in_half=True)
            half = tuple(compare(ours, theirs) for ours, theirs in zip(halved_run.outputs, wanted, strict=True))
    stepped = {value: item.bound for item in approximate if item.bound.steps for value in item.made}
    quantized: tuple[LayerNumbers, ...] = ()
    layers: tuple[LayerNumbers, ...] = ()
    others: tuple[LayerNumbers, ...] = ()
    if reads_layers:
        own = [item for item in found if item.is_own_steps]
        others = _held_layers([item for item in found if not item.is_own_steps], own_movement)
        quantized = tuple(
            replace(item.layer, numbers=held_to_steps(item.layer.numbers, stepped.get(item.layer.value), item.spread))
            for item in own
        )
        layers = (*others, *quantized) if with_layers else ()
        quantized = (*quantized, *(layer for layer in others if layer.numbers.steps is not None))
    parts: tuple[LayerNumbers, ...] = ()
    if outputs and len(indifferent) == len(outputs):
        parts = (
            others if reads_layers else _held_layers(tuple(_layers(subject, model, call, trust=trust)), own_movement)
        )
    elif any(table.is_blind for table in rows):
        parts = _held_layers(tuple(_layers(subject, model, call, trust=trust, only_outputs=True)), own_movement)
    layers = tuple(sorted(layers, key=lambda layer: -layer.numbers.max_relative))
    return Verification(
        ran_in,
        level,
        executions,
        outputs,
        layers,
        approximate,
        rows,
        half,
        quantized,
        parts,
        firsts,
        indifferent,
        is_of_constants(call),
    )


def _as_often(approximate: Sequence[Approximation], found: Sequence[_Measured]) -> Iterator[Approximation]:
    """Approximate ops, off by steps as often as their layers are on PyTorch's own inputs, where that is more often than
    stated: of inputs that are much the same, many elements are halfway between two steps, or none.
    """
    often = {item.layer.value: item.layer.numbers.steps_share or 0.0 for item in found if item.is_own_steps}
    for item in approximate:
        if item.bound.steps and not item.bound.deviation:
            measured = max((often.get(value, 0.0) for value in item.made), default=0.0)
            yield replace(item, bound=replace(item.bound, share=max(item.bound.share, min(measured, HALVES))))
        else:
            yield item


def _firsts(
    ours: Sequence[torch.Tensor],
    theirs: Sequence[torch.Tensor],
    numbers: Sequence[Numbers],
    own_movement: OwnMovement,
) -> Iterator[FirstPlaces]:
    """What rows of classes put first, of outputs that are off by steps."""
    for place, found in enumerate(numbers):
        if found.steps:
            draws = [draw[place] for draw in own_movement.of_bounds().draws if len(draw) == len(theirs)]
            told = first_places(place, ours[place], theirs[place], draws)
            if told is not None:
                yield told


def _are_same(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    return len(first) == len(second) and all(map(_is_same, first, second))


def _is_same(first: torch.Tensor, second: torch.Tensor) -> bool:
    numbers = compare(first, second)
    return not numbers.is_another_form and numbers.max_absolute == 0


def _worse(first: Numbers, second: Numbers) -> Numbers:
    """The difference that is not within its tolerance, or the greater one."""
    return max(first, second, key=lambda numbers: (not numbers.is_within_tolerance, numbers.max_relative))


def _is_quantized(subject: Subject) -> bool:
    """Whether NNAPI computes quantized values that PyTorch has as well."""
    return any(
        part.model.operands[held.operand].type in QUANTIZED_TENSORS
        for part in subject.parts
        if part.record is not None
        for held in part.record.held
    )


def _held_outputs(
    ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor], subject: Subject, own_movement: OwnMovement
) -> tuple[tuple[Numbers, ...], tuple[RowSet, ...]]:
    """Hold outputs to the tolerance, and those beyond to what other rounding does to PyTorch's own."""
    if len(ours) != len(theirs):
        raise InputError(
            f"The package gives {len(ours)} outputs, the model gives {len(theirs)}: it was made from another."
        )
    steps = _output_steps(subject, len(theirs))
    plain = [compare(left, right, step=step) for left, right, step in zip(ours, theirs, steps, strict=True)]
    by_bounds = own_movement.of_bounds()
    held = _allowing(plain, by_bounds)
    settled = [
        a.is_within_tolerance or (b.is_within_tolerance and not _jumps(by_bounds, place))
        for place, (a, b) in enumerate(zip(plain, held, strict=True))
    ]
    if all(settled):
        return held, ()
    moved = own_movement.of_rounding()
    rounded = _allowing(plain, moved)
    numbers = tuple(a if known else b for a, b, known in zip(held, rounded, settled, strict=True))
    jumping = [
        place
        for place, found in enumerate(numbers)
        if not settled[place] and (found.is_another_form or _jumps(moved, place))
    ]
    if not jumping:
        return numbers, ()
    ops, own = own_movement.jumps(len(theirs)), own_movement.own_outputs()
    tables = row_sets(ours, theirs, jumping, own, [place for place in jumping if not ops[place]])
    return numbers, tuple(
        replace(table, ops=tuple(sorted(set[str]().union(*(ops[place] for place in table.outputs)))))
        for table in tables
    )


def _jumps(moved: Movement, place: int) -> bool:
    # Steps move quantized outputs by more than rounding does, and put nothing into another order.
    return not moved.is_stepped and place < len(moved.outputs) and moved.outputs[place] >= SPLIT


def _allowing(found: Sequence[Numbers], moved: Movement) -> tuple[Numbers, ...]:
    changes = moved.outputs if len(moved.outputs) == len(found) else (0.0,) * len(found)
    noise = moved.noise if len(moved.noise) == len(found) else (math.inf,) * len(found)
    return tuple(
        numbers.allowing(MARGIN * change, signal_to_noise=least - MARGIN_DECIBELS)
        for numbers, change, least in zip(found, changes, noise, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """A layer, with what was found and wanted where that differs by more than rounding."""

    layer: LayerNumbers
    found: torch.Tensor | None
    wanted: torch.Tensor | None
    is_own: bool = True  # it is computed of what PyTorch has for its inputs
    spread: float | None = None  # the root mean square of what an op reads whose bound hangs on it

    @property
    def is_own_steps(self) -> bool:
        """Whether it is quantized, and computed of what PyTorch has for its inputs."""
        return self.is_own and self.layer.numbers.steps is not None


def _held_layers(layers: Sequence[_Measured], own_movement: OwnMovement) -> tuple[LayerNumbers, ...]:
    """Hold each layer to the tolerance, those beyond to what other rounding does to PyTorch's own, and where these jump
    each element to what they jump to."""
    own_movement.look_inside()
    held = {index: _allowed_layer(item.layer, own_movement.of_bounds()) for index, item in enumerate(layers)}
    beyond = [index for index, layer in held.items() if not layer.numbers.is_within_tolerance]
    if not beyond:
        return tuple(held.values())
    moved = own_movement.of_rounding()
    jumping = [index for index in beyond if not moved.is_stepped and moved.values.get(held[index].value, 0.0) >= SPLIT]
    own = own_movement.own_values([held[index].value for index in jumping]) if jumping else ()
    for index in beyond:
        if index not in jumping or _is_among(layers[index], [values[held[index].value] for values in own]):
            held[index] = _allowed_layer(held[index], moved)
    return tuple(held.values())


def _is_among(measured: _Measured, own: Sequence[torch.Tensor]) -> bool:
    """Whether each element of a layer is one of what PyTorch's own have there."""
    if measured.found is None or measured.wanted is None or measured.layer.numbers.is_another_form:
        return False
    return element_set(measured.found, measured.wanted, own).is_within_tolerance


def _allowed_layer(layer: LayerNumbers, moved: Movement) -> LayerNumbers:
    least = moved.values_noise.get(layer.value, math.inf) - MARGIN_DECIBELS
    change = MARGIN * moved.values.get(layer.value, 0.0)
    return replace(layer, numbers=layer.numbers.allowing(change, signal_to_noise=least))


def _approximations(subject: Subject) -> tuple[Approximation, ...]:
    try:
        return () if subject.manifest is None else read_approximations(subject.manifest.extra)
    except ManifestError as error:
        raise InputError(f"The package is damaged: {error}") from error


def _output_steps(subject: Subject, count: int) -> list[float | None]:
    """The steps of the outputs that are the real numbers of quantized tensors, as the package tells them."""
    told = subject.manifest.extra.get("output_steps") if subject.manifest is not None else None
    steps = [step if isinstance(step, float) else None for step in told] if isinstance(told, list) else []
    return steps if len(steps) == count else [None] * count


def _layers(
    subject: Subject,
    model: Path | torch.nn.Module,
    call: Call,
    *,
    trust: bool,
    only_outputs: bool = False,
    in_half: bool = False,
) -> Iterator[_Measured]:
    """Each part alone in the interpreter, on PyTorch's own values, so that errors do not add up."""
    records = [part.record for part in subject.parts if part.record is not None]
    captured = capture(model, call, weights=True, trust=trust)
    wanted = {border.value for record in records for border in (*record.inputs, *record.outputs)}
    wanted |= {held.value for record in records for held in record.held}
    read = {value: item.read for item in _approximations(subject) if item.bound.deviation for value in item.made}
    wanted |= set(read.values())
    values = graph_values(captured, wanted, captured.example_inputs)
    given = {border.value for record in records for border in record.inputs}
    held = {item.value for record in records for item in record.held}
    given |= {value for value in held if value in values and values[value].is_quantized}
    own = on_own_inputs(captured.graph, given)
    for index, part in enumerate(subject.parts):
        if part.record is not None and all(border.value in values for border in part.record.inputs):
            found = _part_layers(index, part, part.record, values, only_outputs=only_outputs, in_half=in_half)
            for item in found:
                value = item.layer.value
                spread = spread_of(values[read[value]]) if read.get(value) in values else None
                yield replace(item, is_own=value in own, spread=spread)


def _part_layers(
    index: int,
    part: Part,
    record: PartRecord,
    values: Mapping[int, torch.Tensor],
    *,
    only_outputs: bool,
    in_half: bool,
) -> Iterator[_Measured]:
    held = [] if only_outputs else [item for item in record.held if item.value in values]
    arrays = [inward(values[border.value], border) for border in record.inputs]
    prepared = prepare(replace(part.model, relaxed=in_half), [stored(buffer) for buffer in part.buffers])
    forced = {
        item.operand: as_computed(part.model.operands[item.operand], values[item.value], item.permutation)
        for item in held
        if values[item.value].is_quantized
    }
    execution = prepared.run(arrays, keep={item.operand for item in held}, instead=forced, in_half=in_half)
    outputs = {border.value for border in record.outputs}
    for border, operand, tensor in zip(record.outputs, part.model.outputs, execution.outputs, strict=True):
        # What is kept is what was computed, whatever later operations read.
        found = outward(execution.kept.get(operand, tensor).array, border.torch, border.permutation)
        yield _measured(index, border.value, found, values[border.value])
    for item in held:
        if item.value not in outputs:
            wanted = values[item.value]
            found = outward(execution.kept[item.operand].array, tensor_type(wanted), item.permutation)
            yield _measured(index, item.value, found, wanted)


def _measured(index: int, value: int, found: torch.Tensor, wanted: torch.Tensor) -> _Measured:
    numbers = compare(found, wanted)
    is_kept = not numbers.is_within_tolerance
    return _Measured(LayerNumbers(index, value, numbers), found if is_kept else None, wanted if is_kept else None)
