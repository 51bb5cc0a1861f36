"""How a model file, or a live module, is opened as a TorchScript module."""

from __future__ import annotations

import inspect
import pickle
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from analyzer.bundled_inputs import read_bundled_inputs
from analyzer.errors import InputError
from analyzer.exported_calls import write_truth_values_as_numbers
from analyzer.file_kind import FileKind, kind_of, refuse_pickle
from analyzer.graph import TensorType
from analyzer.input_spec import InputSpec, order_by_name
from analyzer.program_file import module_of, read_program
from analyzer.script_file import LOAD_FAILURES, first_line, read_script
from analyzer.tensor_types import tensor_type
from analyzer.torchscript import in_evaluation_mode, trace


@dataclass(frozen=True, slots=True)
class Example:
    """An input to trace with. ``name`` is the argument's, or None where inputs are given by position."""

    name: str | None
    tensor: torch.Tensor


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A TorchScript module, with the example inputs that were stored with it, if any."""

    name: str
    module: torch.jit.ScriptModule
    stored_types: tuple[TensorType, ...] | None
    stored_inputs: tuple[torch.Tensor, ...] = ()

    @property
    def stored_count(self) -> int | None:
        """The number of input tensors stored with the model, or None where there are none."""
        return len(self.stored_types) if self.stored_types is not None else None


def open_model(
    model: Path | torch.nn.Module, examples: Sequence[Example], *, weights: bool, trust: bool
) -> OpenedModel:
    """Open a file or a live module; ``examples`` are needed to trace a module that is not TorchScript yet."""
    if isinstance(model, torch.nn.Module):
        return _open_module(model, examples, _name_of(model))
    match kind_of(model):
        case FileKind.TORCHSCRIPT:
            return _open_script(model, weights=weights, trust=trust)
        case FileKind.EXPORTED_PROGRAM:
            return _open_exported(model, examples, trust=trust)
        case FileKind.PICKLED_MODULE:
            return _open_pickle(model, examples, trust=trust)


def _name_of(model: torch.nn.Module) -> str:
    name = getattr(model, "original_name", None)
    return name if isinstance(name, str) else type(model).__name__


def _open_module(model: torch.nn.Module, examples: Sequence[Example], name: str) -> OpenedModel:
    if isinstance(model, torch.jit.ScriptModule):
        return _with_inputs(name, model, None)
    if not examples:
        raise InputError(f"{name} is not TorchScript yet; pass example inputs to trace it with.")
    tensors = _ordered(model, examples, name)
    try:
        with in_evaluation_mode(model):
            traced = trace(model, tensors)
    except LOAD_FAILURES as error:
        raise InputError(
            f"{name} cannot be traced with inputs of these shapes: {first_line(error)}; "
            "pass inputs that the model accepts, or a scripted module (torch.jit.script)."
        ) from error
    return OpenedModel(name, traced, tuple(tensor_type(x) for x in tensors), tensors)


def _ordered(model: torch.nn.Module, examples: Sequence[Example], name: str) -> tuple[torch.Tensor, ...]:
    """The examples in the order of the arguments of ``forward``."""
    if all(example.name is None for example in examples):
        return tuple(example.tensor for example in examples)
    names = list(inspect.signature(model.forward).parameters)[: len(examples)]
    specs = [InputSpec(tensor_type(example.tensor), example.name) for example in examples]
    by_spec = {id(spec): example.tensor for spec, example in zip(specs, examples, strict=True)}
    return tuple(by_spec[id(spec)] for spec in order_by_name(specs, names))


def _open_script(path: Path, *, weights: bool, trust: bool) -> OpenedModel:
    found = read_script(path, weights=weights, trust=trust)
    return _with_inputs(path.stem, found.module, found.traced_types)


def _with_inputs(name: str, module: torch.jit.ScriptModule, stored: tuple[TensorType, ...] | None) -> OpenedModel:
    first = read_bundled_inputs(module._c) if stored is None else None
    if first is None:
        return OpenedModel(name, module, stored)
    tensors = tuple(item for item in first if isinstance(item, torch.Tensor))
    if not tensors or len(tensors) != len(first):
        return OpenedModel(name, module, None)
    real = () if any(tensor.is_meta for tensor in tensors) else tensors
    return OpenedModel(name, module, tuple(tensor_type(tensor) for tensor in tensors), real)


def _open_exported(path: Path, examples: Sequence[Example], *, trust: bool) -> OpenedModel:
    program = read_program(path, trust=trust)
    module = module_of(program, path)
    write_truth_values_as_numbers(module)
    arguments, keywords = program.example_inputs if program.example_inputs is not None else ((), {})
    stored = tuple(item for item in arguments if isinstance(item, torch.Tensor))
    if not examples and (keywords or not stored or len(stored) != len(arguments)):
        raise InputError(f"{path} holds no example inputs that are tensors by position; give them with --input.")
    with warnings.catch_warnings():
        # The guards of an exported program look at shapes; there is nothing in that for a user to mend.
        warnings.simplefilter("ignore")
        return _open_module(module, examples or [Example(None, tensor) for tensor in stored], path.stem)


def _open_pickle(path: Path, examples: Sequence[Example], *, trust: bool) -> OpenedModel:
    if not trust:
        raise refuse_pickle(path)
    return _open_module(unpickled(path), examples, path.stem)


def unpickled(path: Path) -> torch.nn.Module:
    """The module in a pickle. This runs code of the file's maker."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=False)
    except (pickle.UnpicklingError, zipfile.BadZipFile, *LOAD_FAILURES) as error:
        raise InputError(
            f"{path} cannot be unpickled: {first_line(error)}; import the model's classes, or save it as TorchScript."
        ) from error
    if not isinstance(found, torch.nn.Module):
        raise refuse_pickle(path)
    return found
