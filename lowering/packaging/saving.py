"""Writing a package to a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.writing.output import replaced, writing
from nnapi_check.lowering.packaging.manifest import FILE_NAME, write_manifest
from nnapi_check.lowering.packaging.package import Package
from nnapi_check.lowering.packaging.script_modules import without_deprecation_warnings

_IN_MEMORY_BYTES = 64 << 20
"""Packages whose tensors are smaller are made in memory, so that they are written by Python alone."""


class Form(Enum):
    """The two formats of TorchScript: for every loader, or with bytecode for PyTorch Mobile's lite interpreter too."""

    FULL = "full"
    LITE = "lite"


def save_package(package: Package, path: Path, *, form: Form, inputs: tuple[Path, ...] = ()) -> None:
    """Write a package. A file that is there is replaced only when the new one is complete.

    ``inputs`` are the files that the package was made from, which are never overwritten. Raises ``OutputError``.
    """
    with replaced(path, inputs) as draft, writing(path):
        write_package(package, draft, form)


def write_package(package: Package, path: Path, form: Form) -> None:
    """Write a package to a new file. Raises ``OSError`` where it cannot be written to its end.

    Where a disk is full, PyTorch's own writer ends the process. So PyTorch writes to memory what is small, and gets
    the room of what is not before it begins.
    """
    extra = {FILE_NAME: write_manifest(package.manifest)}
    size = tensor_bytes(package.module)
    with without_deprecation_warnings():
        if size <= _IN_MEMORY_BYTES:
            path.write_bytes(_bytes(package.module, form, extra))
            return
        _reserve(path, size + size // 4 + 1)
        match form:
            case Form.FULL:
                torch.jit.save(package.module, str(path), _extra_files=extra)
            case Form.LITE:
                with _lite_words():
                    package.module._save_for_lite_interpreter(str(path), _extra_files=extra)


def _bytes(module: torch.jit.ScriptModule, form: Form, extra: dict[str, str]) -> bytes:
    match form:
        case Form.FULL:
            found: bytes = module.save_to_buffer(_extra_files=extra)
        case Form.LITE:
            with _lite_words():
                found = module._save_to_buffer_for_lite_interpreter(_extra_files=extra)
    return found


def tensor_bytes(module: torch.jit.ScriptModule) -> int:
    """The size of all tensors that a module holds as parameters, buffers and attributes, each storage once."""
    storages = (tensor.untyped_storage() for tensor in (*module.parameters(), *module.buffers()))
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _reserve(path: Path, size: int) -> None:
    """Raise ``OSError`` where a file of this size cannot be written to ``path``."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        if sys.platform.startswith("linux"):
            os.posix_fallocate(handle, 0, size)
    finally:
        os.close(handle)


@contextmanager
def _lite_words() -> Iterator[None]:
    """Say in our words what the lite interpreter cannot hold."""
    try:
        yield
    except RuntimeError as error:
        if "not supported in lite interpreter" not in str(error):
            raise
        name = str(error).rpartition("type is: ")[2].strip()
        raise InputError(
            f"PyTorch Mobile's lite interpreter cannot hold this model, which uses the class {name}; "
            "write it in the full form, without --lite."
        ) from error
