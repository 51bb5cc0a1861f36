"""What stands behind the C library: the validator, the interpreter, and a record of what was refused."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnapi_check.coverage_db.spec import OperationFacts, ResultCode
from nnapi_check.lowering.nnapi.host_runtime import bindings
from nnapi_check.lowering.nnapi.host_runtime.bindings import ExecutionStruct, Library, ModelStruct, Released
from nnapi_check.lowering.nnapi.host_runtime.translate import FinishedModel, read_argument, read_arguments, read_model
from nnapi_check.lowering.nnapi.interpreter.execute import Prepared, prepare
from nnapi_check.lowering.nnapi.interpreter.kernels import KERNELS, Array, ExecutionError, Tensor
from nnapi_check.lowering.nnapi.model import Model

KEPT_FAULTS = 100


@dataclass(frozen=True, slots=True)
class HostFault:
    """One reason for which an NNAPI function failed."""

    function: str
    code: ResultCode
    words: str


Judge = Callable[[Model, Sequence[Array], int], Sequence[str]]
"""Says what is wrong with a model, given its buffers and the feature level it is held against."""


class FaultRecord:
    """The newest refusal of every thread, and the newest of all."""

    def __init__(self) -> None:
        self._thread = threading.local()
        self._all: deque[HostFault] = deque(maxlen=KEPT_FAULTS)

    def add(self, function: str, code: ResultCode, words: Sequence[str]) -> None:
        """Record what the calling thread was refused, in place of its last refusal."""
        faults = tuple(HostFault(function, code, sentence) for sentence in words)
        self._thread.faults = faults
        self._all.extend(faults)

    def forget(self) -> None:
        """Empty the record of the calling thread, and that of all."""
        self._thread.faults = ()
        self._all.clear()

    @property
    def of_thread(self) -> tuple[HostFault, ...]:
        """The newest refusal that the calling thread met."""
        faults: tuple[HostFault, ...] = getattr(self._thread, "faults", ())
        return faults

    @property
    def of_all(self) -> tuple[HostFault, ...]:
        """The newest faults of any thread, oldest first."""
        return tuple(self._all)


class Engine:
    """Answers the C library's callbacks.

    Every callback gets a place for its result code. If one raises, because of a defect here, the place stays as it
    is, which means OP_FAILED; Python reports the exception by ``sys.unraisablehook``. No lock is held while Python
    objects are made, for NNAPI objects may be released in the midst of it; single steps on dictionaries are atomic.
    """

    def __init__(self, library: Library, operations: Mapping[str, OperationFacts], judge: Judge) -> None:
        self.faults = FaultRecord()
        self._library = library
        self._names = {facts.code: name for name, facts in operations.items()}
        self._judge = judge
        self._finished: dict[int, FinishedModel] = {}
        self._prepared: dict[int, Prepared] = {}
        self._executions = 0
        self._counting = threading.Lock()
        self.callbacks = bindings.CallbacksStruct(
            bindings.FinishModel(self._finish_model),
            bindings.SupportedOperations(self._supported_operations),
            bindings.Prepare(self._prepare),
            bindings.Execute(self._execute),
            bindings.Release(self._release),
            bindings.Refused(self._refused),
        )

    @property
    def executions(self) -> int:
        """How many executions have been computed."""
        return self._executions

    @property
    def kept_models(self) -> int:
        """How many finished models and prepared ones are kept."""
        return len(self._finished) + len(self._prepared)

    def _finish_model(self, address: int, place: int) -> None:
        struct = ModelStruct.from_address(address)
        finished = read_model(struct, self._names, self._finished)
        words = self._judge(finished.model, finished.buffers, finished.level)
        if words:
            self._refuse(place, "ANeuralNetworksModel_finish", ResultCode.BAD_DATA, words)
            return
        self._finished[struct.id] = finished
        _store(place, ResultCode.NO_ERROR)

    def _supported_operations(self, model_id: int, count: int, address: int, place: int) -> None:
        finished = self._finished[model_id]
        supported = (ctypes.c_uint8 * count).from_address(address)
        for operation, index in zip(finished.model.operations, finished.order, strict=True):
            supported[index] = operation.kind in KERNELS
        _store(place, ResultCode.NO_ERROR)

    def _prepare(self, compilation_id: int, model_id: int, place: int) -> None:
        finished = self._finished[model_id]
        function = "ANeuralNetworksCompilation_finish"
        try:
            self._prepared[compilation_id] = prepare(finished.model, finished.buffers)
        except ExecutionError as error:
            self._refuse(place, function, ResultCode.OP_FAILED, [str(error)])
        except MemoryError:
            self._refuse(place, function, ResultCode.OUT_OF_MEMORY, ["no memory is left"])
        else:
            _store(place, ResultCode.NO_ERROR)

    def _execute(self, address: int, place: int) -> None:
        function = "ANeuralNetworksExecution_compute"
        try:
            outputs = self._run(ExecutionStruct.from_address(address))
            code, words = self._write_outputs(address, outputs)
        except ExecutionError as error:
            code, words = ResultCode.OP_FAILED, [str(error)]
        except MemoryError:
            code, words = ResultCode.OUT_OF_MEMORY, ["no memory is left"]
        if words:
            self._refuse(place, function, code, words)
        else:
            _store(place, code)

    def _run(self, struct: ExecutionStruct) -> tuple[Tensor, ...]:
        prepared = self._prepared[struct.compilation_id]
        operands = [prepared.model.operands[index] for index in prepared.model.inputs]
        arguments = read_arguments(struct.inputs, struct.input_count)
        inputs = [read_argument(argument, operand.type) for argument, operand in zip(arguments, operands, strict=True)]
        outputs = prepared.run(inputs).outputs
        with self._counting:
            self._executions += 1
        return outputs

    def _write_outputs(self, execution: int, outputs: Sequence[Tensor]) -> tuple[ResultCode, list[str]]:
        """All outputs are written that have room, and all shapes are told, whatever becomes of one."""
        words = []
        worst = ResultCode.NO_ERROR
        for index, output in enumerate(outputs):
            shape = output.array.shape
            array = np.ascontiguousarray(output.array)
            code = ResultCode(self._library.write_output(execution, index, shape, array.ctypes.data, array.nbytes))
            if code is not ResultCode.NO_ERROR:
                words.append(f"output {index} has {array.nbytes} bytes of shape {shape}: {code.name}")
                worst = code
        return worst, words

    def _release(self, what: int, number: int) -> None:
        match Released(what):
            case Released.MODEL:
                self._finished.pop(number, None)
            case Released.COMPILATION:
                self._prepared.pop(number, None)

    def _refused(self, function: bytes, code: int, words: bytes) -> None:
        self.faults.add(function.decode(errors="replace"), ResultCode(code), [words.decode(errors="replace")])

    def _refuse(self, place: int, function: str, code: ResultCode, words: Sequence[str]) -> None:
        self.faults.add(function, code, words)
        _store(place, code)


def _store(place: int, code: ResultCode) -> None:
    ctypes.c_int32.from_address(place).value = code
