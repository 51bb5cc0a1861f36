"""Saving, opening and running packages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.artifact import Artifact, open_artifact
from nnapi_check.lowering.packaging.package import Package
from nnapi_check.lowering.packaging.saving import Form, save_package

FORMS = pytest.mark.parametrize("form", list(Form), ids=[form.value for form in Form])

Reopen = Callable[..., Artifact]


def reopener(folder: Path) -> Reopen:
    """A function that saves a package in a folder and opens the file."""

    def save_and_open(package: Package, form: Form = Form.FULL) -> Artifact:
        path = folder / f"model.{form.value}"
        save_package(package, path, form=form)
        return open_artifact(path)

    return save_and_open


def captured_module(module: nn.Module, *inputs: torch.Tensor) -> Captured:
    """A module captured with weights for these inputs."""
    return capture(module.eval(), inputs, weights=True)


def runs_in_nnapi(nnapi: HostRuntime, artifact: Artifact, *inputs: torch.Tensor) -> tuple[object, int]:
    """What an artifact computes, and how many executions in NNAPI that took."""
    before = nnapi.executions
    return artifact.run(*inputs), nnapi.executions - before


def save_traced(module: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Save a module as its user would."""
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    torch.jit.save(trace(module, x), str(path))


def load_scripted(path: Path) -> Any:
    """Load a file as its user would."""
    load: Callable[[str], torch.jit.ScriptModule] = torch.jit.load
    return load(str(path))
