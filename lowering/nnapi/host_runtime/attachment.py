"""The engine behind the C library of this process: its answers to the library's callbacks."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from nnapi_check.coverage_db.spec import ResultCode
from nnapi_check.lowering.nnapi.host_runtime import bindings
from nnapi_check.lowering.nnapi.host_runtime.bindings import ExecutionStruct, Library, ModelStruct, Released
from nnapi_check.lowering.nnapi.host_runtime.service import Answer, Engine, FaultRecord
from nnapi_check.lowering.nnapi.interpreter.kernels import Tensor


class Attachment:
    """Answers the C library's callbacks, once ``attach`` was called.

    Every callback gets a place for its result code. If one raises, because of a defect here, the place stays as it
    is, which means OP_FAILED; Python reports the exception by ``sys.unraisablehook``.
    """

    def __init__(self, library: Library, engine: Engine) -> None:
        self.faults = FaultRecord()
        self.library = library
        self.engine = engine
        self._callbacks = bindings.CallbacksStruct(
            bindings.FinishModel(self._finish_model),
            bindings.SupportedOperations(self._supported_operations),
            bindings.Prepare(self._prepare),
            bindings.Execute(self._execute),
            bindings.Release(self._release),
            bindings.Refused(self._refused),
        )

    def attach(self) -> None:
        """Let the library call."""
        self.library.attach(self._callbacks)

    def _finish_model(self, address: int, place: int) -> None:
        answer = self.engine.finish_model(ModelStruct.from_address(address))
        self._store(place, "ANeuralNetworksModel_finish", answer)

    def _supported_operations(self, model_id: int, count: int, address: int, place: int) -> None:
        answers = (ctypes.c_uint8 * count).from_address(address)
        for index, is_supported in enumerate(self.engine.supported_operations(model_id)):
            answers[index] = is_supported
        _store(place, ResultCode.NO_ERROR)

    def _prepare(self, compilation_id: int, model_id: int, place: int) -> None:
        self._store(place, "ANeuralNetworksCompilation_finish", self.engine.prepare(compilation_id, model_id))

    def _execute(self, address: int, place: int) -> None:
        found = self.engine.execute(ExecutionStruct.from_address(address))
        answer = found if isinstance(found, Answer) else self._write_outputs(address, found)
        self._store(place, "ANeuralNetworksExecution_compute", answer)

    def _write_outputs(self, execution: int, outputs: Sequence[Tensor]) -> Answer:
        """All outputs are written that have room, and all shapes are told, whatever becomes of one."""
        words = []
        worst = ResultCode.NO_ERROR
        for index, output in enumerate(outputs):
            shape = output.array.shape
            array = np.ascontiguousarray(output.array)
            code = ResultCode(self.library.write_output(execution, index, shape, array.ctypes.data, array.nbytes))
            if code is not ResultCode.NO_ERROR:
                words.append(f"output {index} has {array.nbytes} bytes of shape {shape}: {code.name}")
                worst = code
        return Answer(worst, tuple(words))

    def _release(self, what: int, number: int) -> None:
        self.engine.release(Released(what), number)

    def _refused(self, function: bytes, code: int, words: bytes) -> None:
        self.faults.add(function.decode(errors="replace"), ResultCode(code), [words.decode(errors="replace")])

    def _store(self, place: int, function: str, answer: Answer) -> None:
        if answer.words:
            self.faults.add(function, answer.code, answer.words)
        _store(place, answer.code)


def _store(place: int, code: ResultCode) -> None:
    ctypes.c_int32.from_address(place).value = code
