"""Every documented operation in every type is validated and run, and what no conformance example has is compared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.conformance.coverage_table import Coverage, documented, main, measure
from nnapi_check.lowering.nnapi.conformance.retyping import Retyped, retype, to_reals
from nnapi_check.lowering.nnapi.conformance.vector_rows import VectorRow, read_rows
from nnapi_check.lowering.nnapi.interpreter.execute import execute
from nnapi_check.lowering.nnapi.validation.validate import validate
from tests.lowering.nnapi.conformance.test_runner import write_row
from tests.lowering.nnapi.example_models import LAST_WITH_EXAMPLES

FACTS = load_operations()

WITHOUT_EXAMPLE = {
    "TENSOR_FLOAT32": "CHANNEL_SHUFFLE EMBEDDING_LOOKUP HASHTABLE_LOOKUP LESS LSH_PROJECTION MAXIMUM REDUCE_MAX "
    "RESHAPE TANH",
    "TENSOR_FLOAT16": "CHANNEL_SHUFFLE DEPTH_TO_SPACE FLOOR L2_POOL_2D LESS LSH_PROJECTION MAXIMUM MAX_POOL_2D "
    "RANDOM_MULTINOMIAL REDUCE_MAX REDUCE_PROD RELU RESHAPE SOFTMAX SPACE_TO_DEPTH STRIDED_SLICE TANH TRANSPOSE",
    "TENSOR_INT32": "ABS HASHTABLE_LOOKUP MAXIMUM RESHAPE",
    "TENSOR_BOOL8": "LESS RANK",
    "TENSOR_QUANT8_ASYMM": "CHANNEL_SHUFFLE LESS LSH_PROJECTION MAXIMUM MEAN REDUCE_MAX SPLIT SQUEEZE TANH",
    "TENSOR_QUANT8_ASYMM_SIGNED": "ARGMAX CAST DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EQUAL GREATER "
    "GREATER_EQUAL GROUPED_CONV_2D LESS MINIMUM NOT_EQUAL PAD PAD_V2 PRELU REDUCE_MIN RELU RELU1 RESHAPE "
    "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SQUEEZE TILE TOPK_V2",
    "TENSOR_QUANT8_SYMM": "DEQUANTIZE RANK",
    "TENSOR_QUANT8_SYMM_PER_CHANNEL": "DEQUANTIZE RANK",
    "TENSOR_QUANT16_SYMM": "RANK",
    "TENSOR_QUANT16_ASYMM": "RANK",
}
"""The operations that no conformance example has in a type."""

STATE_OUTPUT = ("UNIDIRECTIONAL_SEQUENCE_RNN", 4)
"""All its examples give the state as well, which is of a higher level than the operation."""

NOT_ALIKE = {
    "LSH_PROJECTION": "its result is a hash of the stored bytes",
    "CAST": "what one type cuts off another one holds",
}
"""Operations whose results in two types are not the same real numbers."""


@lru_cache(maxsize=1)
def rows() -> tuple[VectorRow, ...]:
    folder = os.environ.get("NNAPI_VECTORS")
    if folder is None:
        pytest.skip("NNAPI_VECTORS does not name a folder with conformance vectors")
    return tuple(row for path in sorted(Path(folder).glob("*.jsonl.gz")) for row in read_rows(path))


@lru_cache(maxsize=1)
def table() -> tuple[Coverage, ...]:
    """Every operation and type of the levels that have examples, and later types of those operations."""
    return tuple(row for row in measure(rows(), FACTS) if FACTS[row.operation].since <= LAST_WITH_EXAMPLES)


def test_every_documented_operation_is_validated_and_run_in_every_type() -> None:
    wanting = [(row.operation, row.type) for row in table() if not (row.is_validated and row.is_run)]

    assert sum(row.since <= LAST_WITH_EXAMPLES for row in table()) == 387
    assert wanting == [], f"let the kernels take {wanting}, as the facts say"


def test_the_lowest_level_of_every_operation_and_type_is_the_documented_one() -> None:
    others = {(row.operation, row.needed) for row in table() if row.needed != row.since}

    assert others <= {STATE_OUTPUT}


def test_without_its_state_a_recurrent_operation_needs_the_documented_level() -> None:
    kind, _ = STATE_OUTPUT
    models = [row.model for row in rows() if row.model.operations[0].kind == kind]
    (operation,) = models[0].operations
    assert operation.outputs[1] == len(models[0].operands) - 1
    stateless = replace(
        models[0],
        operands=models[0].operands[:-1],
        operations=(replace(operation, outputs=operation.outputs[:1]),),
        outputs=models[0].outputs[:1],
    )

    found = validate(stateless, FACTS)

    assert (found.level, found.faults) == (3, ())


def test_only_these_have_no_conformance_example() -> None:
    without = {(row.operation, row.type) for row in table() if not row.foreign and row.since <= LAST_WITH_EXAMPLES}

    assert without <= {(operation, kind) for kind, names in WITHOUT_EXAMPLE.items() for operation in names.split()}


def retyped_examples(kind: str, target: OperandType) -> Iterator[tuple[VectorRow, Retyped]]:
    for row in rows():
        for example in row.examples:
            made = None if example.expect_failure else retype(row.model, example, FACTS[kind], target)
            if made is not None:
                yield row, made


def agrees(row: VectorRow, made: Retyped) -> bool:
    """Whether the result is what the example expects: within two steps of each type, and 1 percent."""
    steps = [operand.quant.scale for operand in row.model.operands if operand.type.is_tensor]
    outputs = execute(made.model, made.inputs).outputs
    for index, tensor, wanted in zip(made.model.outputs, outputs, made.expected, strict=True):
        if wanted is None or not wanted.size:
            continue
        found = to_reals(made.model.operands[index], tensor.array).reshape(-1)
        step = 0.5 if tensor.type is OperandType.TENSOR_INT32 else made.step
        limit = 2 * step + 2 * max(steps) + 0.01 * np.abs(wanted).max()
        if found.size != wanted.size or np.abs(found - wanted.reshape(-1)).max() > limit:
            return False
    return True


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        pytest.param(kind, OperandType[target], id=f"{kind}-{target}")
        for target, names in WITHOUT_EXAMPLE.items()
        for kind in names.split()
        if kind not in NOT_ALIKE and kind != "LESS"
    ],
)
def test_what_has_no_example_agrees_with_the_examples_of_other_types(kind: str, target: OperandType) -> None:
    """Where another type cuts off, or ties are broken by rounding, single examples may differ."""
    found = [agrees(row, made) for row, made in retyped_examples(kind, target)]

    assert found
    assert sum(found) >= 0.65 * len(found)


def test_the_facts_name_what_is_documented_once() -> None:
    pairs = [pair for pair, _ in documented(FACTS)]

    assert len(pairs) == len(set(pairs))
    assert sum(since <= LAST_WITH_EXAMPLES for _, since in documented(FACTS)) == 387
    assert {kind for kind, _ in pairs} == set(FACTS)


def test_the_text_counts_what_a_file_covers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([str(write_row(tmp_path))])

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert "ADD                            TENSOR_FLOAT32                      1      1  yes        1        0" in lines
    assert "ADD                            TENSOR_QUANT8_ASYMM                 1      1  yes        0        1" in lines
    assert "MUL                            TENSOR_FLOAT32                      1     no   no        0        0" in lines
    types = len(list(documented(FACTS)))
    assert lines[-1] == (
        f"{types} operations by type: 5 validated, 5 of them at the documented level, 5 run, 1 with foreign examples, "
        f"{types - 1} without"
    )


def test_an_example_that_fails_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "table.json"

    code = main([str(write_row(tmp_path, wanted=[2, 12])), "--format", "json", "-o", str(output)])

    add = next(row for row in json.loads(output.read_text())["rows"] if row["operation"] == "ADD")
    assert (code, capsys.readouterr().out) == (1, "")
    assert (add["foreign"], add["failed"], add["run"], add["validated"]) == (0, 1, False, True)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "rows.jsonl.gz")])

    assert ended.value.code == 2
    assert "No such file" in capsys.readouterr().err
