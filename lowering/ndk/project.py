"""The folder that a conversion writes: a model file, and sources that run it, to be built by CMake."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from nnapi_check.coverage_db.writing.output_folder import FolderKind
from nnapi_check.lowering.ndk.assembly import Assembled
from nnapi_check.lowering.ndk.writing import write_program

PROJECT = FolderKind("project", "nnapi-check-project.json")

MODEL_NAME = "model.nnc"

RUNTIME = Path(__file__).parent / "runtime"


def runtime_files() -> Iterator[Path]:
    """The runtime's files, by their paths in a project."""
    return (path.relative_to(RUNTIME) for path in sorted(RUNTIME.rglob("*")) if path.is_file())


def fill_project(folder: Path, assembled: Assembled, codes: Mapping[str, int]) -> None:
    """Write a model and the runtime's sources into a folder. ``codes`` gives the code of every operation by name."""
    for path in runtime_files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(RUNTIME / path, folder / path)
    write_program(assembled.program, assembled.weights, codes, folder / MODEL_NAME)
