"""Running conformance vectors: ``python -m nnapi_check.lowering.nnapi.conformance FILE.jsonl ...``.

The validator must accept every model, at the feature level that the row declares, and the interpreter must compute
what is expected; a model that is expected to fail must be refused by the validator, or fail when it is executed.

A control run, ``--perturb``, moves one expected value of each output beyond the tolerance. Then every example
that expects values must fail, by its values alone, and the exit code is 1 as for any failure.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.lowering.nnapi.conformance.vector_rows import (
    Ignored,
    Tolerance,
    VectorError,
    VectorExample,
    VectorRow,
    read_rows,
)
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import KERNELS, NUMPY_TYPES, Array, ExecutionError, Tensor
from nnapi_check.lowering.nnapi.model import Immediate, Model, NoValue, Operand
from nnapi_check.lowering.nnapi.validation.validate import validate

Reals = npt.NDArray[np.float64]

FLOAT_TYPES = frozenset(kind for kind, dtype in NUMPY_TYPES.items() if dtype.kind == "f")
HALF_TYPES = frozenset({OperandType.TENSOR_FLOAT16, OperandType.FLOAT16})
BOOL_TYPES = frozenset({OperandType.TENSOR_BOOL8, OperandType.BOOL})
INT32_TYPES = frozenset({OperandType.TENSOR_INT32, OperandType.INT32, OperandType.UINT32})

PERTURBATION = 4.0
"""By how many tolerances the control run moves an expected value. Results are within one, so three remain."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one example. ``fault`` is empty where all is as expected."""

    spec: str
    example: str
    operations: tuple[str, ...]
    fault: str = ""


def run_row(row: VectorRow, *, perturb: bool = False) -> tuple[Outcome, ...]:
    """Validate a row's model and run all its examples.

    With ``perturb``, examples that expect no values are left out, and nothing but values is judged.
    """
    kinds = operation_kinds(row.model)
    refusal = "" if perturb else find_refusal(row)
    level_fault = "" if perturb or refusal else find_level_fault(row)
    return tuple(
        Outcome(
            row.spec, example.name or row.name, kinds, _judge(row, example, refusal, perturb=perturb) or level_fault
        )
        for example in row.examples
        if not perturb or _expects_values(row, example)
    )


def find_refusal(row: VectorRow) -> str:
    """Why the validator refuses a row's model, or nothing."""
    faults = validate(row.model, _facts()).faults
    return faults[0].message if faults else ""


def find_level_fault(row: VectorRow) -> str:
    """How the feature level that a row's model needs is not the one it declares, or nothing.

    A row for relaxed computation declares the level of its folder, which may be higher.
    """
    level = validate(row.model, _facts()).level
    declared = row.declared_level
    if declared is None or level == declared or (row.relaxed and level < declared):
        return ""
    return f"needs feature level {level}, but declares {declared}"


@cache
def _facts() -> Mapping[str, OperationFacts]:
    return load_operations()


def operation_kinds(model: Model) -> tuple[str, ...]:
    """The operations of a model and of the models it refers to, each once, sorted."""
    models = (model, *model.referenced)
    return tuple(sorted({operation.kind for each in models for operation in each.operations}))


def is_implemented(model: Model) -> bool:
    """Whether every operation has a kernel."""
    return all(kind in KERNELS for kind in operation_kinds(model))


def _expects_values(row: VectorRow, example: VectorExample) -> bool:
    if example.expect_failure:
        return False
    return row.tolerance.multinomial is not None or any(
        isinstance(expected, Immediate) and expected.data for expected in example.outputs
    )


def _judge(row: VectorRow, example: VectorExample, refusal: str, *, perturb: bool) -> str:
    if example.expect_failure and refusal:
        return ""
    return f"is refused: {refusal}" if refusal else _find_fault(row, example, perturb=perturb)


def _find_fault(row: VectorRow, example: VectorExample, *, perturb: bool) -> str:
    try:
        inputs = [
            _given(value, row.model.operands[index])
            for value, index in zip(example.inputs, row.model.inputs, strict=True)
        ]
        outputs = execute(row.model, inputs).outputs
    except ExecutionError as error:
        return "" if example.expect_failure else str(error)
    if example.expect_failure:
        return "succeeded, but is expected to fail"
    if row.tolerance.multinomial is not None:
        return _compare_draws(outputs[0], inputs[0], row.tolerance.multinomial, perturb=perturb)
    is_half = row.relaxed or any(operand.type in HALF_TYPES for operand in row.model.operands)
    faults = (
        _compare(tensor, expected.data, row.tolerance, is_half=is_half, perturb=perturb)
        for tensor, expected in zip(outputs, example.outputs, strict=True)
        if not isinstance(expected, Ignored)
    )
    return next((f"output {index}: {fault}" for index, fault in enumerate(faults) if fault), "")


def _given(value: Immediate | NoValue, operand: Operand) -> Array | None:
    if isinstance(value, NoValue):
        return None
    flat: Array = np.frombuffer(value.data, NUMPY_TYPES[operand.type])
    if not isinstance(operand.shape, tuple):
        return flat
    return flat.reshape([size if isinstance(size, int) else -1 for size in operand.shape])


def _compare(tensor: Tensor, expected: bytes, tolerance: Tolerance, *, is_half: bool, perturb: bool) -> str:
    """The worst element beyond the tolerance in words, or nothing."""
    wanted: Reals = np.frombuffer(expected, NUMPY_TYPES[tensor.type]).astype(np.float64)
    found: Reals = np.asarray(tensor.array).reshape(-1).astype(np.float64)
    if found.size != wanted.size:
        return f"shape {tensor.array.shape} has {found.size} elements, wanted {wanted.size}"
    absolute, relative = _limits(tensor.type, tolerance, is_half=is_half)
    if perturb and wanted.size:
        wanted = wanted.copy()
        wanted[wanted.size // 2] = _moved(float(wanted[wanted.size // 2]), absolute, relative)
    with np.errstate(invalid="ignore"):
        excess = np.abs(found - wanted) - (absolute + relative * np.abs(wanted))
    # Infinities and what is not a number must be the same, for their difference says nothing.
    is_same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    excess = np.where(is_same, -1.0, np.where(np.isfinite(excess), excess, np.inf))
    if not excess.size or excess.max() <= 0:
        return ""
    worst = int(excess.argmax())
    place = tuple(int(index) for index in np.unravel_index(worst, tensor.array.shape))
    count = int((excess > 0).sum())
    return f"{count} of {found.size} elements differ, worst at {place}: got {found[worst]}, wanted {wanted[worst]}"


def _limits(kind: OperandType, tolerance: Tolerance, *, is_half: bool) -> tuple[float, float]:
    """Absolute and relative tolerance for an element type."""
    if kind in FLOAT_TYPES:
        return tolerance.fp16 if is_half else tolerance.fp32
    if kind in BOOL_TYPES:
        return tolerance.bool8, 0.0
    return (tolerance.int32 if kind in INT32_TYPES else tolerance.quant), 0.0


def _moved(wanted: float, absolute: float, relative: float) -> float:
    if not np.isfinite(wanted):
        return 0.0
    return wanted + PERTURBATION * max(absolute + relative * abs(wanted), 0.25)


def _compare_draws(draws: Tensor, logits: Array | None, tolerance: float, *, perturb: bool) -> str:
    """Compare how often each class was drawn with its probability."""
    if logits is None:
        return "there are no logits to compare draws with"
    reals: Reals = logits.astype(np.float64)
    powers = np.exp(reals - reals.max(axis=-1, keepdims=True))
    wanted: Reals = powers / powers.sum(axis=-1, keepdims=True)
    if perturb:
        wanted = wanted + PERTURBATION * tolerance
    for batch, (row, probabilities) in enumerate(zip(draws.array, wanted, strict=True)):
        found = np.bincount(np.asarray(row, dtype=np.int64), minlength=probabilities.size) / row.size
        if found.size != probabilities.size:
            return f"batch {batch} has draws outside {probabilities.size} classes"
        worst = int(np.abs(found - probabilities).argmax())
        if abs(found[worst] - probabilities[worst]) > tolerance:
            return f"class {worst} of batch {batch}: got {found[worst]}, wanted {probabilities[worst]}"
    return ""


def run_files(
    paths: Sequence[Path], *, jobs: int, only_implemented: bool = False, perturb: bool = False
) -> Iterator[Outcome]:
    """Judge all rows of the files over ``jobs`` processes, in order."""
    rows: Iterable[VectorRow] = chain.from_iterable(read_rows(path) for path in paths)
    if only_implemented:
        rows = (row for row in rows if is_implemented(row.model))
    work = partial(run_row, perturb=perturb)
    if jobs == 1:
        yield from chain.from_iterable(map(work, rows))
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from chain.from_iterable(pool.map(work, rows, chunksize=64))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the files that the command line names.

    The exit code is 1 if any example failed, and 2 if a file is none of conformance vectors.
    """
    parser = argparse.ArgumentParser(
        prog="python -m nnapi_check.lowering.nnapi.conformance.runner", description=__doc__
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="number of processes")
    parser.add_argument("--only-implemented", action="store_true", help="leave out rows without a kernel")
    parser.add_argument("--perturb", action="store_true", help="control run: expected values are made wrong")
    options = parser.parse_args(arguments)
    outcomes = run_files(
        options.files, jobs=options.jobs, only_implemented=options.only_implemented, perturb=options.perturb
    )
    try:
        return _print(outcomes, perturb=options.perturb)
    except (OSError, VectorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        parser.error(str(error))


def _print(outcomes: Iterable[Outcome], *, perturb: bool) -> int:
    passed = failed = 0
    for outcome in outcomes:
        if outcome.fault:
            failed += 1
        else:
            passed += 1
        # In a control run what passes is the news.
        if bool(outcome.fault) is not perturb:
            kinds = ", ".join(outcome.operations)
            print(f"{outcome.spec}: {outcome.example}: {kinds}: {outcome.fault or 'passed with wrong values'}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
