"""A converted file as it is looked at: its NNAPI models, what it tells about itself, and how it runs on this machine.

A package runs in PyTorch's own NNAPI binding, a model file in the runtime that apps have; both on the host runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.inputs.arguments import Call, cloned
from nnapi_check.analyzer.inputs.specification import format_type
from nnapi_check.analyzer.random_numbers import same_random_numbers
from nnapi_check.analyzer.tensor_types import flat_tensors, tensor_type
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE, target_called
from nnapi_check.lowering.ndk.host_run import HostRunError, HostRunner
from nnapi_check.lowering.ndk.project import MODEL_NAME
from nnapi_check.lowering.ndk.reading import ModelFile, is_model_file, read_program
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.serialize import Malformed, deserialize
from nnapi_check.lowering.packaging.artifact import Artifact, open_artifact
from nnapi_check.lowering.packaging.manifest import Manifest, ManifestError, PartRecord, read_manifest, recorded_sizes


class VerifyError(Exception):
    """A converted file does not run: a fault of this project, whose message says what refused it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One NNAPI model of a file: its numbered buffers, and what the file tells of it, if anything.

    ``size`` are the bytes that the model takes beside its buffers.
    """

    name: str
    model: Model
    buffers: tuple[torch.Tensor, ...]
    record: PartRecord | None
    size: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What a file gave in NNAPI, by what it ran, and how many NNAPI models were executed."""

    outputs: tuple[torch.Tensor, ...]
    executions: int
    ran_in: str


class Subject(Protocol):
    """A converted file. ``manifest`` is None in a file of PyTorch's own converter."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its NNAPI models."""

    @property
    def manifest(self) -> Manifest | None:
        """What it tells about itself."""

    def run(
        self, inputs: Sequence[object], level: int, facts: Mapping[str, OperationFacts], *, in_half: bool = False
    ) -> Ran:
        """Run it at a feature level, with ``in_half`` as a driver may that has float16 only.

        Raises ``HostRuntimeError`` where it cannot be run, ``VerifyError`` where it fails.
        """


def model_file_in(path: Path) -> Path | None:
    """The model file that a path names: itself, or the one in a project's folder. None for any other file."""
    inside = path / MODEL_NAME if path.is_dir() else path
    return inside if is_model_file(inside) else None


def open_subject(
    path: Path, facts: Mapping[str, OperationFacts], *, trust: bool = False, is_run: bool = True
) -> Subject:
    """Open a package, a model file or the folder that it lies in. Raises ``InputError`` for anything else."""
    names = {operation.code: operation.name for operation in facts.values()}
    model_file = model_file_in(path)
    if model_file is not None:
        return _opened_model_file(read_program(model_file, names))
    artifact = open_artifact(path, trust=trust, is_run=is_run)
    parts = tuple(
        Part(
            part.name,
            _model(path, index, part.name, part.serialized, names),
            part.buffers,
            part.record,
            len(part.serialized),
        )
        for index, part in enumerate(artifact.parts)
    )
    return PackageSubject(artifact, parts)


def _model(path: Path, index: int, name: str, serialized: bytes, names: Mapping[int, str]) -> Model:
    model = deserialize(serialized, names)
    if isinstance(model, Malformed):
        more = f" (and {len(model.faults) - 1} more faults)" if len(model.faults) > 1 else ""
        raise InputError(f"{path}: part {index} ({name}) is no NNAPI model: {model.faults[0]}{more}")
    return model


@dataclass(frozen=True, slots=True)
class PackageSubject:
    """A TorchScript file."""

    artifact: Artifact
    parts: tuple[Part, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return self.artifact.path

    @property
    def manifest(self) -> Manifest | None:
        """What it tells about itself."""
        return self.artifact.manifest

    def run(
        self, inputs: Sequence[object], level: int, facts: Mapping[str, OperationFacts], *, in_half: bool = False
    ) -> Ran:
        """Run it in PyTorch's NNAPI binding, in this process."""
        runtime = load_host_runtime(level, facts)
        runtime.require(target_called(PYTORCH_MOBILE).calls)
        runtime.forget_faults()
        before = runtime.executions
        self.artifact.use_nnapi()
        try:
            with torch.no_grad(), same_random_numbers(), runtime.in_half() if in_half else nullcontext():
                found = self.artifact.run(*cloned(Call(tuple(inputs))).positional)
        except RuntimeError as error:
            faults = "; ".join(fault.words for fault in runtime.recent_faults[:3])
            raise VerifyError(f"The package does not run in PyTorch's NNAPI binding: {faults or error}") from error
        ran_in = "PyTorch's NNAPI binding on the host runtime"
        return Ran(flat_tensors(found), runtime.executions - before, ran_in)


def of_inputs(subject: Subject, inputs: Sequence[object]) -> Subject:
    """What a file holds for inputs of these sizes, where it holds several: their parts, and what it tells of them."""
    if not isinstance(subject, PackageSubject) or subject.manifest is None:
        return subject
    kinds = tuple(format_type(tensor_type(tensor)) for tensor in flat_tensors(inputs))
    manifest = subject.manifest
    try:
        size = next((size for size in recorded_sizes(manifest) if size.inputs == kinds), None)
    except ManifestError as error:
        raise InputError(f"{subject.path} is a damaged package: {error}") from error
    if size is None:
        return subject
    records = tuple(record for record in manifest.parts if record.name in size.parts)
    told = replace(manifest, parts=records, extra=size.extra)
    parts = tuple(part for part in subject.parts if part.name in size.parts)
    return PackageSubject(replace(subject.artifact, manifest=told), parts)


@dataclass(frozen=True, slots=True)
class ModelFileSubject:
    """A model file for the NDK."""

    file: ModelFile
    parts: tuple[Part, ...]
    manifest: Manifest

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    def run(
        self, inputs: Sequence[object], level: int, facts: Mapping[str, OperationFacts], *, in_half: bool = False
    ) -> Ran:
        """Run it in a program of its own, in which the NDK's runtime is."""
        tensors = flat_tensors(inputs)
        program = self.file.program
        if len(tensors) != len(program.inputs):
            raise InputError(f"{self.path} takes {len(program.inputs)} tensors, {len(tensors)} are given.")
        try:
            with HostRunner(facts, in_half=in_half) as runner:
                found = runner.run(self.path, program, tensors, level)
        except HostRunError as error:
            raise VerifyError(f"The model file does not run in the NDK's runtime: {error}") from error
        return Ran(found.outputs, found.executions, "the NDK's runtime on the host runtime")


def _opened_model_file(file: ModelFile) -> ModelFileSubject:
    program = file.program
    try:
        manifest = read_manifest(program.notes)
    except ManifestError as error:
        raise InputError(f"{file.path} is a damaged model file: {error}") from error
    record = manifest.parts[0] if len(manifest.parts) == 1 else None
    if record is None or any(held.operand >= len(program.model.operands) or held.operand < 0 for held in record.held):
        raise InputError(f"{file.path} is a damaged model file: its notes are of another model")
    weights = torch.from_numpy(file.weights)
    size = file.path.stat().st_size - len(file.weights)
    return ModelFileSubject(file, (Part(record.name, program.model, (weights,), record, size),), manifest)
