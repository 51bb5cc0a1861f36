"""What the validator answers: faults, levels and what demands them, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from nnapi_check.lowering.nnapi.model import Shape


class Rule(Enum):
    """The rules of NNAPI that a model can break. The values are stable names."""

    EMPTY_MODEL = "empty-model"
    OPERAND_INDEX = "operand-index"
    MODEL_INPUTS = "model-inputs"
    MODEL_OUTPUTS = "model-outputs"
    WRITTEN_ONCE = "written-once"
    NEVER_WRITTEN = "never-written"
    EXECUTION_ORDER = "execution-order"
    OUTPUT_SOURCE = "output-source"
    OPERAND_SOURCE = "operand-source"
    CONSTANT_SIZE = "constant-size"
    MODEL_REFERENCE = "model-reference"
    REFERENCE_CYCLE = "reference-cycle"
    COUNT_LIMIT = "count-limit"
    DIMENSION = "dimension"
    OPERAND_SIZE = "operand-size"
    SCALE = "scale"
    ZERO_POINT = "zero-point"
    CHANNEL_QUANTIZATION = "channel-quantization"
    UNKNOWN_OPERATION = "unknown-operation"
    INPUT_COUNT = "input-count"
    OUTPUT_COUNT = "output-count"
    ELEMENT_TYPE = "element-type"
    INPUT_TYPE = "input-type"
    OUTPUT_TYPE = "output-type"
    MISSING_VALUE = "missing-value"
    RANK = "rank"
    QUANTIZATION = "quantization"
    VALUE = "value"
    INPUT_SHAPE = "input-shape"
    OUTPUT_SHAPE = "output-shape"
    ZERO_SIZE = "zero-size"
    CONTROL_FLOW = "control-flow"
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule.

    ``operation`` and ``operand`` are indices, None where the fault is not of one. ``model`` is the index of
    the referenced model in which it lies, None for the main model. ``message`` says all of it in a sentence.
    """

    rule: Rule
    operation: int | None
    operand: int | None
    found: str
    wanted: str
    message: str
    model: int | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule in terms of an operation's own places: an input's or output's position, or none."""

    rule: Rule
    found: str
    wanted: str
    position: int | None = None
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that needs at least a feature level, and what it is."""

    level: int
    what: str


@dataclass(frozen=True, slots=True)
class OperationLevel:
    """The feature level that one operation needs, as a driver sees it, and all that demands this level.

    ``written`` is the level before the runtime dropped trailing inputs that equal their defaults.
    """

    kind: str
    level: int
    demands: tuple[Demand, ...]
    written: int


@dataclass(frozen=True, slots=True)
class Validation:
    """All faults of a model and the lowest feature level that knows everything in it.

    ``level`` is the level as a driver sees the model, after the runtime dropped trailing inputs that equal
    their defaults and operands that nothing uses; ``level_as_written`` is the level before. Both are the best
    that can be said of a model with faults. ``operations`` holds the level of each operation of the main model.
    ``demands`` name what demands ``level``, each once; there are none for level 1. ``shapes`` are those of the
    main model's operands, with what follows from the operations filled in.
    """

    faults: tuple[Fault, ...]
    level: int
    level_as_written: int
    operations: tuple[OperationLevel, ...]
    demands: tuple[Demand, ...]
    shapes: tuple[Shape, ...]

    @property
    def is_valid(self) -> bool:
        """Whether no rule is broken."""
        return not self.faults
