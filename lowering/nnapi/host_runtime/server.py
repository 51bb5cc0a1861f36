"""The interpreter for programs without Python: their ``libneuralnetworks.so`` asks it through a Unix socket.

    with HostServer() as server:
        subprocess.run(["./app"], env={**os.environ, **server.environment(level=1)})

The program finds the library of that level, which exports the level's functions and no other.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType

import numpy as np

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.host_runtime.bindings import Released
from nnapi_check.lowering.nnapi.host_runtime.build import HIGHEST_LEVEL, build_library, check_platform
from nnapi_check.lowering.nnapi.host_runtime.errors import PlatformError
from nnapi_check.lowering.nnapi.host_runtime.images import empty_image, execution_in, model_in
from nnapi_check.lowering.nnapi.host_runtime.service import DONE, Answer, Engine, FaultRecord, HostFault, judge_by
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Tensor

SOCKET_VARIABLE = "NNAPI_CHECK_HOST"
ACCELERATOR_VARIABLE = "NNAPI_CHECK_ACCELERATOR"

# ``struct host_question``, ``host_answer`` and ``host_answered_output`` of remote.h.
_QUESTION = struct.Struct("@iIQQQ")
_ANSWER = struct.Struct("@iIQ")
_OUTPUT = struct.Struct("@IIQ")


class _Asks(IntEnum):
    """What a program's library asks."""

    HELLO = 0
    FINISH_MODEL = 1
    SUPPORTED_OPERATIONS = 2
    PREPARE = 3
    EXECUTE = 4
    RELEASE = 5


@dataclass(frozen=True, slots=True)
class _Question:
    kind: _Asks
    count: int
    first: int
    second: int
    image: Array


class HostServer:
    """Listens while it is entered. A program's models live as long as its connections.

    With ``in_half``, relaxed models are computed as by a driver that has float16 only.
    """

    def __init__(self, facts: Mapping[str, OperationFacts] | None = None, *, in_half: bool = False) -> None:
        self._in_half = in_half
        self._facts = load_operations() if facts is None else facts
        self._faults = FaultRecord()
        self._clients: dict[int, _Client] = {}
        self._gone = 0
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> HostServer:
        """Listen; raises ``PlatformError`` where no program could reach this process."""
        check_platform()
        self._folder = tempfile.TemporaryDirectory(prefix="nnapi-check-")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(self.address)
            self._listener.listen()
        except OSError as error:
            self._listener.close()
            self._folder.cleanup()
            raise PlatformError(f"no socket can be made at {self.address}: {error}") from error
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def address(self) -> str:
        """The socket's path. Only this user may connect."""
        if self._folder is None:
            raise RuntimeError("the server was not entered")
        return f"{self._folder.name}/host"

    def environment(self, level: int = HIGHEST_LEVEL, *, has_accelerator: bool = True) -> dict[str, str]:
        """Variables with which a program finds the library of a level, built where it was not, and this server.

        A phone without an accelerator has ``nnapi-reference`` alone. Raises ``HostRuntimeError`` where the library
        cannot be built.
        """
        directory = str(build_library(level=level).parent)
        others = os.environ.get("LD_LIBRARY_PATH")
        return {
            SOCKET_VARIABLE: self.address,
            ACCELERATOR_VARIABLE: str(int(has_accelerator)),
            "LD_LIBRARY_PATH": f"{directory}:{others}" if others else directory,
        }

    @property
    def executions(self) -> int:
        """How many executions have been computed for all programs."""
        with self._lock:
            return self._gone + sum(client.engine.executions for client in self._clients.values())

    @property
    def programs(self) -> int:
        """How many programs are connected."""
        with self._lock:
            return len(self._clients)

    @property
    def recent_faults(self) -> tuple[HostFault, ...]:
        """The newest faults of any program, oldest first."""
        return self._faults.of_all

    def forget_faults(self) -> None:
        """Empty their record."""
        self._faults.forget()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            hello = _read_question(connection)
            if hello is None:
                return
            client = self._enter(hello.first)
            try:
                while (question := _read_question(connection)) is not None:
                    client.answer(question, connection)
            finally:
                self._leave(hello.first)

    def _enter(self, number: int) -> _Client:
        with self._lock:
            engine = Engine(self._facts, judge_by(self._facts))
            engine.is_half = self._in_half
            client = self._clients.setdefault(number, _Client(engine, self._faults))
            client.connections += 1
            return client

    def _leave(self, number: int) -> None:
        with self._lock:
            client = self._clients[number]
            client.connections -= 1
            if client.connections == 0:
                self._gone += client.engine.executions
                del self._clients[number]


class _Client:
    """A program with its models. The bytes of a model stay until it is released."""

    def __init__(self, engine: Engine, faults: FaultRecord) -> None:
        self.engine = engine
        self.connections = 0
        self._faults = faults
        self._images: dict[int, Array] = {}

    def answer(self, question: _Question, connection: socket.socket) -> None:
        """Answer one question."""
        match question.kind:
            case _Asks.FINISH_MODEL:
                model = model_in(question.image)
                self._images[model.id] = question.image
                self._send(connection, "ANeuralNetworksModel_finish", self.engine.finish_model(model))
            case _Asks.SUPPORTED_OPERATIONS:
                supported = bytes(self.engine.supported_operations(question.first))
                _send(connection, DONE, [supported])
            case _Asks.PREPARE:
                answer = self.engine.prepare(question.first, question.second)
                self._send(connection, "ANeuralNetworksCompilation_finish", answer)
            case _Asks.EXECUTE:
                found = self.engine.execute(execution_in(question.image))
                if isinstance(found, Answer):
                    self._send(connection, "ANeuralNetworksExecution_compute", found)
                else:
                    _send(connection, DONE, list(_written(found)))
            case _Asks.RELEASE:
                self.engine.release(Released(question.count), question.first)
                self._images.pop(question.first, None)
                _send(connection, DONE)
            case _Asks.HELLO:
                return

    def _send(self, connection: socket.socket, function: str, answer: Answer) -> None:
        if answer.words:
            self._faults.add(function, answer.code, answer.words)
        _send(connection, answer)


def _read_question(connection: socket.socket) -> _Question | None:
    """The next question, or None where the program is gone."""
    head = bytearray(_QUESTION.size)
    if not _read(connection, memoryview(head)):
        return None
    kind, count, first, second, length = _QUESTION.unpack(head)
    image = empty_image(length)
    if not _read(connection, image[:length].data):
        return None
    return _Question(_Asks(kind), count, first, second, image)


def _read(connection: socket.socket, room: memoryview) -> bool:
    while room.nbytes:
        try:
            count = connection.recv_into(room)
        except OSError:
            return False
        if count == 0:
            return False
        room = room[count:]
    return True


def _written(outputs: Sequence[Tensor]) -> Iterator[bytes | memoryview]:
    """Each output's head, dimensions and bytes."""
    for output in outputs:
        array = np.ascontiguousarray(output.array)
        shape = output.array.shape
        yield _OUTPUT.pack(len(shape), 0, array.nbytes) + struct.pack(f"@{len(shape)}I", *shape)
        yield array.reshape(-1).view(np.uint8).data


def _send(connection: socket.socket, answer: Answer, data: Sequence[bytes | memoryview] = ()) -> None:
    words = "; ".join(answer.words).encode()
    length = sum(memoryview(part).nbytes for part in data)
    try:
        connection.sendall(_ANSWER.pack(answer.code, len(words), length) + words)
        for part in data:
            connection.sendall(part)
    except OSError:
        # The program ended without waiting; the next question tells so.
        return
