"""TorchScript files: looked through, then loaded by PyTorch."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.archive import Archive, Lightened, lighten, mentions_quantization
from nnapi_check.analyzer.files.gpu_names import move_script
from nnapi_check.analyzer.files.screening.program_size import screen_size
from nnapi_check.analyzer.files.screening.script_screen import screen_bytecode, screen_script
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.screening.zip_directory import check_members
from nnapi_check.analyzer.files.traced_inputs import read_traced_inputs
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.ops.op_libraries import with_op_libraries
from nnapi_check.analyzer.torchscript import LoadedScript, load_with_functions, use_up_quantization_warning

LOAD_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError, OSError, ImportError)


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A loaded file, and the types of the arguments it was traced with."""

    module: torch.jit.ScriptModule
    traced: Call | None


def read_script(path: Path, *, weights: bool, trust: bool) -> ScriptFile:
    """Load a TorchScript file; without ``weights`` its large tensors may be on ``meta``.

    Raises ``InputError`` where it cannot be loaded, and where loading it could do more than that unless ``trust``.
    """
    try:
        with Archive(path) as archive:
            if not trust:
                check_members(archive.members.values(), archive.size)
            archive.check()
            traced = read_traced_inputs(archive)
            is_quantized = mentions_quantization(archive)
            light = None if weights or is_quantized else lighten(archive)
            if light is not None and not light.is_complete:
                light = None
            if not trust:
                screen_script(archive, light)
        if is_quantized:
            use_up_quantization_warning()
        loaded = with_op_libraries(partial(_load, path, light))
        if not trust:
            screen_size(loaded.functions)
        return ScriptFile(loaded.module, traced)
    except SuspectError as error:
        raise refusal(path, error) from error
    except (zipfile.BadZipFile, *LOAD_FAILURES) as error:
        raise _load_error(path, error) from error


def screen_lite_file(path: Path, *, trust: bool) -> None:
    """Raise ``InputError`` unless the lite interpreter may load a file."""
    try:
        with Archive(path) as archive:
            if not trust:
                check_members(archive.members.values(), archive.size)
            archive.check()
            if not trust:
                screen_script(archive, None)
                screen_bytecode(archive)
    except SuspectError as error:
        raise refusal(path, error) from error
    except zipfile.BadZipFile as error:
        raise _load_error(path, error) from error


def refusal(path: Path, error: SuspectError) -> InputError:
    """What is said of a file that may do more than be read."""
    return InputError(f"{path} {error}; if you trust its maker, allow it with --trust.")


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _load(path: Path, light: Lightened | None) -> LoadedScript:
    if light is None:
        loaded = load_with_functions(str(path), map_location="cpu")
    else:
        light.data.seek(0)
        loaded = load_with_functions(light.data)
    move_script(loaded.functions.values())
    return loaded


def _load_error(path: Path, error: BaseException) -> InputError:
    text = first_line(error)
    if "Unknown builtin op" in str(error) or "Unknown type name" in str(error):
        line = next(line for line in str(error).splitlines() if "Unknown" in line)
        return InputError(
            f"{path} needs an op that this PyTorch does not have ({line.strip().rstrip('.')}); "
            "import its library (--import MODULE)."
        )
    return InputError(f"{path} cannot be loaded by PyTorch {torch.__version__}: {text}; save it again.")
