"""Writing a package to a file, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from enum import Enum
from pathlib import Path

import torch

from analyzer.errors import InputError
from lowering.packaging.manifest import FILE_NAME, write_manifest
from lowering.packaging.package import Package
from lowering.packaging.script_modules import without_deprecation_warnings


class Form(Enum):
    """The two formats of TorchScript: for every loader, or with bytecode for PyTorch Mobile's lite interpreter too."""

    FULL = "full"
    LITE = "lite"


def save_package(package: Package, path: Path, *, form: Form, inputs: tuple[Path, ...] = ()) -> None:
    """Write a package. A file that is there is replaced only when the new one is complete.

    ``inputs`` are the files that the package was made from, which are never overwritten.
    """
    check_writable(path, inputs)
    extra = {FILE_NAME: write_manifest(package.manifest)}
    try:
        # The archive's inner folder has the file's name, so the unfinished file has that name too.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".nnapi-check-") as folder:
            unfinished = Path(folder) / path.name
            with without_deprecation_warnings():
                match form:
                    case Form.FULL:
                        torch.jit.save(package.module, str(unfinished), _extra_files=extra)
                    case Form.LITE:
                        _save_lite(package, unfinished, extra)
            os.replace(unfinished, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _save_lite(package: Package, path: Path, extra: dict[str, str]) -> None:
    try:
        package.module._save_for_lite_interpreter(str(path), _extra_files=extra)
    except RuntimeError as error:
        if "not supported in lite interpreter" not in str(error):
            raise
        name = str(error).rpartition("type is: ")[2].strip()
        raise InputError(
            f"PyTorch Mobile's lite interpreter cannot hold this model, which uses the class {name}; "
            "write it in the full form, without --lite."
        ) from error


def check_writable(path: Path, inputs: tuple[Path, ...] = ()) -> None:
    """Raise ``InputError`` where a package cannot be written to ``path``."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file to write to")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: the folder {path.parent} is not writable")
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise InputError(f"{path} is the model to convert; name another file to write to")
