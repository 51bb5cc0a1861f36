"""Reading NNAPI models back from a file: what our packages hold, and what PyTorch's own converter makes."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import torch
from torch.jit.mobile import _load_for_lite_interpreter

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.archive import Archive
from nnapi_check.analyzer.files.script_file import read_script, screen_lite_file
from nnapi_check.analyzer.ops.op_libraries import with_op_libraries
from nnapi_check.lowering.packaging.manifest import FILE_NAME, Manifest, ManifestError, PartRecord, read_manifest
from nnapi_check.lowering.packaging.script_modules import without_deprecation_warnings

Method = Callable[..., object]


class _LiteModule(Protocol):
    def run_method(self, name: str, *inputs: object) -> object: ...


@dataclass(frozen=True, slots=True)
class ArtifactPart:
    """One NNAPI model of a file: its bytes, the contents of its numbered buffers, and what the package tells of it.

    ``record`` is None for a model that PyTorch's own converter made; ``name`` is then the path of its module.
    """

    name: str
    serialized: bytes
    buffers: tuple[torch.Tensor, ...]
    record: PartRecord | None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file with NNAPI models. ``method`` gives a method by name; ``manifest`` is None in others' files."""

    path: Path
    parts: tuple[ArtifactPart, ...]
    manifest: Manifest | None
    method: Callable[[str], Method]

    def run(self, *inputs: object) -> object:
        """Call the module's ``forward``."""
        return self.method("forward")(*inputs)

    def use_cpu(self) -> None:
        """Run on the CPU from now on."""
        self.method("use_cpu")()

    def use_nnapi(self) -> None:
        """Run in NNAPI from now on, for inputs like those converted for."""
        self.method("use_nnapi")()


def open_artifact(path: Path, *, trust: bool = False, is_run: bool = True) -> Artifact:
    """Open a package, or a file made by PyTorch's own NNAPI converter. Buffers are computed, so weights are read.

    A package in the lite form is opened by the lite interpreter, as on a phone, where it ``is_run``; else its code
    tells what it holds. Raises ``InputError`` where loading the file could do more than that unless ``trust``.
    """
    members, manifest = _contents(path)
    has_bytecode = any(name.endswith("/bytecode.pkl") for name in members)
    has_code = any("/code/" in name for name in members)
    is_lite = has_bytecode and (is_run or not has_code) and (manifest is not None or not has_code)
    module = _load_lite(path, trust=trust) if is_lite else read_script(path, weights=True, trust=trust).module
    method = _methods(module)
    if manifest is not None:
        return Artifact(path, _own_parts(path, manifest, method), manifest, method)
    parts = tuple(_converter_parts(module)) if isinstance(module, torch.jit.ScriptModule) else ()
    if not parts:
        raise InputError(
            f"{path} holds no NNAPI model, neither as a package of `nnapi-check convert` nor as a module of PyTorch's "
            "own converter; convert it first."
        )
    return Artifact(path, parts, None, method)


def _contents(path: Path) -> tuple[list[str], Manifest | None]:
    """The names of a file's members, and what it tells about itself."""
    try:
        with Archive(path) as archive:
            members = list(archive.members)
            found = archive.members.get(f"{archive.prefix}extra/{FILE_NAME}")
            return members, read_manifest(archive.read(found).decode()) if found is not None else None
    except (ManifestError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is a damaged package: {error}") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is no TorchScript file: it is no zip archive ({error})") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _load_lite(path: Path, *, trust: bool) -> torch.nn.Module:
    load: Callable[[str], torch.nn.Module] = _load_for_lite_interpreter
    screen_lite_file(path, trust=trust)
    try:
        with without_deprecation_warnings():
            return with_op_libraries(partial(load, str(path)))
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} is no TorchScript file that this PyTorch can load: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _methods(module: torch.nn.Module) -> Callable[[str], Method]:
    def scripted(name: str) -> Method:
        found: Method = getattr(module, name)
        return found

    def lite(name: str) -> Method:
        run = cast("_LiteModule", module).run_method
        return partial(run, name)

    return scripted if isinstance(module, torch.jit.ScriptModule) else lite


def _own_parts(path: Path, manifest: Manifest, method: Callable[[str], Method]) -> tuple[ArtifactPart, ...]:
    try:
        models = _tensors(method("nnapi_serialized")())
        lists = method("nnapi_buffers")()
    except (AttributeError, RuntimeError) as error:
        raise InputError(f"{path} is a damaged package: it does not give its parts: {_first_line(error)}") from error
    if not isinstance(lists, list) or not len(models) == len(lists) == len(manifest.parts):
        raise InputError(f"{path} is a damaged package: it does not hold the {len(manifest.parts)} parts it names")
    return tuple(
        ArtifactPart(record.name, _bytes(model), _tensors(buffers), record)
        for record, model, buffers in zip(manifest.parts, models, lists, strict=True)
    )


def _converter_parts(module: torch.nn.Module) -> Iterator[ArtifactPart]:
    """Modules with the attributes of ``torch.backends._nnapi.prepare.NnapiModule``."""
    for name, inner in module.named_modules():
        model, weights = getattr(inner, "ser_model", None), getattr(inner, "weights", None)
        if isinstance(model, torch.Tensor) and isinstance(weights, list):
            buffers = tuple(weight.contiguous() for weight in _tensors(weights))
            yield ArtifactPart(name, _bytes(model), buffers, None)


def _tensors(found: object) -> tuple[torch.Tensor, ...]:
    items = found if isinstance(found, list) else []
    return tuple(item for item in items if isinstance(item, torch.Tensor))


def _bytes(words: torch.Tensor) -> bytes:
    return words.contiguous().numpy().tobytes()
