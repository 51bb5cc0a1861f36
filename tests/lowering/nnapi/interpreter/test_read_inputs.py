"""Kernels look at every input that the facts name: one that none looks at would be ignored without a word."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.examples.measure import measure_example
from nnapi_check.lowering.nnapi import interpreter
from nnapi_check.lowering.nnapi.conformance.runner import run_row
from nnapi_check.lowering.nnapi.conformance.vector_rows import VectorRow, read_rows
from nnapi_check.lowering.nnapi.interpreter import arguments
from nnapi_check.lowering.nnapi.interpreter.kernels import Call, Tensor
from tests.lowering.nnapi.example_models import LAST_WITH_EXAMPLES

FACTS = load_operations()

ROWS_OF_A_KIND = 8
"""So many conformance models of an operation with a number of inputs and a type are run."""

NOT_READ = {
    "IF": {1, 2},  # These refer to models, and have no value.
    "WHILE": {0, 1},
    "QUANTIZED_LSTM": {5, 9, 12, 17, 20, 25, 26},  # No conformance example has an input gate or a projection's bias.
}
"""Inputs that no example makes a kernel read."""


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[int]]:
    """The inputs that kernels look at from now on, by operation, whether they are given or not."""
    found: dict[str, set[int]] = defaultdict(set)
    plain = arguments.optional

    def optional(call: Call, index: int) -> Tensor | None:
        found[call.kind].add(index)
        return plain(call, index)

    for module in pkgutil.iter_modules(interpreter.__path__):
        loaded = importlib.import_module(f"{interpreter.__name__}.{module.name}")
        if getattr(loaded, "optional", None) is plain:
            monkeypatch.setattr(loaded, "optional", optional)
    return found


def a_few_rows(folder: Path) -> Iterator[VectorRow]:
    """Some rows of every operation, number of inputs and type."""
    seen: Counter[tuple[str, int, str]] = Counter()
    for path in sorted(folder.glob("*.jsonl.gz")):
        for row in read_rows(path):
            kinds = {
                (operation.kind, len(operation.inputs), model.operands[operation.outputs[0]].type.name)
                for model in (row.model, *row.model.referenced)
                for operation in model.operations
            }
            if any(seen[kind] < ROWS_OF_A_KIND for kind in kinds):
                seen.update(kinds)
                yield row


def never_read(facts: OperationFacts, reads: dict[str, set[int]]) -> list[int]:
    """The inputs of any signature that the operation's kernel has not looked at."""
    named = {operand.index for signature in facts.signatures for operand in signature.inputs}
    return sorted(index for index in named if index is not None and index not in reads[facts.name])


@pytest.mark.skipif("NNAPI_VECTORS" not in os.environ, reason="NNAPI_VECTORS does not name a folder with vectors")
def test_every_input_that_the_facts_name_is_read(reads: dict[str, set[int]]) -> None:
    for row in a_few_rows(Path(os.environ["NNAPI_VECTORS"])):
        run_row(row)

    early = [facts for facts in FACTS.values() if facts.since <= LAST_WITH_EXAMPLES]
    missing = {facts.name: unread for facts in early if (unread := never_read(facts, reads))}
    ignored = {name: unread for name, unread in missing.items() if not set(unread) <= NOT_READ.get(name, set())}
    assert ignored == {}, f"let the kernels in lowering/nnapi/interpreter read these inputs: {ignored}"
    assert {name: set(unread) for name, unread in missing.items()} == NOT_READ


def test_every_input_of_an_operation_without_conformance_examples_is_read(reads: dict[str, set[int]]) -> None:
    late = {facts.name for facts in FACTS.values() if facts.since > LAST_WITH_EXAMPLES}
    registry = open_registry()
    for card in registry.cards():
        for way in card.ways:
            if late & {emission.operation for emission in way.emits}:
                for example in way.examples:
                    if example.expect is None:
                        measure_example(card, way, example, registry)

    ignored = {name: unread for name in sorted(late) if (unread := never_read(FACTS[name], reads))}
    assert ignored == {}, f"let the kernels read these inputs, and write an example that runs them: {ignored}"


def test_an_input_that_no_kernel_reads_is_found(reads: dict[str, set[int]]) -> None:
    reads["TOPK_V2"] = {0}

    assert never_read(FACTS["TOPK_V2"], reads)[0] == 1
