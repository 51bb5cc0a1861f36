"""Running a model file on this machine: in the runtime that apps have, on NNAPI's host runtime."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

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


class HostRunner:
    """Runs model files while it is entered; with ``in_half``, as float16 where they allow it."""

    def __init__(self, facts: Mapping[str, OperationFacts], *, in_half: bool = False) -> None:
        self._server = HostServer(facts, in_half=in_half)
        self._environments: dict[int, dict[str, str]] = {}

    def __enter__(self) -> HostRunner:
        """Build what runs them. Raises ``HostRuntimeError`` where that cannot be."""
        self._built = build_runtime()
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def run(self, path: Path, program: Program, tensors: Sequence[torch.Tensor], level: int) -> HostRun:
        """Run a model file once, at the functions of a feature level.

        Raises ``HostRuntimeError`` where the host runtime of that level cannot be had, ``HostRunError`` where it or the
        NDK's runtime refuses the model.
        """
        with tempfile.TemporaryDirectory(prefix="nnapi-check-") as name:
            folder = Path(name)
            inputs = [folder / f"input_{index}.raw" for index in range(len(tensors))]
            outputs = [folder / f"output_{index}.raw" for index in range(len(program.outputs))]
            for file, tensor in zip(inputs, tensors, strict=True):
                file.write_bytes(stored(tensor).tobytes())
            words = (str(self._built.program), str(path), *map(str, inputs), "--", *map(str, outputs))
            executions = self._called(words, level)
            found = tuple(
                _tensor(file.read_bytes(), output.tensor.kind)
                for file, output in zip(outputs, program.outputs, strict=True)
            )
            return HostRun(found, executions)

    def _called(self, words: Sequence[str], level: int) -> int:
        """How many models a program executed."""
        if level not in self._environments:
            self._environments[level] = self._server.environment(level)
        self._server.forget_faults()
        before = self._server.executions
        environment = {**os.environ, **self._environments[level]}
        answer = subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace", check=False)
        if answer.returncode != 0:
            faults = "; ".join(fault.words for fault in self._server.recent_faults[:3])
            told = answer.stderr.strip().rpartition("run_model: ")[2]
            raise HostRunError(faults or told or f"the program ended with code {answer.returncode}")
        return self._server.executions - before


def _tensor(data: bytes, kind: TensorType) -> torch.Tensor:
    plain = tensor_from_bytes(data, STORED_TYPES.get(kind.dtype, kind.dtype), kind.shape)
    match kind.quant:
        case PerTensor(scale, zero_point):
            return torch._make_per_tensor_quantized_tensor(plain, scale, zero_point)
        case _:
            return plain
