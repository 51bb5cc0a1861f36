"""The errors that the commands about models can meet. Importing this imports PyTorch."""

from __future__ import annotations

from analyzer.errors import InputError
from coverage_db.checks import CardError
from coverage_db.device_profile import DeviceProfileError
from coverage_db.documents import DocumentError
from coverage_db.errors import BuildError
from coverage_db.levels import LevelError
from coverage_db.overlay import OverlayError
from coverage_db.queries import RegistryError
from coverage_db.text import TextError
from lowering.emitter import RuleError
from lowering.nnapi.host_runtime.errors import HostRuntimeError
from lowering.nnapi.interpreter.kernels import ExecutionError
from lowering.nnapi.serialize import NotSerializableError
from lowering.packaging.border import BorderError
from lowering.packaging.graph_copy import PackageError
from lowering.packaging.manifest import ManifestError
from lowering.packaging.recipe_types import RecipeError
from lowering.verify import VerifyError as VerifyError

USER_ERRORS = (InputError, LevelError, OverlayError, DeviceProfileError)
"""What is wrong with the user's input or call."""

FAULTS = (
    BorderError,
    BuildError,
    CardError,
    DocumentError,
    ExecutionError,
    HostRuntimeError,
    ManifestError,
    NotSerializableError,
    PackageError,
    RecipeError,
    RegistryError,
    RuleError,
    RuntimeError,  # PyTorch's own.
    TextError,
)
"""What only a fault of this project, or a damaged installation, can raise."""
