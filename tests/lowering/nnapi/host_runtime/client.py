"""A caller of NNAPI's C functions, as an app would be, written against the C interface alone."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnapi_check.coverage_db.spec import ResultCode
from nnapi_check.lowering.nnapi.interpreter.kernels import NUMPY_TYPES, Array
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Reference,
    Unspecified,
)


class OperandTypeStruct(ctypes.Structure):
    """``ANeuralNetworksOperandType``."""

    _fields_ = (
        ("type", ctypes.c_int32),
        ("dimensionCount", ctypes.c_uint32),
        ("dimensions", ctypes.c_void_p),
        ("scale", ctypes.c_float),
        ("zeroPoint", ctypes.c_int32),
    )


class ChannelsStruct(ctypes.Structure):
    """``ANeuralNetworksSymmPerChannelQuantParams``."""

    _fields_ = (("channelDim", ctypes.c_uint32), ("scaleCount", ctypes.c_uint32), ("scales", ctypes.c_void_p))


class CallError(Exception):
    """A function returned something else than NO_ERROR."""

    def __init__(self, function: str, code: ResultCode) -> None:
        super().__init__(f"{function}: {code.name}")
        self.function = function
        self.code = code


@dataclass(slots=True)
class Client:
    """Calls functions of a library, and keeps alive what NNAPI obliges a caller to keep."""

    library: ctypes.CDLL
    kept: list[object] = field(default_factory=list)
    inner: dict[int | None, list[ctypes.c_void_p]] = field(default_factory=dict)

    def call(self, function: str, *arguments: object) -> None:
        """Call ``ANeuralNetworks<function>``."""
        code = ResultCode(getattr(self.library, f"ANeuralNetworks{function}")(*arguments))
        if code is not ResultCode.NO_ERROR:
            raise CallError(function, code)

    def make(self, function: str, *arguments: object) -> ctypes.c_void_p:
        """Call a function that gives an object by its last parameter."""
        result = ctypes.c_void_p()
        self.call(function, *arguments, ctypes.byref(result))
        return result

    def build(
        self, model: Model, codes: Mapping[str, int], buffers: Sequence[bytes] = (), main: Model | None = None
    ) -> ctypes.c_void_p:
        """A model that has everything but ``finish``. ``main`` holds the models that references name."""
        handle = self.make("Model_create")
        for index, operand in enumerate(model.operands):
            self._add_operand(handle, index, operand)
            match operand.source:
                case Immediate(data):
                    self._set_value(handle, index, data)
                case Buffer(number, offset, length):
                    self._set_value(handle, index, buffers[number][offset : offset + length])
                case NoValue():
                    self.call("Model_setOperandValue", handle, index, None, ctypes.c_size_t(0))
                case Reference(number):
                    main = main or model
                    inner = self.build(main.referenced[number], codes, buffers, main)
                    self.call("Model_finish", inner)
                    self.call("Model_setOperandValueFromModel", handle, index, inner)
                    self.inner.setdefault(handle.value, []).append(inner)
                case ModelInput() | Computed():
                    pass
        for operation in model.operations:
            reads, writes = _words(operation.inputs), _words(operation.outputs)
            code = codes[operation.kind]
            self.call("Model_addOperation", handle, code, len(reads), reads, len(writes), writes)
        inputs, outputs = _words(model.inputs), _words(model.outputs)
        self.call("Model_identifyInputsAndOutputs", handle, len(inputs), inputs, len(outputs), outputs)
        if model.relaxed:
            self.call("Model_relaxComputationFloat32toFloat16", handle, ctypes.c_bool(True))
        return handle

    def compile(self, model: ctypes.c_void_p) -> ctypes.c_void_p:
        """A finished compilation of a finished model."""
        compilation = self.make("Compilation_create", model)
        self.call("Compilation_setPreference", compilation, 1)
        self.call("Compilation_finish", compilation)
        return compilation

    def execute(
        self, compilation: ctypes.c_void_p, model: Model, inputs: Sequence[Array | None], sizes: Sequence[int]
    ) -> list[Array]:
        """Run once, with outputs of at most so many bytes."""
        execution = self.make("Execution_create", compilation)
        try:
            return self.run(execution, model, inputs, sizes)
        finally:
            self.library.ANeuralNetworksExecution_free(execution)

    def free(self, *, models: Sequence[ctypes.c_void_p] = (), compilations: Sequence[ctypes.c_void_p] = ()) -> None:
        """Free compilations, and models with those that they refer to."""
        for compilation in compilations:
            self.library.ANeuralNetworksCompilation_free(compilation)
        for model in models:
            self.library.ANeuralNetworksModel_free(model)
            self.free(models=self.inner.pop(model.value, []))

    def run(
        self, execution: ctypes.c_void_p, model: Model, inputs: Sequence[Array | None], sizes: Sequence[int]
    ) -> list[Array]:
        """Give an execution its arguments and compute it, with outputs of at most so many bytes."""
        held = []
        for index, array in enumerate(inputs):
            if array is None:
                self.call("Execution_setInput", execution, index, None, None, ctypes.c_size_t(0))
                continue
            data = np.ascontiguousarray(array)
            dims = _words(array.shape)
            operand = model.operands[model.inputs[index]]
            kind = _type(operand, dims)
            held.append((data, dims, kind))
            place, length = ctypes.c_void_p(data.ctypes.data), ctypes.c_size_t(data.nbytes)
            self.call("Execution_setInput", execution, index, ctypes.byref(kind), place, length)
        room = [ctypes.create_string_buffer(max(size, 1)) for size in sizes]
        for index, (buffer, size) in enumerate(zip(room, sizes, strict=True)):
            address = buffer if size else None
            self.call("Execution_setOutput", execution, index, None, address, ctypes.c_size_t(size))
        self.call("Execution_compute", execution)
        return [self._output(execution, model, index, buffer.raw) for index, buffer in enumerate(room)]

    def _output(self, execution: ctypes.c_void_p, model: Model, index: int, data: bytes) -> Array:
        rank = ctypes.c_uint32()
        self.call("Execution_getOutputOperandRank", execution, index, ctypes.byref(rank))
        dims = (ctypes.c_uint32 * max(rank.value, 1))()
        if rank.value:
            self.call("Execution_getOutputOperandDimensions", execution, index, dims)
        shape = tuple(dims)[: rank.value]
        dtype = NUMPY_TYPES[model.operands[model.outputs[index]].type]
        count = int(np.prod(shape, dtype=np.int64))
        array: Array = np.frombuffer(data, dtype, count).reshape(shape)
        return array

    def _add_operand(self, handle: ctypes.c_void_p, index: int, operand: Operand) -> None:
        shape = operand.shape if isinstance(operand.shape, tuple) else ()
        dims = _words([0 if isinstance(size, Unspecified) else size for size in shape])
        self.call("Model_addOperand", handle, ctypes.byref(_type(operand, dims)))
        if operand.channels is not None:
            scales = (ctypes.c_float * len(operand.channels.scales))(*operand.channels.scales)
            channels = ChannelsStruct(operand.channels.channel_dim, len(scales), ctypes.addressof(scales))
            self.call("Model_setOperandSymmPerChannelQuantParams", handle, index, ctypes.byref(channels))

    def _set_value(self, handle: ctypes.c_void_p, index: int, data: bytes) -> None:
        buffer = ctypes.create_string_buffer(data, max(len(data), 1))
        self.kept.append(buffer)
        self.call("Model_setOperandValue", handle, index, buffer, ctypes.c_size_t(len(data)))


def _words(values: Sequence[int]) -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * len(values))(*values)


def _type(operand: Operand, dims: ctypes.Array[ctypes.c_uint32]) -> OperandTypeStruct:
    address = ctypes.addressof(dims) if len(dims) else None
    return OperandTypeStruct(operand.type, len(dims), address, operand.quant.scale, operand.quant.zero_point)
