"""Small files that mean harm, made by editing honest ones. Each leaves a marker in the current directory if it can."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

Edit = Callable[[str, bytes], bytes]


class Plain(nn.Module):
    """One op."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x)


def script(folder: Path, module: nn.Module | None = None) -> Path:
    """An honest scripted file."""
    path = folder / "plain.pt"
    torch.jit.save(torch.jit.script((module or Plain()).eval()), str(path))
    return path


def program(folder: Path, *, is_dynamic: bool = False) -> Path:
    """An honest exported program."""
    path = folder / ("dynamic.pt2" if is_dynamic else "plain.pt2")
    shapes = ({0: torch.export.Dim("rows", min=2, max=64)},) if is_dynamic else None
    torch.export.save(torch.export.export(Plain(), (torch.rand(4, 3),), dynamic_shapes=shapes), path)
    return path


def edited(source: Path, edit: Edit, target: str | None = None) -> Path:
    """The file with its members edited, checksums mended."""
    path = source.with_name(target or f"edited_{source.name}")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, edit(entry.filename, old.read(entry)))
    return path


def with_code(source: Path, change: Callable[[str], str]) -> Path:
    """The file with its code changed."""
    return edited(source, lambda name, data: change(data.decode()).encode() if name.endswith(".py") else data)


def with_program(source: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """The exported program with its description changed."""

    def edit(name: str, data: bytes) -> bytes:
        if not name.endswith(("models/model.json", "serialized_exported_program.json")):
            return data
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return edited(source, edit)


def with_method(text: str) -> Callable[[str], str]:
    """A change of code that adds a method to the class."""
    return lambda code: code.rstrip() + "\n" + text


WRITES = 'torch.from_file("MARK", True, 4)'
"""An op that writes a file."""
SET_STATE = """  def __setstate__(self: __torch__.{module}.Plain,
    state: Tuple[bool]) -> NoneType:
    self.training = (state)[0]
    {statement}
    return None
""".replace("{module}", Plain.__module__)
