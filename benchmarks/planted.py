"""Plant faults into what NNAPI computes, and count which of them verification finds.

    python benchmarks/planted.py [--model NAME ...] [--count 4] [--seed 0] [--level 3]

Each model is converted once, and verified without a fault, which must pass. Then one operation computes something else:
all its numbers are greater by a thousandth (quantized and whole ones by 1), or stand one place further, or two of its
channels are swapped. A fault is found where verification fails, or a layer is not within tolerance. One that changes
nothing, such as a channel swapped with its like, is no fault, and one that moves no output and no layer beyond the
tolerance of exact ways is counted apart. It prints a table and what was missed. Exit code 1 where something was.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from benchmarks.built_models import MODELS, save_model
from nnapi_check import convert
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.nnapi.interpreter import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call, Tensor
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.approximation import FLOAT_TOLERANCE, STEPS_SHARE_TOLERANCE
from nnapi_check.lowering.verification.subject import open_subject
from nnapi_check.lowering.verification.verify import Verification, verify_artifact

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "small_segmenter.pt"

MODELS_TRIED = ("small_segmenter", "mobilenet_v2", "resnet18", "squeezenet1_1", "shufflenet_v2_x1_0",
                "mobilenet_v3_small", "lraspp_mobilenet_v3_large", "quantized_mobilenet_v2", "sound_lstm", "sound_gru",
                "decoder", "mlp")  # fmt: skip


class Plant(Enum):
    """What an operation computes instead."""

    GREATER = "a thousandth greater"
    SHIFTED = "one place further"
    SWAPPED = "two channels swapped"


class Result(Enum):
    """What came of a planted fault."""

    BY_OUTPUTS = "found by outputs"
    BY_LAYERS = "found by layers"
    TOO_SMALL = "within tolerance"
    WITHOUT_EFFECT = "changes no number"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in one operation of one part, by their numbers."""

    part: int
    operation: int
    kind: str
    plant: Plant


def spoiled(array: Array, plant: Plant) -> Array:
    """What the operation gives instead of this."""
    match plant:
        case Plant.GREATER if array.dtype.kind == "f":
            return (array * np.asarray(1.001, array.dtype)).astype(array.dtype)
        case Plant.GREATER if array.dtype.kind == "b":
            return np.logical_not(array)
        case Plant.GREATER:
            return array + np.asarray(1, array.dtype)
        case Plant.SHIFTED:
            return np.roll(array.reshape(-1), 1).reshape(array.shape)
        case Plant.SWAPPED:
            if array.ndim == 0 or array.shape[-1] < 2:
                return array
            swapped = array.copy()
            swapped[..., [0, -1]] = array[..., [-1, 0]]
            return swapped


@contextmanager
def planted(fault: Fault, models: Sequence[int], seen: list[bool]) -> Iterator[None]:
    """Let the interpreter compute a fault meanwhile; ``seen`` gets whether it changed a number."""
    apply, run = execute._apply, execute._run
    running: list[int] = []

    def spoiling(call: Call, name: str) -> tuple[Tensor, ...]:
        results = apply(call, name)
        if running[-1] != models[fault.part] or not name.startswith(f"operation {fault.operation} {fault.kind}"):
            return results
        made = Tensor(results[0].type, spoiled(results[0].array, fault.plant), results[0].quant, results[0].channels)
        seen.append(not np.array_equal(made.array, results[0].array, equal_nan=made.array.dtype.kind == "f"))
        return (made, *results[1:])

    def tracking(
        prepared: execute.Prepared,
        inputs: Sequence[Tensor | None],
        referenced: tuple[execute.Prepared, ...],
        keep: frozenset[int],
        limits: execute._Limits,
    ) -> execute.Execution:
        running.append(len(prepared.model.operations))
        try:
            return run(prepared, inputs, referenced, keep, limits)
        finally:
            running.pop()

    execute._apply, execute._run = spoiling, tracking
    try:
        yield
    finally:
        execute._apply, execute._run = apply, run


def try_model(name: str, count: int, seed: int, level: int, folder: Path) -> Iterator[tuple[Fault, Result]]:
    """Plant faults into one model. Raises ``ValueError`` where it fails without any."""
    path = EXAMPLE if name == EXAMPLE.stem else save_model(name, folder)
    package, facts = folder / f"{name}.out.pt", FactsByName(open_registry())
    convert(path, package, feature_level=level, verify=False)
    inputs = capture(path, None, weights=True).example_inputs

    def verified() -> Verification:
        return verify_artifact(package, path, inputs, level=level, facts=facts, with_layers=True)

    if _found(verified()) is not None:
        raise ValueError(f"{name} is not within tolerance without a fault")
    parts = [part.model for part in open_subject(package, facts).parts]
    sizes = [len(model.operations) for model in parts]
    chosen = random.Random(f"{seed} {name}")
    places = [(part, index) for part, model in enumerate(parts) for index in range(len(model.operations))]
    for plant in Plant:
        for part, index in chosen.sample(places, min(count, len(places))):
            fault = Fault(part, index, parts[part].operations[index].kind, plant)
            seen: list[bool] = []
            with planted(fault, sizes, seen):
                verification = verified()
            missed = Result.TOO_SMALL if _is_small(verification) else Result.MISSED
            yield fault, (_found(verification) or missed) if any(seen) else Result.WITHOUT_EFFECT


def _found(verification: Verification) -> Result | None:
    if not verification.is_within_tolerance:
        return Result.BY_OUTPUTS
    if not all(layer.numbers.is_within_tolerance for layer in verification.layers):
        return Result.BY_LAYERS
    return None


def _is_small(verification: Verification) -> bool:
    """Whether everything is within the tolerance of exact ways, whatever bounds and rounding allow for besides."""
    numbers = (*verification.outputs, *(layer.numbers for layer in verification.layers))
    return all(
        found.max_relative <= FLOAT_TOLERANCE
        if found.steps_share is None
        else found.steps_share <= STEPS_SHARE_TOLERANCE
        for found in numbers
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the faults, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=sorted({*MODELS, EXAMPLE.stem}), help="may be repeated")
    parser.add_argument("--count", type=int, default=4, help="faults of each kind in each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--level", type=int, default=3)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    started, missed = time.monotonic(), 0
    print(f"{'model':28}" + "".join(f"{result.value:>20}" for result in Result))
    for name in options.model or MODELS_TRIED:
        with tempfile.TemporaryDirectory() as folder:
            rows = list(try_model(name, options.count, options.seed, options.level, Path(folder)))
        counted = Counter(result for _, result in rows)
        missed += counted[Result.MISSED]
        print(f"{name:28}" + "".join(f"{counted[result]:20}" for result in Result), flush=True)
        for fault, result in rows:
            if result is Result.MISSED:
                print(f"    {fault.kind}, operation {fault.operation} of part {fault.part}: {fault.plant.value}")
    print(f"seed {options.seed}, {time.monotonic() - started:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
