"""Why there is no host runtime here."""

from __future__ import annotations


class HostRuntimeError(Exception):
    """The host runtime cannot be had. Callers may run the serialized bytes in the interpreter instead."""


class NoCompilerError(HostRuntimeError):
    """No C compiler was found."""


class BuildError(HostRuntimeError):
    """The C compiler failed, or its result cannot be loaded. The message holds the compiler's words."""


class MissingFunctionError(HostRuntimeError):
    """The feature level that is played has no such function."""


class PlatformError(HostRuntimeError):
    """The system loads libraries otherwise than Linux, or another libneuralnetworks.so is in the process."""
