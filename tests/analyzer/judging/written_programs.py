"""Programs written as text, captured and judged for a target that carries branches and loops; nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent, indent

import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.judging.judge import Judgement, judge
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import NDK

LEVEL = 8


def program(body: str, inputs: Sequence[str] = ("x", "n")) -> torch.jit.ScriptModule:
    """A module whose ``forward`` takes tensors of these names."""

    class Program(torch.jit.ScriptModule):
        """A class of its own, for one class has one ``forward``."""

    made = Program()
    made.define(f"def forward(self, {', '.join(inputs)}):\n{indent(dedent(body).strip(), '    ')}\n")
    return made.eval()


def captured_program(body: str, **inputs: str) -> Captured:
    """The captured graph of a program, with its inputs by specifications; a matrix and a number where none is given."""
    given = inputs or {"x": "f32[3,7]", "n": "i64[]"}
    return capture(program(body, tuple(given)), [parse_input_spec(text) for text in given.values()], weights=True)


def judged_program(body: str, **inputs: str) -> Judgement:
    """The judgement of a program for the NDK."""
    registry = open_registry()
    return judge(captured_program(body, **inputs).graph, registry, registry.target(NDK))


def emitted_by(op: str, judgement: Judgement, level: int = LEVEL) -> set[str]:
    """The operations that all nodes of an op become; empty where one of them stays on the CPU."""
    ways = [found.way for found in judgement.at(level).values() if found.op == op]
    return set() if None in ways else {part.operation for way in ways if way is not None for part in way.emits}


def failures_of(op: str, judgement: Judgement, level: int = LEVEL) -> tuple[Failure, ...]:
    """What is in the way of the nodes of an op."""
    return tuple(failure for found in judgement.at(level).values() if found.op == op for failure in found.failures)
