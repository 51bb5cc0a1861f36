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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nnapi_check.coverage_db.errors import LevelError
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.levels import check_feature_level
from nnapi_check.coverage_db.platform_facts import load_functions
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.host_runtime.attachment import Attachment
from nnapi_check.lowering.nnapi.host_runtime.bindings import load_library
from nnapi_check.lowering.nnapi.host_runtime.build import HIGHEST_LEVEL, build_library
from nnapi_check.lowering.nnapi.host_runtime.errors import BuildError, MissingFunctionError, PlatformError
from nnapi_check.lowering.nnapi.host_runtime.service import Engine, HostFault, judge_by


class HostRuntime:
    """NNAPI in this process. There is one, which ``load_host_runtime`` gives."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._library = attachment.library
        self._engine = attachment.engine

    @property
    def library(self) -> Path:
        """The C library's file."""
        return self._library.path

    @property
    def library_level(self) -> int:
        """The feature level whose functions the library exports."""
        return self._library.level

    @property
    def level(self) -> int:
        """The feature level that models which the calling thread creates are held against."""
        return self._library.played_level()

    @contextmanager
    def at_level(self, level: int) -> Iterator[None]:
        """Play ``level`` for the calling thread inside the block.

        Models are held against it, and functions that came later refuse. That a function is not there at all can only
        be seen in a process whose library is of that level.
        """
        before = self._library.set_thread_level(_checked(level))
        try:
            yield
        finally:
            self._library.set_thread_level(before)

    @contextmanager
    def in_half(self) -> Iterator[None]:
        """Compute models that allow it with float16's numbers inside the block, as a driver may."""
        self._engine.is_half = True
        try:
            yield
        finally:
            self._engine.is_half = False

    def require(self, functions: Iterable[str]) -> None:
        """Raise ``MissingFunctionError`` where the level that this thread plays lacks one of NNAPI's functions."""
        since = {facts.name: facts.since for facts in load_functions()}
        for function in functions:
            if since[function] > self.level:
                raise MissingFunctionError(
                    f"feature level {self.level} has no {function}, which came with level {since[function]}"
                )

    @property
    def last_faults(self) -> tuple[HostFault, ...]:
        """Why the calling thread was refused the last time: the validator's words, or the C library's."""
        return self._attachment.faults.of_thread

    @property
    def recent_faults(self) -> tuple[HostFault, ...]:
        """The newest faults that any thread met, oldest first, up to a hundred."""
        return self._attachment.faults.of_all

    def forget_faults(self) -> None:
        """Empty both records of faults."""
        self._attachment.faults.forget()

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


def load_host_runtime(
    level: int = HIGHEST_LEVEL,
    facts: Mapping[str, OperationFacts] | None = None,
    *,
    library_level: int | None = None,
) -> HostRuntime:
    """The host runtime, built and loaded when first asked for, playing feature level ``level``.

    Its library exports the functions of ``library_level``, where that is given, and else of every level; those that the
    level it plays lacks refuse. A process can hold one such library.

    ``facts`` are those of the registry, by operation, where the caller has them at hand: reading their text anew takes
    longer. They are kept when the runtime is first loaded, and are not looked at later.
    Raises ``HostRuntimeError`` where it cannot be had: without a C compiler (``NoCompilerError``), if that fails
    (``BuildError``), where libraries load otherwise, or where the process holds that of another level
    (``PlatformError``).
    """
    checked = _checked(level)
    with _LOADING:
        if not _LOADED:
            exported = HIGHEST_LEVEL if library_level is None else _checked(library_level)
            _LOADED.append(_load(load_operations() if facts is None else facts, exported))
        attachment = _LOADED[0]
        library = attachment.library
        if library_level is not None and library.level != library_level:
            raise PlatformError(f"this process holds the library of level {library.level}, wanted {library_level}")
        library.set_level(checked)
    return HostRuntime(attachment)


# A process can hold one library of this name, so there is one of what stands behind it.
_LOADING = threading.Lock()
_LOADED: list[Attachment] = []


def _load(operations: Mapping[str, OperationFacts], level: int) -> Attachment:
    try:
        library = load_library(build_library(level=level), level)
    except BuildError:
        # What lies in the cache may be broken.
        library = load_library(build_library(level=level, again=True), level)

    attachment = Attachment(library, Engine(operations, judge_by(operations)))
    attachment.attach()
    atexit.register(library.detach)
    return attachment


def _checked(level: int) -> int:
    try:
        check_feature_level(level)
    except LevelError as error:
        raise ValueError(f"level is {level}: {error}") from error
    return level
