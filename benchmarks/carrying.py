"""Carrying lowered parts to where a target runs them: its file is written, read back, and run on this machine.

A target is a parameter of the benchmarks that hold promises: each judges, plans, lowers and compares in one way for
all targets, and asks a carrier for what the target's own file gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import computed_op_by_op
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE, Target
from nnapi_check.lowering.ndk.assembly import assemble
from nnapi_check.lowering.ndk.host_run import HostRunner
from nnapi_check.lowering.ndk.reading import read_program
from nnapi_check.lowering.ndk.writing import write_program
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
from nnapi_check.lowering.packaging.artifact import open_artifact
from nnapi_check.lowering.packaging.convert import convert
from nnapi_check.lowering.packaging.package import PackageOptions
from nnapi_check.lowering.packaging.saving import Form, save_package
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.subject import model_file_in

TARGETS = (PYTORCH_MOBILE, NDK)

Tensors = tuple[torch.Tensor, ...]


@cache
def known() -> Registry:
    """The registry, opened once."""
    return open_registry()


@dataclass(frozen=True, slots=True)
class Carried:
    """What a target's file gave for one draw, and how many NNAPI models were executed for it."""

    outputs: Tensors
    executions: int


class Carrier(Protocol):
    """What writes a target's file, and runs it on this machine. ``target`` is what models are judged for."""

    @property
    def target(self) -> Target:
        """The target, as if it reached every level."""

    @property
    def lowest_level(self) -> int:
        """The level from which on its files run."""

    @property
    def takes_apart(self) -> bool:
        """Whether a captured module is of no use after it was written."""

    def write(self, captured: Captured, found: Survey, parts: Sequence[LoweredPart], path: Path) -> None:
        """Write the file of a plan."""

    def run(self, path: Path, draws: Iterable[Tensors], level: int) -> Iterator[Carried]:
        """Read a file, and run it on each draw at the functions of a level."""


@dataclass(frozen=True, slots=True)
class PackageCarrier:
    """TorchScript files in PyTorch's own NNAPI binding, in this process."""

    @property
    def target(self) -> Target:
        """PyTorch Mobile's loader; below its lowest level, the NDK's runtime takes the same parts."""
        return replace(known().target(PYTORCH_MOBILE), lowest_level=1)

    @property
    def lowest_level(self) -> int:
        """The level from which on the loader runs."""
        return known().target(PYTORCH_MOBILE).lowest_level

    @property
    def takes_apart(self) -> bool:
        """A conversion cuts the captured graph."""
        return True

    def write(self, captured: Captured, found: Survey, parts: Sequence[LoweredPart], path: Path) -> None:
        """Write a package, which may hold any number of parts."""
        package = convert(captured, found, parts, FactsByName(known()), PackageOptions())
        save_package(package, path, form=Form.FULL)

    def run(self, path: Path, draws: Iterable[Tensors], level: int) -> Iterator[Carried]:
        """Run a package at a level, or at the loader's lowest."""
        runtime = load_host_runtime(max(level, self.lowest_level), FactsByName(known()))
        artifact = open_artifact(path)
        artifact.use_nnapi()
        for tensors in draws:
            before = runtime.executions
            torch.manual_seed(0)
            with torch.no_grad(), computed_op_by_op():
                found = artifact.run(*(tensor.clone() for tensor in tensors))
            yield Carried(flat_tensors(found), runtime.executions - before)


@dataclass(frozen=True, slots=True)
class ModelFileCarrier:
    """Model files in the NDK's runtime, each time in a program of its own that finds a level's functions alone."""

    runner: HostRunner

    @property
    def target(self) -> Target:
        """The NDK's runtime."""
        return known().target(NDK)

    @property
    def lowest_level(self) -> int:
        """The level from which on the runtime runs."""
        return self.target.lowest_level

    @property
    def takes_apart(self) -> bool:
        """A program is assembled beside the graph."""
        return False

    def write(self, captured: Captured, found: Survey, parts: Sequence[LoweredPart], path: Path) -> None:
        """Write a model file, which holds one part."""
        (part,) = parts
        assembled = assemble(captured, found, part, PackageOptions())
        codes = {name: operation.code for name, operation in FactsByName(known()).items()}
        write_program(assembled.program, assembled.weights, codes, path)

    def run(self, path: Path, draws: Iterable[Tensors], level: int) -> Iterator[Carried]:
        """Run a model file, or that of a project's folder."""
        names = {operation.code: operation.name for operation in known().operations()}
        read = read_program(model_file_in(path) or path, names)
        for tensors in draws:
            found = self.runner.run(read.path, read.program, tensors, level)
            yield Carried(found.outputs, found.executions)


PACKAGES = PackageCarrier()


@contextmanager
def carrier_of(target: str) -> Iterator[Carrier]:
    """What carries models to a target, for as long as the block runs."""
    if target == PYTORCH_MOBILE:
        yield PACKAGES
        return
    with HostRunner(FactsByName(known())) as runner:
        yield ModelFileCarrier(runner)
