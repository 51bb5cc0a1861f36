"""What stands behind the C library: the validator and the interpreter, and a record of what was refused."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nnapi_check.coverage_db.spec import OperationFacts, ResultCode
from nnapi_check.lowering.nnapi.host_runtime.bindings import ExecutionStruct, ModelStruct, Released
from nnapi_check.lowering.nnapi.host_runtime.translate import FinishedModel, read_argument, read_arguments, read_model
from nnapi_check.lowering.nnapi.interpreter.execute import Prepared, prepare
from nnapi_check.lowering.nnapi.interpreter.kernels import KERNELS, Array, ExecutionError, LoopTimeoutError, Tensor
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.validation.validate import validate

KEPT_FAULTS = 100


@dataclass(frozen=True, slots=True)
class HostFault:
    """One reason for which an NNAPI function failed."""

    function: str
    code: ResultCode
    words: str


Judge = Callable[[Model, Sequence[Array], int], Sequence[str]]
"""Says what is wrong with a model, given its buffers and the feature level it is held against."""


def judge_by(operations: Mapping[str, OperationFacts]) -> Judge:
    """The validator, as a judge that knows these operations."""

    def judge(model: Model, buffers: Sequence[Array], level: int) -> Sequence[str]:
        return [fault.message for fault in validate(model, operations, level=level).faults]

    return judge


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


class Answer(NamedTuple):
    """A result code, and in words why it is not NO_ERROR."""

    code: ResultCode
    words: tuple[str, ...] = ()


DONE = Answer(ResultCode.NO_ERROR)


class Engine:
    """Validates, prepares and runs the models of one caller, which are known by their numbers.

    No lock is held while Python objects are made, for NNAPI objects may be released in the midst of it; single steps on
    dictionaries are atomic. Relaxed models are computed with float16's numbers while ``is_half`` is set.
    """

    def __init__(self, operations: Mapping[str, OperationFacts], judge: Judge) -> None:
        self.is_half = False
        self._names = {facts.code: name for name, facts in operations.items()}
        self._judge = judge
        self._finished: dict[int, FinishedModel] = {}
        self._prepared: dict[int, Prepared] = {}
        self._executions = 0
        self._counting = threading.Lock()

    @property
    def executions(self) -> int:
        """How many executions have been computed."""
        return self._executions

    @property
    def kept_models(self) -> int:
        """How many finished models and prepared ones are kept."""
        return len(self._finished) + len(self._prepared)

    def finish_model(self, struct: ModelStruct) -> Answer:
        """Take in a model, if it obeys NNAPI at its level. Its values are read where they lie, until it is released."""
        finished = read_model(struct, self._names, self._finished)
        words = self._judge(finished.model, finished.buffers, finished.level)
        if words:
            return Answer(ResultCode.BAD_DATA, tuple(words))
        self._finished[struct.id] = finished
        return DONE

    def supported_operations(self, model_id: int) -> tuple[bool, ...]:
        """Whether each operation of a model can be computed, in the caller's order."""
        finished = self._finished[model_id]
        supported = [False] * len(finished.order)
        for operation, index in zip(finished.model.operations, finished.order, strict=True):
            supported[index] = operation.kind in KERNELS
        return tuple(supported)

    def prepare(self, compilation_id: int, model_id: int) -> Answer:
        """Prepare a model for executions."""
        finished = self._finished[model_id]
        try:
            self._prepared[compilation_id] = prepare(finished.model, finished.buffers)
        except ExecutionError as error:
            return Answer(ResultCode.OP_FAILED, (str(error),))
        except MemoryError:
            return _NO_MEMORY
        return DONE

    def execute(self, struct: ExecutionStruct) -> tuple[Tensor, ...] | Answer:
        """The outputs of an execution, or why there are none."""
        prepared = self._prepared[struct.compilation_id]
        operands = [prepared.model.operands[index] for index in prepared.model.inputs]
        arguments = read_arguments(struct.inputs, struct.input_count)
        try:
            inputs = [read_argument(given, operand.type) for given, operand in zip(arguments, operands, strict=True)]
            outputs = prepared.run(inputs, loop_seconds=struct.loop_timeout / 1e9, in_half=self.is_half).outputs
        except LoopTimeoutError as error:
            return Answer(ResultCode.MISSED_DEADLINE_TRANSIENT, (str(error),))
        except ExecutionError as error:
            return Answer(ResultCode.OP_FAILED, (str(error),))
        except MemoryError:
            return _NO_MEMORY
        with self._counting:
            self._executions += 1
        return outputs

    def release(self, what: Released, number: int) -> None:
        """Let a model or a compilation go."""
        match what:
            case Released.MODEL:
                self._finished.pop(number, None)
            case Released.COMPILATION:
                self._prepared.pop(number, None)


_NO_MEMORY = Answer(ResultCode.OUT_OF_MEMORY, ("no memory is left",))
