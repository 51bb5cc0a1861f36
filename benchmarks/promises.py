"""Whether what is said of a traced module holds: each part at each level lowers, runs and computes what PyTorch does.

The parts run alone in the interpreter, each on what PyTorch computes for its inputs, so that a fault is told of the
part that makes it. Where a target carries one part alone, its file is run as well, and gives what that part does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path

import torch

from benchmarks.agreement import STEPS, Disagreement, Mismatch, mismatches, span_of
from benchmarks.carrying import PACKAGES, Carrier, Tensors, known
from benchmarks.draws import Draw
from benchmarks.excuses import beyond, excused, is_great
from benchmarks.reach import Reach
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.analyzer.tensor_types import element_type, flat_tensors
from nnapi_check.coverage_db.cards import Way
from nnapi_check.lowering.packaging.recipe_torch import stored
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from nnapi_check.lowering.verification.part_run import run_part
from nnapi_check.lowering.verification.reference import graph_values


class Broken(Enum):
    """What can break a promise, besides the numbers."""

    CHECK = "internal error at check"
    LOWERING = "exception after a yes"
    LEVEL = "level that was not promised"
    RUN = "exception while it runs"
    TYPED = "typed as something else"
    NORMAL_FORM = "normal form computes something else"
    CONVERSION = "exception while it is converted"
    VERIFICATION = "verification fails"
    CONVERTED = "converted file differs"
    CARRIED = "model file gives something else than its part"
    DEATH = "process died"
    TIME = "out of time"


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken promise. ``ways`` are those of the part's nodes, ``told`` says what was found."""

    kind: Broken | Disagreement
    level: int
    draw: Draw
    ways: tuple[str, ...]
    told: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one module: whether it was refused, the levels at which it has a part, and the faults."""

    refused: str
    accepted: tuple[int, ...]
    faults: tuple[Fault, ...]


BLURRED = 2e-2
"""By what share of its range a value may be off where an approximate way is one of several."""

Values = Mapping[int, torch.Tensor]


def hold(
    module: torch.jit.ScriptModule, draws: Mapping[Draw, Tensors], levels: Sequence[int], carrier: Carrier = PACKAGES
) -> Answer:
    """Check a module at these levels, and try every promise on every draw, of which the sample is what is captured."""
    try:
        captured = capture(module, draws[Draw.SAMPLE], weights=True)
        found = survey(captured.graph, known(), carrier.target, gain=0)
        plans = [found.at(level) for level in levels]
    except InputError as error:
        return Answer(str(error), (), ())
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what is counted here
        return Answer("", (), (Fault(Broken.CHECK, levels[0], Draw.SAMPLE, (), words_of(error)),))
    faults = [*_types(captured, draws[Draw.SAMPLE], levels[0]), *_normal_form(module, captured, draws, levels[0])]
    accepted: list[int] = []
    tried: dict[tuple[str, ...], tuple[Fault, ...]] = {}
    reach = Reach(captured)
    for plan in plans:
        if not plan.partition.parts:
            continue
        accepted.append(plan.level)
        try:
            lowered = lower_plan(found, plan, FactsByName(known()))
        except Exception as error:  # noqa: BLE001  # as above
            faults.append(Fault(Broken.LOWERING, plan.level, Draw.SAMPLE, _ways(plan), words_of(error)))
            continue
        faults.extend(_levels(plan, lowered))
        models = tuple(str((part.part.nodes, part.model)) for part in lowered)
        is_new = models not in tried
        if is_new:
            tried[models] = tuple(_numbers(captured, found, plan, lowered, draws, reach))
        faults.extend(replace(fault, level=plan.level) for fault in tried[models])
        if not carrier.target.carries_cpu_ops:
            run = draws if is_new else {Draw.SAMPLE: draws[Draw.SAMPLE]}
            faults.extend(_file(captured, found, plan, lowered, run, carrier))
    return Answer("", tuple(accepted), tuple(faults))


def _types(captured: Captured, inputs: Tensors, level: int) -> Iterator[Fault]:
    """Values that something reads and that have another shape or element type than was said before the run."""
    torch.manual_seed(0)
    readers = Uses(captured.graph).readers
    typed = {
        value: item.type
        for value, item in enumerate(captured.graph.values)
        if isinstance(item.type, TensorType) and value in readers
    }
    for value, tensor in graph_values(captured, typed, inputs).items():
        kind = typed[value]
        if (kind.dtype, kind.shape) != (element_type(tensor.dtype), tuple(tensor.shape)):
            maker = _maker(captured, value)
            told = f"value {value} of {maker} is {tensor.dtype} {tuple(tensor.shape)}, said to be {kind}"
            yield Fault(Broken.TYPED, level, Draw.SAMPLE, (maker,), told)


def _maker(captured: Captured, value: int) -> str:
    return next((node.op for node in captured.graph.nodes() if value in node.outputs), "no node")


def _normal_form(
    module: torch.jit.ScriptModule, captured: Captured, draws: Mapping[Draw, Tensors], level: int
) -> Iterator[Fault]:
    for draw, tensors in draws.items():
        wanted = run(module, tensors)
        if wanted is None:
            continue
        torch.manual_seed(0)
        try:
            with torch.no_grad():
                found = flat_tensors(captured.module._get_method("forward")(*(tensor.clone() for tensor in tensors)))
        except Exception as error:  # noqa: BLE001  # as above
            yield Fault(Broken.NORMAL_FORM, level, draw, (), words_of(error))
            continue
        pairs = zip(found, wanted, strict=False)
        off = [told for pair in pairs for told in mismatches(*pair) if _counts(told)]
        if off or len(found) != len(wanted):
            told = off[0].first if off else f"{len(found)} outputs, wanted {len(wanted)}"
            yield Fault(Broken.NORMAL_FORM, level, draw, (), told)


def _counts(found: Mismatch) -> bool:
    return found.kind is not Disagreement.ZERO_SIGN


def run(module: torch.jit.ScriptModule, tensors: Sequence[torch.Tensor]) -> Tensors | None:
    """What the module gives, always with the same random numbers; None where it fails."""
    torch.manual_seed(0)
    try:
        with torch.no_grad():
            return flat_tensors(module(*(tensor.clone() for tensor in tensors)))
    except Exception:  # noqa: BLE001  # PyTorch raises what it likes
        return None


def _levels(plan: Plan, lowered: Sequence[LoweredPart]) -> Iterator[Fault]:
    for part in lowered:
        if part.level > plan.level:
            told = f"level {part.level} is needed at level {plan.level}"
            yield Fault(Broken.LEVEL, plan.level, Draw.SAMPLE, _ways(plan, part), told)


def _numbers(
    captured: Captured,
    found: Survey,
    plan: Plan,
    lowered: Sequence[LoweredPart],
    draws: Mapping[Draw, Tensors],
    reach: Reach,
) -> Iterator[Fault]:
    crossing = {item.value for part in lowered for item in (*part.inputs, *part.outputs)}
    nodes = captured.graph.by_id
    inside = {
        value for part in lowered for id_ in part.part.nodes for value in (*nodes[id_].inputs(), *nodes[id_].outputs)
    }
    for draw, tensors in draws.items():
        torch.manual_seed(0)
        values = graph_values(captured, crossing | inside, tensors)
        moved: Values = {}
        for part in lowered:
            ways = _ways(plan, part)
            if not {item.value for item in (*part.inputs, *part.outputs)} <= set(values):
                continue
            inputs = {item.value: values[item.value] for item in part.inputs}
            try:
                computed = run_part(part, found.graph, inputs, captured.tensor).outputs
            except Exception as error:  # noqa: BLE001  # as above
                yield Fault(Broken.RUN, plan.level, draw, ways, words_of(error))
                continue
            given = tuple(inputs.values())
            used = [way for node in part.part.nodes if (way := plan.verdicts[node].way) is not None]
            excuses = excused(part, plan, captured, values, reach)
            great = beyond(part, plan, captured, values, reach)
            counted_off = max([STEPS, *(way.bound.steps for way in used if way.bound is not None)])
            stepped: Values = {}
            steps = max((way.bound.of_input for way in used if way.bound is not None), default=0.0)
            if steps and len(used) == 1:
                stepped = _movements(captured, crossing, tensors, values, partial(_stepped, steps))
            for value, tensor in computed.items():
                wanted = values[value]
                for left_out, sources in _groups(wanted, given, excuses.get(value), great.get(value)):
                    counted = partial(_span_without, left_out)
                    compare = partial(mismatches, tensor, wanted, inputs=sources, excused=left_out, steps=counted_off)
                    allowance = _allowance(used, counted(wanted))
                    if value in stepped:
                        allowance += 2 * counted(stepped[value])
                    off = list(compare(allowance=allowance))
                    if any(one.kind is Disagreement.FINITE for one in off):
                        moved = moved or _movements(captured, crossing, tensors, values, _rounded)
                        own = 4 * counted(moved[value])
                        off = list(compare(allowance=allowance + own))
                        if not any(one.kind is Disagreement.FINITE for one in off):
                            told = f"may move by {own:.2g} of {counted(wanted):.2g}"
                            yield Fault(Disagreement.ILL_CONDITIONED, plan.level, draw, ways, told)
                    for one in off:
                        yield Fault(one.kind, plan.level, draw, ways, f"{one.count} elements: {one.first}")


def _file(
    captured: Captured,
    found: Survey,
    plan: Plan,
    lowered: Sequence[LoweredPart],
    draws: Mapping[Draw, Tensors],
    carrier: Carrier,
) -> Iterator[Fault]:
    """What the file of the one part gives is what the part gave in the interpreter, bit by bit."""
    (part,) = lowered
    ways = _ways(plan, part)
    given = found.graph.body.outputs
    inside = {item.value for item in (*part.inputs, *part.outputs)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        try:
            carrier.write(captured, found, lowered, path)
            carried = list(carrier.run(path, draws.values(), plan.level))
        except Exception as error:  # noqa: BLE001  # as above
            yield Fault(Broken.CARRIED, plan.level, Draw.SAMPLE, ways, words_of(error))
            return
    for (draw, tensors), ran in zip(draws.items(), carried, strict=True):
        torch.manual_seed(0)
        values = graph_values(captured, {*given, *inside}, tensors)
        inputs = {item.value: values[item.value] for item in part.inputs}
        wanted = {**values, **run_part(part, found.graph, inputs, captured.tensor).outputs}
        if ran.executions != 1 or len(ran.outputs) != len(given):
            told = f"{ran.executions} models ran, {len(ran.outputs)} outputs"
            yield Fault(Broken.CARRIED, plan.level, draw, ways, told)
        for place, (value, ours) in enumerate(zip(given, ran.outputs, strict=False)):
            theirs = wanted[value] if value in wanted else captured.tensor(value)
            if not _is_same(ours, theirs):
                told = next((off.first for off in mismatches(ours, theirs)), "other bits")
                yield Fault(Broken.CARRIED, plan.level, draw, ways, f"output {place}: {told}")


def _is_same(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    is_alike = (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    return is_alike and stored(ours.contiguous()).tobytes() == stored(theirs.contiguous()).tobytes()


def _groups(
    wanted: torch.Tensor, inputs: Tensors, excuses: torch.Tensor | None, great: torch.Tensor | None
) -> Iterator[tuple[torch.Tensor, Tensors]]:
    """What to leave out of a comparison, with the inputs whose size counts: once without great numbers, once of them.

    A number that is off must not hide behind one in another row that is 30 orders greater.
    """
    excuses = torch.zeros(wanted.shape, dtype=torch.bool) if excuses is None else excuses
    if great is None:
        yield excuses, inputs
        return
    yield excuses | great, tuple(torch.where(is_great(tensor), 0, tensor) for tensor in inputs)
    yield excuses | ~great, inputs


def _span_without(left_out: torch.Tensor, tensor: torch.Tensor) -> float:
    return 0.0 if tensor.is_quantized else span_of(tensor[~left_out])


def _movements(
    captured: Captured,
    names: Set[int],
    tensors: Tensors,
    values: Mapping[int, torch.Tensor],
    move: Callable[[torch.Tensor, torch.Generator], torch.Tensor],
) -> dict[int, torch.Tensor]:
    """How far each element of PyTorch's own values moves when its inputs are moved a little, by value id.

    It is what remains of numbers that cancel, and how steep a function is where it is asked.
    """
    generator = torch.Generator().manual_seed(0)
    largest = {value: torch.zeros(values[value].shape, dtype=torch.float64) for value in names & values.keys()}
    for _ in range(_ROUNDINGS):
        rounded = tuple(move(tensor, generator) if tensor.is_floating_point() else tensor for tensor in tensors)
        torch.manual_seed(0)
        for value, tensor in graph_values(captured, names, rounded).items():
            wanted = values[value]
            if wanted.is_floating_point() and tensor.shape == wanted.shape:
                change = (tensor.double() - wanted.double()).abs().nan_to_num(0.0, 0.0)
                largest[value] = torch.maximum(largest[value], change)
    return largest


def _rounded(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return tensor * (1 + _EPSILON * (torch.randint(3, tensor.shape, generator=generator) - 1))


def _stepped(steps: float, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each element moved by a share of the tensor's range, up or down."""
    reach = steps * (tensor.max().clamp_min(0) - tensor.min().clamp_max(0)) if tensor.numel() else 0.0
    return tensor + reach * (torch.randint(2, tensor.shape, generator=generator) * 2 - 1)


_ROUNDINGS = 3
_EPSILON = 2.0**-22


def _allowance(used: Sequence[Way], span: float) -> float:
    """By how much a value of this range may be off: by its part's one bound, or by more where several ways follow."""
    bounds = [way.bound for way in used if way.bound is not None]
    if not bounds:
        return 0.0
    if len(used) > 1:
        return BLURRED * span
    (bound,) = bounds
    return bound.absolute + bound.relative * span


def _ways(plan: Plan, part: LoweredPart | None = None) -> tuple[str, ...]:
    nodes = part.part.nodes if part is not None else [node for made in plan.partition.parts for node in made.nodes]
    verdicts = [plan.verdicts[node] for node in nodes]
    return tuple(f"{found.op}/{found.way.name}" for found in verdicts if found.way is not None)


def words_of(error: BaseException) -> str:
    """An error's class and first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
