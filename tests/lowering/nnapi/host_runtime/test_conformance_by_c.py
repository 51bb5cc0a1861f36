"""Conformance models give the same through the C functions as in the interpreter."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

import numpy as np
import pytest

from nnapi_check.lowering.nnapi.conformance.vector_rows import VectorExample, read_rows
from nnapi_check.lowering.nnapi.interpreter.execute import prepare
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array, ExecutionError
from nnapi_check.lowering.nnapi.model import UNSPECIFIED, Immediate, Model, NoValue
from tests.lowering.nnapi.conformance import own_vectors
from tests.lowering.nnapi.host_runtime.client import Client
from tests.lowering.nnapi.host_runtime.model_runs import run_once

ROWS_PER_FILE = 6


def vector_files() -> list[Path]:
    folder = os.environ.get("NNAPI_VECTORS")
    return [own_vectors.PATH, *(sorted(Path(folder).glob("*.jsonl.gz")) if folder else [])]


def read_inputs(model: Model, example: VectorExample) -> list[Array | None]:
    arrays: list[Array | None] = []
    for index, given in zip(model.inputs, example.inputs, strict=True):
        operand = model.operands[index]
        if not isinstance(given, Immediate):
            arrays.append(None)
            continue
        flat: Array = np.frombuffer(given.data, NUMPY_TYPES[operand.type])
        assert isinstance(operand.shape, tuple)
        arrays.append(flat.reshape([size for size in operand.shape if isinstance(size, int)]))
    return arrays


def is_special(model: Model) -> bool:
    """Whether the model has what few models have: references, channels, or omitted inputs."""
    return bool(model.referenced) or any(
        operand.channels is not None or isinstance(operand.source, NoValue) for operand in model.operands
    )


def is_concrete(model: Model) -> bool:
    """Whether all inputs have known sizes and all that is read has bytes."""
    shapes = [model.operands[index].shape for index in model.inputs]
    constants = [operand.source.data for operand in model.operands if isinstance(operand.source, Immediate)]
    return all(isinstance(shape, tuple) and UNSPECIFIED not in shape for shape in shapes) and all(constants)


@pytest.mark.parametrize("path", vector_files(), ids=lambda path: path.name.split(".")[0])
def test_conformance_models_compute_the_same_through_the_c_functions(client: Client, path: Path) -> None:
    compared = {True: 0, False: 0}
    limit = ROWS_PER_FILE if path != own_vectors.PATH else inf
    for row in read_rows(path):
        example = row.examples[0]
        special = is_special(row.model)
        if compared[special] == limit or example.expect_failure or not is_concrete(row.model):
            continue
        inputs = read_inputs(row.model, example)
        try:
            wanted = prepare(row.model).run(inputs).outputs
        except ExecutionError:
            continue
        sizes = [output.array.nbytes for output in wanted]
        found = run_once(client, row.model, inputs, sizes)
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs.array)
        compared[special] += 1
    assert any(compared.values())
    if path == own_vectors.PATH:
        assert sum(compared.values()) == sum(not row.examples[0].expect_failure for row in read_rows(path))
