"""What a model file is, and how it is opened."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from analyzer.errors import InputError
from analyzer.graph import TensorType
from analyzer.tensor_types import tensor_type
from analyzer.traced_inputs import read_traced_inputs


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A TorchScript module in evaluation mode, with the example inputs that were stored with it, if any."""

    name: str
    module: torch._C.ScriptModule
    stored_types: tuple[TensorType, ...] | None
    stored_inputs: tuple[torch.Tensor, ...] = ()


def open_model(
    model: Path | torch.nn.Module, examples: tuple[torch.Tensor, ...], *, weights: bool, allow_pickle: bool
) -> OpenedModel:
    """Open a file or a live module; ``examples`` are needed to trace a module that is not TorchScript yet."""
    if isinstance(model, torch.jit.ScriptModule):
        return OpenedModel(_name_of(model), _evaluated(model), None)
    if isinstance(model, torch.nn.Module):
        return _traced(model, examples)
    return _open_script(model, weights=weights)


def _name_of(model: torch.nn.Module) -> str:
    name = getattr(model, "original_name", None)
    return name if isinstance(name, str) else type(model).__name__


def _evaluated(module: torch.jit.ScriptModule) -> torch._C.ScriptModule:
    copy = module.copy() if module.training else module
    copy.eval()
    script: torch._C.ScriptModule = copy._c
    return script


def _traced(model: torch.nn.Module, examples: tuple[torch.Tensor, ...]) -> OpenedModel:
    if not examples:
        raise InputError(f"{_name_of(model)} is not TorchScript yet; pass example inputs to trace it with.")
    was_training = model.training
    model.eval()
    traced = torch.jit.trace(model, examples, check_trace=False)
    model.train(was_training)
    return OpenedModel(_name_of(model), _evaluated(traced), tuple(tensor_type(x) for x in examples), examples)


def _open_script(path: Path, *, weights: bool) -> OpenedModel:
    if weights:
        module = torch.jit.load(str(path), map_location="cpu")
    else:
        module = torch.jit.load(without_elements(path), map_location="meta")
    module.eval()
    with zipfile.ZipFile(path) as archive:
        stored = read_traced_inputs(archive)
    return OpenedModel(path.stem, module._c, stored)


def without_elements(path: Path) -> io.BytesIO:
    """The archive with the elements of its tensors left out."""
    stripped = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(stripped, "w") as out:
        for info in archive.infolist():
            _, _, name = info.filename.partition("/")
            is_tensor = name.startswith(("data/", "constants/"))
            out.writestr(info.filename, b"" if is_tensor else archive.read(info))
    stripped.seek(0)
    return stripped
