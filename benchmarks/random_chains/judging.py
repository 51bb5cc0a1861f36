"""Judging a chain: whatever the survey promises is built, held against the promise, run, and compared with PyTorch."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import torch

from benchmarks.carrying import PACKAGES, Carrier, known
from benchmarks.random_chains.drawing import is_usable, run_eagerly, without_latter_half
from benchmarks.random_chains.steps import Chain, ChainModule, Form, script
from benchmarks.random_chains.yardstick import NOISE_FACTOR, Reading, Yardstick
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.capture.functional_ops import is_in_place
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.planning.plan import Plan, Readiness
from nnapi_check.analyzer.planning.score import counts
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.analyzer.tensor_types import flat_tensors, tensor_type
from nnapi_check.lowering.nnapi.validation.validate import validate
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from nnapi_check.lowering.verification.approximation import MARGIN, Approximation, Cause, approximations
from nnapi_check.lowering.verification.comparison import compare
from nnapi_check.lowering.verification.part_run import run_part
from nnapi_check.lowering.verification.reference import graph_values
from nnapi_check.lowering.verification.sensitivity import moved_runs, movement

HIDDEN = "parts behind a condition, which run in a file only"

WRITTEN = "chains with writes, which run in a file only"


DRAWS = (1, 2, 3)
"""Of inputs, besides the first."""
_TRIED_RUNS = 3
"""PyTorch's executor is done with what it learns of a module after so many."""


class Kind(Enum):
    """What can be wrong with a chain."""

    NUMBERS = "wrong numbers"
    SHAPE_OR_TYPE = "wrong shape or type"
    RAISED = "an exception"
    LEVEL = "another level than promised"
    PARTS = "another number of parts than promised"
    SCORE = "a higher level scores lower"
    REASON = "a no without a reason"
    DEATH = "the process died"
    HANG = "no end"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong at a level, in words."""

    kind: Kind
    level: int
    words: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What approximate ops may do to a tensor: the relative change that the product measures, infinite behind a jump,
    and the greatest of the stated bounds."""

    moved: float = 0.0
    stated: float = 0.0


NOTHING = Allowance()


@dataclass(slots=True)
class Outcome:
    """What came of a chain. What is no fault is counted apart, and so is why the highest level refused it, where a
    target carries no part alone."""

    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, times: int = 1) -> None:
        """Count something that is no fault."""
        self.counts[what] += times

    def blame(self, kind: Kind, level: int, words: str) -> None:
        """Add a fault, once."""
        fault = Fault(kind, level, words)
        if fault not in self.faults:
            self.faults.append(fault)


class Judge:
    """Judges chains at feature levels, for the target of a carrier. What they share is read once."""

    def __init__(self, levels: Sequence[int], carrier: Carrier = PACKAGES) -> None:
        self.levels = tuple(levels)
        self.carrier = carrier
        self.target = carrier.target
        self.facts = FactsByName(known())

    def judge(self, chain: Chain, *, packages: bool = False) -> Outcome:
        """Judge a chain at every level, in the target's file too where asked for, or where no part runs without one.

        Of a chain that a target does not carry whole, the former half is judged as well.
        """
        outcome = Outcome()
        is_whole = not self.target.carries_cpu_ops
        while chain.outputs:
            try:
                module = _module(chain)
            except RuntimeError:
                outcome.count("chains that PyTorch cannot script")
                return outcome
            try:
                runs = self._judge(chain, module, outcome)
                needs_file = packages or is_whole or bool(outcome.counts.keys() & {HIDDEN, WRITTEN})
                if runs and needs_file and not outcome.faults:
                    self._carry(chain, outcome)
            except InputError as error:
                outcome.blame(Kind.RAISED, 0, f"refused: {error}")
            except Exception as error:  # noqa: BLE001 - any exception is a finding here
                if isinstance(error, RuntimeError) and _fails_itself(chain):
                    outcome.count("chains that PyTorch itself fails to run")
                    return outcome
                outcome.blame(Kind.RAISED, 0, _told(error))
            if outcome.faults or runs or not is_whole:
                break
            chain = without_latter_half(chain)
        return outcome

    def _judge(self, chain: Chain, module: torch.nn.Module, outcome: Outcome) -> bool:
        """Whether anything of the chain runs on NNAPI at any level, as is promised."""
        inputs = chain.tensors()
        captured = capture(module, inputs, weights=True)
        found = survey(captured.graph, known(), self.target, gain=0)
        lowered: dict[int, tuple[LoweredPart, ...]] = {}
        for level in self.levels:
            outcome.count(f"level {level}: {found.at(level).readiness.value}")
            try:
                lowered[level] = lower_plan(found, found.at(level), self.facts)
            except Exception as error:  # noqa: BLE001 - any exception is a finding here
                outcome.blame(Kind.RAISED, level, _told(error))
            else:
                self._check_promises(found.at(level), lowered[level], outcome)
        _check_scores(found, self.levels, outcome)
        if not self.target.carries_cpu_ops:
            for level in self.levels:
                _check_reasons(found, found.at(level), outcome, is_told=level == self.levels[-1])
        runs = any(lowered.values())
        if any(is_in_place(node.op.split(".")[1]) for node in captured.graph.nodes()):
            # What PyTorch gives for a value is what was written to it last.
            outcome.count(WRITTEN)
            return runs
        values = _values(captured, inputs)
        for words in _wrong_types(captured, values):
            outcome.blame(Kind.SHAPE_OR_TYPE, 0, words)
        self._check_capture(chain, captured, values, outcome)
        self._run(chain, captured, found, lowered, values, outcome)
        return runs

    def _check_promises(self, plan: Plan, parts: Sequence[LoweredPart], outcome: Outcome) -> None:
        if len(parts) != len(plan.partition.parts):
            outcome.blame(Kind.PARTS, plan.level, f"{len(parts)} parts, {len(plan.partition.parts)} were planned")
        for part in parts:
            faults = validate(part.model, self.facts, level=plan.level).faults
            if faults:
                outcome.blame(Kind.LEVEL, plan.level, faults[0].message)

    def _check_capture(
        self, chain: Chain, captured: Captured, values: Mapping[int, torch.Tensor], outcome: Outcome
    ) -> None:
        """Hold the captured graph in PyTorch against the chain that it was captured from."""
        yardstick = Yardstick(chain)
        for value, wanted in zip(captured.graph.body.outputs, outputs_of(chain), strict=True):
            words = self._difference(values[value], wanted, yardstick, outcome) if value in values else ""
            if words:
                outcome.blame(_kind_of(values[value], wanted), 0, f"{words} in an output of the captured graph")

    def _run(
        self,
        chain: Chain,
        captured: Captured,
        found: Survey,
        lowered: Mapping[int, tuple[LoweredPart, ...]],
        values: Mapping[int, torch.Tensor],
        outcome: Outcome,
    ) -> None:
        yardstick = Yardstick(chain)
        known: dict[int, int] = {}
        for level, parts in lowered.items():
            plan = found.at(level)
            if id(plan.partition) in known:
                continue
            known[id(plan.partition)] = level
            for part in parts:
                outcome.count("parts run")
                outcome.count("nodes run", len(part.part.nodes))
                try:
                    self._run_part(captured, found, plan, part, values, yardstick, outcome)
                except Exception as error:  # noqa: BLE001 - any exception is a finding here
                    outcome.blame(Kind.RAISED, level, _told(error))

    def _run_part(
        self,
        captured: Captured,
        found: Survey,
        plan: Plan,
        part: LoweredPart,
        values: Mapping[int, torch.Tensor],
        yardstick: Yardstick,
        outcome: Outcome,
    ) -> None:
        if any(value not in values for value in (*part.part.inputs, *part.part.outputs)):
            outcome.count(HIDDEN)
            return
        inputs = {value: values[value] for value in part.part.inputs}
        made = run_part(part, found.graph, inputs, captured.tensor).outputs
        makes = {value for node in found.graph.nodes() if node.id in part.part.nodes for value in node.outputs}
        items = [item for item in _bounded(found, plan) if makes.issuperset(item.made)]
        moved = movement(captured, items, captured.example_inputs, list(made)).values if items else {}
        for value, tensor in made.items():
            allowance = Allowance(moved.get(value, 0.0), _stated(items))
            words = self._difference(tensor, values[value], yardstick, outcome, allowance)
            if (
                words
                and not yardstick.knows(values[value])
                and _is_within_roundings(captured, found, plan, value, tensor)
            ):
                outcome.count(f"outputs {Reading.TIE.value}")
            elif words:
                kind = _kind_of(tensor, values[value])
                outcome.blame(kind, plan.level, f"{words} in what {_maker(captured, value)} makes")

    def _difference(
        self,
        found: torch.Tensor,
        wanted: torch.Tensor,
        yardstick: Yardstick,
        outcome: Outcome,
        allowance: Allowance = NOTHING,
    ) -> str:
        numbers = compare(found, wanted)
        if numbers.is_within_tolerance and (wanted.is_floating_point() or numbers.max_absolute == 0):
            return ""
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            return f"{found.dtype} {tuple(found.shape)}, wanted {wanted.dtype} {tuple(wanted.shape)},"
        is_jump = math.isinf(allowance.moved)
        if not is_jump and allowance.moved and numbers.allowing(MARGIN * allowance.moved).is_within_tolerance:
            outcome.count(f"outputs {Reading.BOUND.value}")
            return ""
        reading = yardstick.read(found, wanted, allowance.stated if is_jump else 0.0)
        if reading is not Reading.FAULT:
            outcome.count(f"outputs {reading.value}")
            return ""
        return f"off by {numbers.max_relative:.2g} of the range"

    def _carry(self, chain: Chain, outcome: Outcome) -> None:
        """Write the target's file, and run it on every draw: several of a chain that elements decide."""
        chains = [chain, *_drawn_again(chain)]
        captured = capture(_module(chain), chain.tensors(), weights=True)
        found = survey(captured.graph, known(), self.target, gain=0)
        for level in self.levels:
            plan = found.at(level)
            if level < self.carrier.lowest_level or not (plan.partition.parts or self.target.carries_cpu_ops):
                continue
            if self.carrier.takes_apart:
                captured = capture(_module(chain), chain.tensors(), weights=True)
                found = survey(captured.graph, known(), self.target, gain=0)
            self._carry_at(level, chains, captured, found, outcome)

    def _carry_at(
        self, level: int, chains: Sequence[Chain], captured: Captured, found: Survey, outcome: Outcome
    ) -> None:
        plan = found.at(level)
        parts = lower_plan(found, plan, self.facts)
        items = _bounded(found, plan)
        draws = [chain.tensors() for chain in chains]
        moved = [
            movement(captured, items, tensors).outputs if items else (0.0,) * len(chains[0].outputs)
            for tensors in draws
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "chain"
            self.carrier.write(captured, found, parts, path)
            carried = list(self.carrier.run(path, draws, level))
        outcome.count("files run")
        for chain, changes, run in zip(chains, moved, carried, strict=True):
            if run.executions != len(parts) and not any(node.blocks for node in found.graph.body.nodes):
                outcome.blame(Kind.PARTS, level, f"{run.executions} models ran, {len(parts)} were promised")
            yardstick = Yardstick(chain)
            for tensor, wanted, change in zip(run.outputs, outputs_of(chain), changes, strict=True):
                words = self._difference(tensor, wanted, yardstick, outcome, Allowance(change, _stated(items)))
                if words:
                    outcome.blame(_kind_of(tensor, wanted), level, f"{words} in an output of the file")


def _drawn_again(chain: Chain) -> Iterator[Chain]:
    """The chain with other inputs, where its elements decide something and its numbers stay usable."""
    values = [value for step in chain.steps for value in step.results]
    for draw in DRAWS if chain.is_decided_by_elements else ():
        again = replace(chain, draw=draw)
        if all(map(is_usable, run_eagerly(again, again.tensors(), values))):
            yield again


def _is_within_roundings(captured: Captured, found: Survey, plan: Plan, value: int, made: torch.Tensor) -> bool:
    """Whether each element of a value that the chain has no name for stands where roundings or ties bring it."""
    tensors = [known.id for known in captured.graph.values if isinstance(known.type, TensorType)]
    items = approximations(found, plan)
    runs = [
        run
        for times in range(1, int(NOISE_FACTOR) + 1)
        for run in moved_runs(captured, items, captured.example_inputs, [value], rounded=tensors, times=times)
    ]
    reached = [run.values[value].double() for run in runs if value in run.values]
    if not reached or any(made.shape != tensor.shape for tensor in reached):
        return False
    least, greatest = torch.stack(reached).amin(0), torch.stack(reached).amax(0)
    return bool(((made >= least) & (made <= greatest)).all())


def _bounded(found: Survey, plan: Plan) -> list[Approximation]:
    """The nodes of a plan that say how far off they may be, which its numbers are held to."""
    return [item for item in approximations(found, plan) if item.cause is not Cause.TIES]


def _stated(items: Sequence[Approximation]) -> float:
    bounds = [item.bound for item in items]
    return max((bound.absolute + bound.relative + bound.of_input for bound in bounds), default=0.0)


def _kind_of(found: torch.Tensor, wanted: torch.Tensor) -> Kind:
    is_alike = found.shape == wanted.shape and found.dtype == wanted.dtype
    return Kind.NUMBERS if is_alike else Kind.SHAPE_OR_TYPE


def _module(chain: Chain) -> torch.nn.Module:
    parameters = chain.parameters()
    if chain.form is Form.SCRIPTED:
        return script(chain, parameters)
    return ChainModule(chain, parameters).eval()


def _values(captured: Captured, inputs: Sequence[torch.Tensor]) -> Mapping[int, torch.Tensor]:
    """What PyTorch computes for every tensor of the graph that depends on an input."""
    wanted = [value.id for value in captured.graph.values if isinstance(value.type, TensorType)]
    return graph_values(captured, [value for value in wanted if not captured.graph.values[value].is_constant], inputs)


def _wrong_types(captured: Captured, values: Mapping[int, torch.Tensor]) -> Iterator[str]:
    for value, tensor in values.items():
        told, real = captured.graph.values[value].type, tensor_type(tensor)
        if told != real:
            yield f"told {told}, is {real}, what {_maker(captured, value)} makes"


def _maker(captured: Captured, value: int) -> str:
    return next((node.op for node in captured.graph.nodes() if value in node.outputs), "the caller")


def _check_scores(found: Survey, levels: Sequence[int], outcome: Outcome) -> None:
    points = [found.at(level).score.points for level in levels]
    for before, after, level in zip(points, points[1:], levels[1:], strict=False):
        if after < before - 1e-9:
            outcome.blame(Kind.SCORE, level, f"{after}, a lower level has {before}")


def _check_reasons(found: Survey, plan: Plan, outcome: Outcome, *, is_told: bool) -> None:
    """Blame a no that gives no sentence for a reason, of a target that carries no part alone."""
    if plan.readiness is Readiness.READY:
        return
    refused = [verdict for verdict in plan.verdicts.values() if counts(verdict) and not verdict.is_supported]
    reasons = {f"{verdict.op}: {verdict.failures[0].because}" for verdict in refused if verdict.failures}
    reasons.update(() if refused else (f"{claim.subject} {claim.says}" for claim in plan.outside))
    # Nodes without a reason and without a part compute of constants alone, whatever was overwritten with them.
    if (plan.partition.dropped and not reasons) or any(not verdict.failures for verdict in refused):
        outcome.blame(Kind.REASON, plan.level, plan.readiness.value)
    for verdict in refused:
        if any(not failure.because.endswith((".", "?")) for failure in verdict.failures):
            outcome.blame(Kind.REASON, plan.level, f"{verdict.op} is refused by what is no sentence")
    if is_told:
        outcome.reasons.update(reasons)


def _fails_itself(chain: Chain) -> bool:
    """Whether PyTorch fails to run a chain on its draws: its executor does from the second run of some loops on."""
    module, draws = _module(chain), [drawn.tensors() for drawn in (chain, *_drawn_again(chain))]
    try:
        for tensors in draws * _TRIED_RUNS:
            module(*(tensor.clone() for tensor in tensors))
    except RuntimeError:
        return True
    return False


def _told(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip() if lines else ''}"


def outputs_of(chain: Chain) -> tuple[torch.Tensor, ...]:
    """What the chain gives in PyTorch."""
    with torch.no_grad():
        return flat_tensors(ChainModule(chain, chain.parameters()).eval()(*chain.tensors()))
