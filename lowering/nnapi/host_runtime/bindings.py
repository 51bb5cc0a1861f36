"""The C library's structures and functions in ctypes. Addresses are integers; None is the null pointer."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from nnapi_check.lowering.nnapi.host_runtime.build import LIBRARY
from nnapi_check.lowering.nnapi.host_runtime.errors import BuildError, PlatformError


class OperandSource(IntEnum):
    """Where an operand's value comes from, as the C library says it."""

    COMPUTED = 0
    INPUT = 1
    OUTPUT = 2
    COPIED = 3
    BORROWED = 4
    OMITTED = 5
    MODEL = 6


class ArgumentState(IntEnum):
    """What is known of an execution's input or output."""

    UNSET = 0
    GIVEN = 1
    OMITTED = 2


class Released(IntEnum):
    """What the C library lets go."""

    MODEL = 0
    COMPILATION = 1


class OperandStruct(ctypes.Structure):
    """``struct host_operand``."""

    type: int
    rank: int
    dimensions: int | None
    scale: float
    zero_point: int
    source: int
    channel_dim: int
    channel_count: int
    channel_scales: int | None
    length: int
    value: int | None
    model_id: int
    _fields_ = (
        ("type", ctypes.c_int32),
        ("rank", ctypes.c_uint32),
        ("dimensions", ctypes.c_void_p),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
        ("source", ctypes.c_int32),
        ("channel_dim", ctypes.c_uint32),
        ("channel_count", ctypes.c_uint32),
        ("channel_scales", ctypes.c_void_p),
        ("length", ctypes.c_uint64),
        ("value", ctypes.c_void_p),
        ("model_id", ctypes.c_uint64),
    )


class OperationStruct(ctypes.Structure):
    """``struct host_operation``."""

    code: int
    input_count: int
    output_count: int
    inputs: int | None
    outputs: int | None
    _fields_ = (
        ("code", ctypes.c_int32),
        ("input_count", ctypes.c_uint32),
        ("output_count", ctypes.c_uint32),
        ("inputs", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
    )


class ModelStruct(ctypes.Structure):
    """``struct host_model``."""

    id: int
    level: int
    is_relaxed: int
    operand_count: int
    operation_count: int
    input_count: int
    output_count: int
    operands: int | None
    operations: int | None
    inputs: int | None
    outputs: int | None
    _fields_ = (
        ("id", ctypes.c_uint64),
        ("level", ctypes.c_int32),
        ("is_relaxed", ctypes.c_int32),
        ("operand_count", ctypes.c_uint32),
        ("operation_count", ctypes.c_uint32),
        ("input_count", ctypes.c_uint32),
        ("output_count", ctypes.c_uint32),
        ("operands", ctypes.c_void_p),
        ("operations", ctypes.c_void_p),
        ("inputs", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
    )


class ArgumentStruct(ctypes.Structure):
    """``struct host_argument``."""

    state: int
    rank: int
    dimensions: int | None
    data: int | None
    length: int
    is_sufficient: int
    _fields_ = (
        ("state", ctypes.c_int32),
        ("rank", ctypes.c_uint32),
        ("dimensions", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_uint64),
        ("is_sufficient", ctypes.c_int32),
    )


class ExecutionStruct(ctypes.Structure):
    """``struct host_execution``."""

    compilation_id: int
    loop_timeout: int
    input_count: int
    output_count: int
    inputs: int | None
    outputs: int | None
    _fields_ = (
        ("compilation_id", ctypes.c_uint64),
        ("loop_timeout", ctypes.c_uint64),
        ("input_count", ctypes.c_uint32),
        ("output_count", ctypes.c_uint32),
        ("inputs", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
    )


FinishModel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
SupportedOperations = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
Prepare = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p)
Execute = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
Release = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_uint64)
Refused = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int32, ctypes.c_char_p)


class CallbacksStruct(ctypes.Structure):
    """``struct host_callbacks``."""

    _fields_ = (
        ("finish_model", FinishModel),
        ("supported_operations", SupportedOperations),
        ("prepare", Prepare),
        ("execute", Execute),
        ("release", Release),
        ("refused", Refused),
    )


@dataclass(frozen=True, slots=True)
class Library:
    """The loaded library, and the feature level whose functions it exports."""

    path: Path
    level: int
    functions: ctypes.CDLL

    def attach(self, callbacks: CallbacksStruct) -> None:
        """Hand over the callbacks, which the caller keeps alive."""
        self.functions.nnapi_host_attach(ctypes.byref(callbacks))

    def detach(self) -> None:
        """Take the callbacks back: whatever would need one fails from now on."""
        self.functions.nnapi_host_attach(None)

    def played_level(self) -> int:
        """The level that models of this thread are held against."""
        return int(self.functions.nnapi_host_level())

    def set_level(self, level: int) -> None:
        """Set the level for threads without their own."""
        self.functions.nnapi_host_set_level(level)

    def set_thread_level(self, level: int) -> int:
        """Set this thread's level, 0 for none of its own, and give back what it was."""
        return int(self.functions.nnapi_host_set_thread_level(level))

    def live_objects(self) -> int:
        """How many models, compilations, executions, memories and events exist."""
        return int(self.functions.nnapi_host_live_objects())

    def write_output(self, execution: int, index: int, shape: tuple[int, ...], data: int, length: int) -> int:
        """Store an output's shape and bytes; returns a result code."""
        dimensions = (ctypes.c_uint32 * len(shape))(*shape)
        return int(self.functions.nnapi_host_write_output(execution, index, len(shape), dimensions, data, length))


def load_library(path: Path, level: int) -> Library:
    """Load the library for the whole process, so that ``dlopen("libneuralnetworks.so")`` gives it to everyone.

    Raises ``BuildError`` if it cannot be loaded, ``PlatformError`` if that name belongs to another library.
    """
    try:
        functions = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise BuildError(f"{path} cannot be loaded: {error}") from error
    _declare(functions)
    try:
        named = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise PlatformError(f"{LIBRARY} is not found by its name after loading {path}: {error}") from error
    if named._handle != functions._handle:
        raise PlatformError(f"another {LIBRARY} is loaded in this process, and PyTorch would find that one")
    return Library(path, level, functions)


def _declare(functions: ctypes.CDLL) -> None:
    functions.nnapi_host_attach.argtypes = (ctypes.POINTER(CallbacksStruct),)
    functions.nnapi_host_attach.restype = None
    functions.nnapi_host_level.argtypes = ()
    functions.nnapi_host_level.restype = ctypes.c_int32
    functions.nnapi_host_set_level.argtypes = (ctypes.c_int32,)
    functions.nnapi_host_set_level.restype = None
    functions.nnapi_host_set_thread_level.argtypes = (ctypes.c_int32,)
    functions.nnapi_host_set_thread_level.restype = ctypes.c_int32
    functions.nnapi_host_live_objects.argtypes = ()
    functions.nnapi_host_live_objects.restype = ctypes.c_int64
    functions.nnapi_host_write_output.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
    )
    functions.nnapi_host_write_output.restype = ctypes.c_int32
