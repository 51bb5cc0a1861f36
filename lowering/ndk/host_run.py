"""Running a model file on this machine: in the runtime that apps have, on NNAPI's host runtime."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nnapi_check.analyzer.graph import PerTensor, TensorType
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.emission.recipe_types import STORED_TYPES
from nnapi_check.lowering.ndk.building import build_runtime
from nnapi_check.lowering.ndk.program import Program
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer
from nnapi_check.lowering.packaging.recipe_torch import stored, tensor_from_bytes


class HostRunError(Exception):
    """The runtime refused a model, in its words."""


@dataclass(frozen=True, slots=True)
class HostRun:
    """What a model file gave, and how many NNAPI models ran for it."""

    outputs: tuple[torch.Tensor, ...]
    executions: int


def run_on_host(
    path: Path,
    program: Program,
    tensors: Sequence[torch.Tensor],
    level: int,
    facts: Mapping[str, OperationFacts],
    *,
    in_half: bool,
) -> HostRun:
    """Run a model file once, at the functions of a feature level; with ``in_half``, as float16 where it may be.

    Raises ``HostRuntimeError`` where the runtime or NNAPI's host runtime cannot be had, ``HostRunError`` where they
    refuse the model.
    """
    built = build_runtime()
    with tempfile.TemporaryDirectory(prefix="nnapi-check-") as name, HostServer(facts, in_half=in_half) as server:
        folder = Path(name)
        inputs = [folder / f"input_{index}.raw" for index in range(len(tensors))]
        outputs = [folder / f"output_{index}.raw" for index in range(len(program.outputs))]
        for file, tensor in zip(inputs, tensors, strict=True):
            file.write_bytes(stored(tensor).tobytes())
        words = (str(built.program), str(path), *map(str, inputs), "--", *map(str, outputs))
        environment = {**os.environ, **server.environment(level)}
        answer = subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace", check=False)
        if answer.returncode != 0:
            faults = "; ".join(fault.words for fault in server.recent_faults[:3])
            told = answer.stderr.strip().rpartition("run_model: ")[2]
            raise HostRunError(faults or told or f"the program ended with code {answer.returncode}")
        found = tuple(
            _tensor(file.read_bytes(), output.tensor.kind)
            for file, output in zip(outputs, program.outputs, strict=True)
        )
        return HostRun(found, server.executions)


def _tensor(data: bytes, kind: TensorType) -> torch.Tensor:
    plain = tensor_from_bytes(data, STORED_TYPES.get(kind.dtype, kind.dtype), kind.shape)
    match kind.quant:
        case PerTensor(scale, zero_point):
            return torch._make_per_tensor_quantized_tensor(plain, scale, zero_point)
        case _:
            return plain
