"""Models and executions that another process sent as one run of bytes, in which pointers are places."""

from __future__ import annotations

import ctypes

import numpy as np

from nnapi_check.lowering.nnapi.host_runtime.bindings import (
    ArgumentStruct,
    ExecutionStruct,
    ModelStruct,
    OperandStruct,
    OperationStruct,
)
from nnapi_check.lowering.nnapi.interpreter.kernels import Array


class ImageError(Exception):
    """Bytes that are no image: a place lies outside of them."""


def empty_image(length: int) -> Array:
    """Room for an image. What is read of it is valid as long as the room exists."""
    return np.empty(max(length, ctypes.sizeof(ModelStruct)), np.uint8)


def model_in(image: Array) -> ModelStruct:
    """The model that an image holds, whose places become pointers into the image."""
    reader = _Reader(image)
    model = ModelStruct.from_address(reader.base)
    model.operands = reader.pointer(model.operands, ctypes.sizeof(OperandStruct) * model.operand_count)
    model.operations = reader.pointer(model.operations, ctypes.sizeof(OperationStruct) * model.operation_count)
    model.inputs = reader.words(model.inputs, model.input_count)
    model.outputs = reader.words(model.outputs, model.output_count)
    if model.operands is not None:
        for operand in (OperandStruct * model.operand_count).from_address(model.operands):
            operand.dimensions = reader.words(operand.dimensions, operand.rank)
            operand.channel_scales = reader.words(operand.channel_scales, operand.channel_count)
            operand.value = reader.pointer(operand.value, operand.length)
    if model.operations is not None:
        for operation in (OperationStruct * model.operation_count).from_address(model.operations):
            operation.inputs = reader.words(operation.inputs, operation.input_count)
            operation.outputs = reader.words(operation.outputs, operation.output_count)
    return model


def execution_in(image: Array) -> ExecutionStruct:
    """The execution that an image holds, with its inputs."""
    reader = _Reader(image)
    execution = ExecutionStruct.from_address(reader.base)
    count = execution.input_count + execution.output_count
    execution.inputs = reader.pointer(execution.inputs, ctypes.sizeof(ArgumentStruct) * count)
    if execution.inputs is not None:
        for argument in (ArgumentStruct * count).from_address(execution.inputs):
            argument.dimensions = reader.words(argument.dimensions, argument.rank)
            argument.data = reader.pointer(argument.data, argument.length)
    return execution


class _Reader:
    def __init__(self, image: Array) -> None:
        self.base = image.ctypes.data
        self._length = image.nbytes

    def pointer(self, place: int | None, length: int) -> int | None:
        """The address of ``length`` bytes at a place."""
        if place is None:
            return None
        if place + length > self._length:
            raise ImageError(f"{length} bytes at {place} lie outside of {self._length}")
        return self.base + place

    def words(self, place: int | None, count: int) -> int | None:
        """The address of words of four bytes."""
        return self.pointer(place, 4 * count)
