"""Exported programs (``.pt2``): looked through, then loaded by PyTorch."""

from __future__ import annotations

import logging
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import BinaryIO, cast

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.archive import Archive, Joined
from nnapi_check.analyzer.files.gpu_programs import moved_parts
from nnapi_check.analyzer.files.missing_ops.program_calls import called_ops
from nnapi_check.analyzer.files.missing_ops.stand_ins import (
    StandIns,
    lacking_ops,
    stand_ins_for_program,
    unregistered,
)
from nnapi_check.analyzer.files.program_shapes import keep_shapes
from nnapi_check.analyzer.files.program_sizes import keep_sizes
from nnapi_check.analyzer.files.program_words import hold_inner_tensors, write_truth_values_as_numbers
from nnapi_check.analyzer.files.screening.program_screen import screened_parts
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.script_file import first_line, refusal

_LOGGERS = ("torch.export", "torch.export.pt2_archive._package", "torch._export.serde.serialize")
_SIZE_CHECK = "_check_input_constraints_pre_hook"


@dataclass(frozen=True, slots=True)
class LoadedProgram:
    """An exported program, and the ops that stand in for those which are not registered here."""

    program: torch.export.ExportedProgram
    stand_ins: StandIns | None = None


def read_program(path: Path, *, trust: bool, stands_in: bool = False) -> LoadedProgram:
    """Load an exported program. PyTorch reads only what was looked through, unless ``trust``.

    With ``stands_in``, ops that nothing has registered are defined by how the program calls them, for the life of the
    process. Raises ``InputError`` where it cannot be loaded, and where loading it could do more than that.
    """
    try:
        with Archive(path) as archive, _safe_pickles(trust=trust):
            parts = moved_parts(archive) if trust else screened_parts(archive)

            def load() -> torch.export.ExportedProgram:
                return _load(path, path if parts is None else Joined(parts))

            try:
                return LoadedProgram(load())
            except InputError as error:
                told = [archive.read(member) for name, member in archive.members.items() if name.endswith(".json")]
                missing = unregistered({op for text in told for op in called_ops(text)})
                if not missing:
                    raise
                found = stand_ins_for_program(told, missing) if stands_in else None
                if found is not None:
                    with suppress(InputError):
                        return LoadedProgram(load(), found)
                raise lacking_ops(path, missing) from error
    except SuspectError as error:
        raise refusal(path, error) from error
    except (zipfile.BadZipFile, OSError) as error:
        raise _load_error(path, error) from error


def _load(path: Path, source: Path | Joined) -> torch.export.ExportedProgram:
    try:
        with _unlogged():
            return torch.export.load(source if isinstance(source, Path) else cast("BinaryIO", source))
    except MemoryError:
        raise
    except Exception as error:  # PyTorch's reader is Python, and raises whatever a damaged description leads it to.
        raise _load_error(path, error) from error


def module_of(program: torch.export.ExportedProgram, name: Path | str) -> torch.fx.GraphModule:
    """The program as a module that can be traced, without the guards that would check each call of it."""
    try:
        # PyTorch has guards, and the argument that leaves them out, since 2.9.
        has_guards = "check_guards" in signature(program.module).parameters
        module = program.module(check_guards=False) if has_guards else program.module()
        # What is left to check the sizes of inputs asks for them in a way that cannot be traced.
        for key, hook in list(module._forward_pre_hooks.items()):
            if getattr(hook, "__name__", "") == _SIZE_CHECK:
                del module._forward_pre_hooks[key]
        hold_inner_tensors(module)
        write_truth_values_as_numbers(module)
        keep_shapes(module, program, keep_sizes(module) or "")
        return module
    except MemoryError:
        raise
    except Exception as error:  # As above: it is put together from what the description says.
        raise _load_error(name, error) from error


def _load_error(name: Path | str, error: BaseException) -> InputError:
    return InputError(
        f"{name} cannot be loaded as an exported program by PyTorch {torch.__version__}: {first_line(error)}; "
        "save it again with torch.export.save."
    )


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what PyTorch's reader logs of a failure, tracebacks and all, from the terminal."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was_disabled in zip(loggers, before, strict=True):
            logger.disabled = was_disabled


@contextmanager
def _safe_pickles(*, trust: bool) -> Iterator[None]:
    """Hold ``torch.load`` to plain tensors while PyTorch opens an archive that holds pickles."""
    if trust:
        yield
        return
    before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before
