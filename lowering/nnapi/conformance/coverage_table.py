"""What is known to work: every documented operation in every element type, validated, run, and tested by others.

    python -m nnapi_check.lowering.nnapi.conformance.coverage_table [--format json] [-o FILE] VECTORS.jsonl ...

Where no conformance example has an operation in a type, one in another type is stored in this one; then the validator
must accept it and the interpreter must run it all the same. The exit code is 1 where one of them does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType, OperationFacts
from nnapi_check.coverage_db.writing.output import OutputError, write_text
from nnapi_check.lowering.nnapi.conformance.retyping import retype
from nnapi_check.lowering.nnapi.conformance.runner import run_row
from nnapi_check.lowering.nnapi.conformance.vector_rows import (
    Ignored,
    VectorError,
    VectorExample,
    VectorRow,
    pack_values,
    read_rows,
)
from nnapi_check.lowering.nnapi.constants import element_count
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.interpreter.kernels import ExecutionError
from nnapi_check.lowering.nnapi.model import Immediate, Model, Operation
from nnapi_check.lowering.nnapi.validation.contracts import conclude
from nnapi_check.lowering.nnapi.validation.validate import validate

Pair = tuple[str, OperandType | None]
"""An operation and the type of its main operand, None for control flow, which has none."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one operation in one type stands.

    ``since`` is the documented level, ``needed`` the lowest level that the validator asks for in any model, None where
    it accepts none. ``foreign`` counts the conformance examples that pass, ``failed`` those that do not. ``retyped``
    counts the examples of other types that run in this one; they are made only where there is no foreign one.
    """

    operation: str
    type: str
    since: int
    needed: int | None
    foreign: int
    failed: int
    retyped: int

    @property
    def is_validated(self) -> bool:
        """Whether the validator accepts the operation in this type."""
        return self.needed is not None

    @property
    def is_run(self) -> bool:
        """Whether the interpreter runs it, and no conformance example fails."""
        return self.foreign + self.retyped > 0 and not self.failed


@dataclass(slots=True)
class _Tally:
    levels: set[int] = field(default_factory=set)
    foreign: int = 0
    failed: int = 0
    retyped: int = 0


def measure(rows: Sequence[VectorRow], facts: Mapping[str, OperationFacts]) -> tuple[Coverage, ...]:
    """Validate and run all rows, and for what they leave out examples of other types."""
    tallies = {pair: _Tally() for pair, _ in documented(facts)}
    for row in rows:
        _count(row, facts, tallies)
    known: dict[str, list[tuple[Model, VectorExample]]] = {}
    for model, example in _single_operations(rows):
        known.setdefault(model.operations[0].kind, []).append((model, example))
    for (kind, target), tally in tallies.items():
        if target is not None and not tally.foreign:
            for model, example in known.get(kind, ()):
                _try_retyped(model, example, facts, target, tally)
    return tuple(
        Coverage(
            operation=kind,
            type="any" if target is None else target.name,
            since=since,
            needed=min(tallies[kind, target].levels, default=None),
            foreign=tallies[kind, target].foreign,
            failed=tallies[kind, target].failed,
            retyped=tallies[kind, target].retyped,
        )
        for (kind, target), since in documented(facts)
    )


def documented(facts: Mapping[str, OperationFacts]) -> Iterator[tuple[Pair, int]]:
    """Every documented operation and type with its level, in order of the operations' codes."""
    for operation in sorted(facts.values(), key=lambda operation: operation.code):
        types = (*operation.types, *operation.same_type_only)
        if operation.main_kind is None:
            yield (operation.name, None), operation.since
        for kind, since in types if operation.main_kind is not None else ():
            yield (operation.name, kind), max(since, operation.since)


def pair_of(operation: Operation, model: Model, facts: Mapping[str, OperationFacts]) -> Pair:
    """The operation's kind and the type of its main operand."""
    known = facts[operation.kind]
    inputs = tuple(model.operands[index].type for index in operation.inputs)
    outputs = tuple(model.operands[index].type for index in operation.outputs)
    return operation.kind, None if known.main_kind is None else conclude(known, inputs, outputs).main


def _count(row: VectorRow, facts: Mapping[str, OperationFacts], tallies: Mapping[Pair, _Tally]) -> None:
    if any(example.expect_failure for example in row.examples):
        return
    outcomes = run_row(row)
    failed = sum(bool(outcome.fault) for outcome in outcomes)
    levels: dict[Pair, set[int]] = {}
    for model in (row.model, *row.model.referenced):
        # What a model inside refers to in its turn lies in the main model, so only the main model is judged whole.
        validation = validate(model, facts)
        is_whole = model is row.model or not validation.faults
        for operation, level in zip(model.operations, validation.operations, strict=True):
            found = levels.setdefault(pair_of(operation, model, facts), set())
            if is_whole and not validation.faults:
                found.add(level.level)
    for pair, found in levels.items():
        tally = tallies.get(pair)
        if tally is not None:
            tally.levels |= found
            tally.foreign += len(outcomes) - failed
            tally.failed += failed


def _single_operations(rows: Iterable[VectorRow]) -> Iterator[tuple[Model, VectorExample]]:
    """Models of one operation with their examples; those inside others get inputs that count upward."""
    for row in rows:
        if len(row.model.operations) == 1 and not row.model.referenced:
            yield from ((row.model, example) for example in row.examples if not example.expect_failure)
        for model in row.model.referenced:
            if len(model.operations) == 1:
                yield model, _counting(model)


def _counting(model: Model) -> VectorExample:
    operands = [model.operands[index] for index in model.inputs]
    inputs = [Immediate(pack_values(operand.type, range(element_count(operand.shape)))) for operand in operands]
    return VectorExample("", tuple(inputs), tuple(Ignored() for _ in model.outputs), expect_failure=False)


def _try_retyped(
    model: Model, example: VectorExample, facts: Mapping[str, OperationFacts], target: OperandType, tally: _Tally
) -> None:
    made = retype(model, example, facts[model.operations[0].kind], target)
    if made is None:
        return
    validation = validate(made.model, facts)
    if not validation.is_valid:
        return
    tally.levels.add(validation.operations[0].level)
    try:
        execute(made.model, made.inputs)
    except ExecutionError:
        return
    tally.retyped += 1


def to_text(table: Sequence[Coverage]) -> str:
    """The table as text that ends with a summary."""
    lines = [f"{'operation':30} {'element type':31} since needed  run  foreign  retyped"]
    for row in table:
        needed = "no" if row.needed is None else row.needed
        run = "yes" if row.is_run else "no"
        lines.append(
            f"{row.operation:30} {row.type:31} {row.since:5} {needed:>6} {run:>4} {row.foreign:8} {row.retyped:8}"
        )
    validated = sum(row.is_validated for row in table)
    at_level = sum(row.needed == row.since for row in table)
    foreign = sum(row.foreign > 0 for row in table)
    lines.append(
        f"{len(table)} operations by type: {validated} validated, {at_level} of them at the documented level, "
        f"{sum(row.is_run for row in table)} run, {foreign} with foreign examples, {len(table) - foreign} without"
    )
    return "\n".join(lines) + "\n"


def to_json(table: Sequence[Coverage]) -> str:
    """The table as JSON."""
    rows = [{**asdict(row), "validated": row.is_validated, "run": row.is_run} for row in table]
    return json.dumps({"schema_version": 1, "rows": rows}, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure by the files that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m nnapi_check.lowering.nnapi.conformance.coverage_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of printing")
    options = parser.parse_args(arguments)
    try:
        rows = [row for path in options.files for row in read_rows(path)]
        table = measure(rows, load_operations())
        text = to_json(table) if options.format == "json" else to_text(table)
        if options.output is not None:
            write_text(options.output, text)
    except (OSError, OutputError, VectorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        parser.error(str(error))
    if options.output is None:
        sys.stdout.write(text)
    return 0 if all(row.is_validated and row.is_run for row in table) else 1


if __name__ == "__main__":
    sys.exit(main())
