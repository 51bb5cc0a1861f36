"""Loading the host runtime, and saying which feature level it plays.

    runtime = load_host_runtime(level=4)
    outputs = torch.jit.load("model_nnapi.pt")(inputs)

From then on whatever in this process looks for ``libneuralnetworks.so`` finds the interpreter behind it, so
``torch.classes._nnapi.Compilation`` loads and runs models exactly as on a phone of that level. PyTorch turns a
refusal into a ``RuntimeError`` that names the function and the code; ``last_faults`` has the reasons.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.levels import LevelError, check_feature_level, feature_levels
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.host_runtime.bindings import Library, load_library
from nnapi_check.lowering.nnapi.host_runtime.build import build_library
from nnapi_check.lowering.nnapi.host_runtime.errors import BuildError
from nnapi_check.lowering.nnapi.host_runtime.service import Engine, HostFault
from nnapi_check.lowering.nnapi.interpreter.kernels import Array
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.validation.validate import validate

HIGHEST_LEVEL = feature_levels()[-1]


class HostRuntime:
    """NNAPI in this process. There is one, which ``load_host_runtime`` gives."""

    def __init__(self, library: Library, engine: Engine) -> None:
        self._library = library
        self._engine = engine

    @property
    def library(self) -> Path:
        """The C library's file."""
        return self._library.path

    @property
    def level(self) -> int:
        """The feature level that models which the calling thread creates are held against."""
        return self._library.level()

    @contextmanager
    def at_level(self, level: int) -> Iterator[None]:
        """Hold models that the calling thread creates inside the block against ``level``."""
        before = self._library.set_thread_level(_checked(level))
        try:
            yield
        finally:
            self._library.set_thread_level(before)

    @property
    def last_faults(self) -> tuple[HostFault, ...]:
        """Why the calling thread was refused the last time: the validator's words, or the C library's."""
        return self._engine.faults.of_thread

    @property
    def recent_faults(self) -> tuple[HostFault, ...]:
        """The newest faults that any thread met, oldest first, up to a hundred."""
        return self._engine.faults.of_all

    def forget_faults(self) -> None:
        """Empty both records of faults."""
        self._engine.faults.forget()

    @property
    def executions(self) -> int:
        """How many executions have been computed. It grows when a model has really run here."""
        return self._engine.executions

    @property
    def live_objects(self) -> int:
        """How many of NNAPI's objects exist: models, compilations, executions, memories and events."""
        return self._library.live_objects()

    @property
    def kept_models(self) -> int:
        """How many models and prepared models the interpreter keeps for them."""
        return self._engine.kept_models


def load_host_runtime(level: int = HIGHEST_LEVEL, facts: Mapping[str, OperationFacts] | None = None) -> HostRuntime:
    """The host runtime, built and loaded when first asked for, playing feature level ``level``.

    ``facts`` are those of the registry, by operation, where the caller has them at hand: reading their text anew takes
    longer. They are kept when the runtime is first loaded, and are not looked at later.
    Raises ``HostRuntimeError`` where it cannot be had: without a C compiler (``NoCompilerError``), if that fails
    (``BuildError``), or where libraries load otherwise (``PlatformError``).
    """
    checked = _checked(level)
    with _LOADING:
        if not _LOADED:
            _LOADED.append(_load(load_operations() if facts is None else facts))
        library, engine = _LOADED[0]
        library.set_level(checked)
    return HostRuntime(library, engine)


# A process can hold one library of this name, so there is one of what stands behind it.
_LOADING = threading.Lock()
_LOADED: list[tuple[Library, Engine]] = []


def _load(operations: Mapping[str, OperationFacts]) -> tuple[Library, Engine]:
    try:
        library = load_library(build_library())
    except BuildError:
        # What lies in the cache may be broken.
        library = load_library(build_library(again=True))

    def judge(model: Model, buffers: Sequence[Array], level: int) -> Sequence[str]:
        return [fault.message for fault in validate(model, operations, level=level).faults]

    engine = Engine(library, operations, judge)
    library.attach(engine.callbacks)
    atexit.register(library.detach)
    return library, engine


def _checked(level: int) -> int:
    try:
        check_feature_level(level)
    except LevelError as error:
        raise ValueError(f"level is {level}: {error}") from error
    return level
