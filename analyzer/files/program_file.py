"""Exported programs (``.pt2``): looked through, then loaded by PyTorch."""

from __future__ import annotations

import logging
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.archive import Archive, Joined
from nnapi_check.analyzer.files.screening.program_screen import screened_parts
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.script_file import first_line, refusal

_LOGGERS = ("torch.export", "torch.export.pt2_archive._package", "torch._export.serde.serialize")
_SIZE_CHECK = "_check_input_constraints_pre_hook"


def read_program(path: Path, *, trust: bool) -> torch.export.ExportedProgram:
    """Load an exported program. PyTorch reads only what was looked through, unless ``trust``.

    Raises ``InputError`` where it cannot be loaded, and where loading it could do more than that.
    """
    try:
        with Archive(path) as archive, _safe_pickles(trust=trust):
            return _load(path, path if trust else Joined(screened_parts(archive)))
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


def module_of(program: torch.export.ExportedProgram, path: Path) -> torch.fx.GraphModule:
    """The program as a module, without the guards that would check each call of it."""
    try:
        module = program.module(check_guards=False)
        # What is left to check the sizes of inputs asks for them in a way that cannot be traced.
        for key, hook in list(module._forward_pre_hooks.items()):
            if getattr(hook, "__name__", "") == _SIZE_CHECK:
                del module._forward_pre_hooks[key]
        return module
    except MemoryError:
        raise
    except Exception as error:  # As above: it is put together from what the description says.
        raise _load_error(path, error) from error


def _load_error(path: Path, error: BaseException) -> InputError:
    return InputError(
        f"{path} cannot be loaded as an exported program by PyTorch {torch.__version__}: {first_line(error)}; "
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
