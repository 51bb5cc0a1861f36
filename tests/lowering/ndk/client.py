"""The runtime's C interface in ctypes, as an app would use it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.lowering.ndk.builds import runtime

PYTORCH, NNAPI = 0, 1
PLAIN, BURST = 0, 1


class Handle(ctypes.c_void_p):
    """An object of the runtime. ``kept`` are the arrays that it was given, which must live as long."""

    def __init__(self, address: int | None = None) -> None:
        super().__init__(address)
        self.kept: list[npt.NDArray[np.generic]] = []


class Status(IntEnum):
    OK = 0
    NO_NNAPI = 1
    CANNOT_READ = 2
    BAD_FILE = 3
    BAD_ARGUMENT = 4
    BAD_STATE = 5
    LEVEL_TOO_LOW = 6
    NO_DEVICE = 7
    REFUSED = 8
    DEADLINE_MISSED = 9


class CallError(Exception):
    """A call gave another status than OK; the text is the runtime's."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = Status(status)


class TensorStruct(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("element", ctypes.c_int),
        ("rank", ctypes.c_uint32),
        ("shape", ctypes.c_uint32 * 8),
        ("byte_length", ctypes.c_size_t),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
        ("nnapi_element", ctypes.c_int),
        ("nnapi_rank", ctypes.c_uint32),
        ("nnapi_shape", ctypes.c_uint32 * 8),
        ("nnapi_byte_length", ctypes.c_size_t),
    )


class OptionsStruct(ctypes.Structure):
    _fields_ = (
        ("preference", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("device_name", ctypes.c_char_p),
        ("device_type", ctypes.c_int),
        ("refuses_reference", ctypes.c_bool),
        ("is_relaxed", ctypes.c_bool),
        ("cache_directory", ctypes.c_char_p),
        ("compile_timeout_ns", ctypes.c_uint64),
        ("run_timeout_ns", ctypes.c_uint64),
        ("loop_timeout_ns", ctypes.c_uint64),
    )


class RoleStruct(ctypes.Structure):
    _fields_ = (("program", ctypes.c_void_p), ("is_output", ctypes.c_bool), ("index", ctypes.c_uint32))


@cache
def functions() -> ctypes.CDLL:
    found = ctypes.CDLL(str(runtime().library))
    found.nnc_last_error.restype = ctypes.c_char_p
    found.nnc_default_options.restype = OptionsStruct
    return found


def call(name: str, *arguments: object) -> None:
    status = getattr(functions(), name)(*arguments)
    if status != Status.OK:
        raise CallError(status, functions().nnc_last_error().decode())


def created(name: str, *arguments: object) -> Handle:
    made = Handle()
    call(name, *arguments, ctypes.byref(made))
    return made


class Session:
    """Objects of the runtime, freed in the opposite order at the end."""

    def __init__(self, library: Path) -> None:
        self._made: list[tuple[str, Handle]] = []
        self.nnapi = self._keep("nnc_nnapi_free", created("nnc_nnapi_open", str(library).encode()))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for free, handle in reversed(self._made):
            getattr(functions(), free)(handle)

    def _keep(self, free: str, handle: Handle) -> Handle:
        self._made.append((free, handle))
        return handle

    def model(self, path: Path) -> Handle:
        return self._keep("nnc_model_free", created("nnc_model_open", str(path).encode()))

    def program(self, model: Handle, **options: object) -> Handle:
        given = functions().nnc_default_options()
        for name, value in options.items():
            setattr(given, name, value)
        made = created("nnc_program_create", self.nnapi, model, ctypes.byref(given))
        return self._keep("nnc_program_free", made)

    def run(self, program: Handle, kind: int = PLAIN) -> Handle:
        return self._keep("nnc_run_free", created("nnc_run_create", program, kind))

    def memory(self, make: Callable[[], Handle]) -> Handle:
        return self._keep("nnc_memory_free", make())


def tensor_of(model: Handle, index: int, *, is_output: bool = False) -> TensorStruct:
    found = TensorStruct()
    call("nnc_model_output" if is_output else "nnc_model_input", model, index, ctypes.byref(found))
    return found


def set_input(run: Handle, index: int, array: npt.NDArray[np.generic], order: int = PYTORCH) -> None:
    run.kept.append(array)
    call("nnc_run_set_input", run, index, Handle(array.ctypes.data), ctypes.c_size_t(array.nbytes), order)


def set_output(run: Handle, index: int, array: npt.NDArray[np.generic], order: int = PYTORCH) -> None:
    run.kept.append(array)
    call("nnc_run_set_output", run, index, Handle(array.ctypes.data), ctypes.c_size_t(array.nbytes), order)


def live_objects(library: Path) -> int:
    return int(ctypes.CDLL(str(library)).fake_live_objects())
