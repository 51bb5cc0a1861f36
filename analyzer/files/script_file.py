"""TorchScript files: looked through, then loaded by PyTorch."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.archive import Archive, Lightened, lighten, mentions_quantization
from nnapi_check.analyzer.files.gpu_names import move_script
from nnapi_check.analyzer.files.missing_ops.script_calls import called_in_code
from nnapi_check.analyzer.files.missing_ops.stand_ins import (
    StandIns,
    lacking_ops,
    stand_ins_for_script,
    unregistered,
)
from nnapi_check.analyzer.files.screening.program_size import screen_size
from nnapi_check.analyzer.files.screening.script_screen import code_of, screen_bytecode, screen_script
from nnapi_check.analyzer.files.screening.suspect import SuspectError
from nnapi_check.analyzer.files.screening.zip_directory import check_members
from nnapi_check.analyzer.files.traced_inputs import read_traced_inputs
from nnapi_check.analyzer.inputs.arguments import Call
from nnapi_check.analyzer.ops.op_libraries import with_op_libraries
from nnapi_check.analyzer.torchscript import (
    LoadedScript,
    in_evaluation_mode,
    load_with_functions,
    use_up_quantization_warning,
)

_LACKS_OP = "Unknown builtin op"
"""How PyTorch's reader of code tells of an op that it does not know."""

LOAD_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError, OSError, ImportError)


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A loaded file, the types of the arguments it was traced with, and what stands in for ops that it lacks."""

    module: torch.jit.ScriptModule
    traced: Call | None
    stand_ins: StandIns | None = None


def read_script(path: Path, *, weights: bool, trust: bool, stands_in: bool = False) -> ScriptFile:
    """Load a TorchScript file; without ``weights`` its large tensors may be on ``meta``.

    With ``stands_in``, ops that nothing has registered are defined by how the file calls them, for the life of the
    process. Raises ``InputError`` where it cannot be loaded, and where loading it could do more unless ``trust``.
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
            code = tuple(code_of(archive))
            if not trust:
                screen_script(archive, light, code)
        if is_quantized:
            use_up_quantization_warning()
        loaded, stand_ins = _load_known(path, light, code, stands_in=stands_in)
        if not trust:
            screen_size(loaded.functions)
        with in_evaluation_mode(loaded.module):
            # Now a mode of another type is a file that cannot be loaded, and not a fault of what follows.
            pass
        return ScriptFile(loaded.module, traced, stand_ins)
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
                screen_script(archive, None, code_of(archive))
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


def _load_known(
    path: Path, light: Lightened | None, code: Sequence[str], *, stands_in: bool
) -> tuple[LoadedScript, StandIns | None]:
    """The loaded file, and what stands in for ops that nothing has registered."""
    load = partial(_load, path, light)
    try:
        return with_op_libraries(load), None
    except RuntimeError as error:
        missing = unregistered(called_in_code(code)) if _LACKS_OP in str(error) else []
        if not missing:
            raise
        found = stand_ins_for_script(code, missing) if stands_in else None
        if found is not None:
            with suppress(RuntimeError):
                return load(), found
        raise lacking_ops(path, missing) from error


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
    if _LACKS_OP in str(error) or "Unknown type name" in str(error):
        line = next(line for line in str(error).splitlines() if "Unknown" in line)
        return InputError(
            f"{path} needs an op that this PyTorch does not have ({line.strip().rstrip('.')}); "
            "import its library (--import MODULE)."
        )
    return InputError(f"{path} cannot be loaded by PyTorch {torch.__version__}: {text}; save it again.")
