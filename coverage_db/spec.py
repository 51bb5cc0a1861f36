"""NNAPI's own facts: element types, operations, signatures and quantization rules per feature level.

The text they are read from is ``coverage_db/nnapi/*.toml``. A *feature level* is an integer from 1 on
(Android 8.1 is level 1); ``levels.toml`` lists them and maps API levels to feature levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

FOREVER = 1_000
"""The last level of a rule that has no last level."""


class OperandType(IntEnum):
    """Operand types with NNAPI's spelling and number (``OperandCode``)."""

    FLOAT32 = 0
    INT32 = 1
    UINT32 = 2
    TENSOR_FLOAT32 = 3
    TENSOR_INT32 = 4
    TENSOR_QUANT8_ASYMM = 5
    BOOL = 6
    TENSOR_QUANT16_SYMM = 7
    TENSOR_FLOAT16 = 8
    TENSOR_BOOL8 = 9
    FLOAT16 = 10
    TENSOR_QUANT8_SYMM_PER_CHANNEL = 11
    TENSOR_QUANT16_ASYMM = 12
    TENSOR_QUANT8_SYMM = 13
    TENSOR_QUANT8_ASYMM_SIGNED = 14
    MODEL = 15

    @property
    def is_tensor(self) -> bool:
        """Whether the type is a tensor's, not a scalar's and not a model reference."""
        return self.name.startswith("TENSOR_")


class FuseCode(IntEnum):
    """Activation fused into an operation (``FuseCode``)."""

    NONE = 0
    RELU = 1
    RELU1 = 2
    RELU6 = 3


class PaddingCode(IntEnum):
    """Implicit padding schemes (``PaddingCode``)."""

    SAME = 1
    VALID = 2


class ResultCode(IntEnum):
    """Return codes of NNAPI's C functions (``ResultCode``)."""

    NO_ERROR = 0
    OUT_OF_MEMORY = 1
    INCOMPLETE = 2
    UNEXPECTED_NULL = 3
    BAD_DATA = 4
    OP_FAILED = 5
    BAD_STATE = 6
    UNMAPPABLE = 7
    OUTPUT_INSUFFICIENT_SIZE = 8
    UNAVAILABLE_DEVICE = 9
    MISSED_DEADLINE_TRANSIENT = 10
    MISSED_DEADLINE_PERSISTENT = 11
    RESOURCE_EXHAUSTED_TRANSIENT = 12
    RESOURCE_EXHAUSTED_PERSISTENT = 13
    DEAD_OBJECT = 14


class Preference(IntEnum):
    """What a driver is to favor (``PreferenceCode``)."""

    LOW_POWER = 0
    FAST_SINGLE_ANSWER = 1
    SUSTAINED_SPEED = 2

    @property
    def word(self) -> str:
        """How it is asked for."""
        return self.name.lower().replace("_", "-")


class BiasScale(Enum):
    """What a documented configuration demands of the bias's scale."""

    PRODUCT = "input*filter"
    ZERO = "zero"


class QuantRuleKind(Enum):
    """What a quantization rule demands of an operand's scale and zero point."""

    SAME_AS_INPUT = "same-as-input"
    SAME_AS_INPUTS = "same-as-inputs"
    SAME_AS_OUTPUT = "same-as-output"
    FIXED = "fixed"
    FREE = "free"
    SCALE_GREATER_THAN_PRODUCT = "scale-greater-than-product"
    PAD_VALUE_UNDEFINED = "pad-value-undefined"
    BIAS_SCALE_IS_PRODUCT = "bias-scale-is-product"
    BIAS_SCALE_IS_ZERO = "bias-scale-is-zero"
    CHANNEL_DIM = "channel-dim"
    SAME_ACROSS_WEIGHTS = "same-across-weights"


@dataclass(frozen=True, slots=True)
class QuantRule:
    """One quantization rule of an input or output, for operands of ``types``.

    ``index`` is the input or output that SAME_AS_INPUT and SAME_AS_OUTPUT compare with. ``scale`` and
    ``zero_point`` are the fixed values where the rule fixes them. The rule holds from level ``since``
    to level ``until`` (both inclusive). An empty ``when_main`` or ``when_filter`` means always;
    otherwise the rule holds only for these types of input 0, or of the filter.
    """

    kind: QuantRuleKind
    types: frozenset[OperandType]
    index: int | None = None
    scale: float | None = None
    zero_point: int | None = None
    dim: int | None = None
    since: int = 1
    until: int = FOREVER
    when_main: frozenset[OperandType] = frozenset()
    when_filter: frozenset[OperandType] = frozenset()


@dataclass(frozen=True, slots=True)
class OperandFacts:
    """What is documented of one input or output of a signature.

    ``index`` is None for a repeated (variadic) operand, whose documented ``span`` ("0~n-1") is then set.
    ``type`` is set where only one type is accepted; ``type_by_main`` where it follows the main operand's
    (None as key stands for every other type). ``role`` is a keyword such as ``stride_width``; an output's
    is that of the input on which its shape depends. ``default`` is set for trailing inputs that may be left out.
    """

    index: int | None
    since: int
    is_scalar: bool = False
    optional: bool = False
    default: int | float | bool | None = None
    type: OperandType | None = None
    type_by_main: tuple[tuple[OperandType | None, OperandType], ...] = ()
    role: str | None = None
    rank: int | None = None
    quant: tuple[QuantRule, ...] = ()
    span: str | None = None
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """One documented input list. ``counts`` are the accepted numbers of inputs with the level of each."""

    name: str
    since: int
    inputs: tuple[OperandFacts, ...]
    counts: tuple[tuple[int, int], ...] = ()
    is_variadic: bool = False
    fixed_inputs: int | None = None

    def index_of(self, role: str) -> int | None:
        """The index of the input that plays ``role``, or None where this signature has no such input."""
        for operand in self.inputs:
            if operand.role == role:
                return operand.index
        return None


@dataclass(frozen=True, slots=True)
class Configuration:
    """A documented combination of element types of a convolution-like operation.

    ``bias_scale`` is None for biases that are not quantized.
    """

    since: int
    input: OperandType
    filter: OperandType
    bias: OperandType
    output: OperandType
    bias_scale: BiasScale | None = None


@dataclass(frozen=True, slots=True)
class RankFacts:
    """Documented rank of the main operand. ``other_since`` is the level from which ranks outside
    ``from_start`` are accepted; an empty ``from_start`` means every rank between ``min`` and ``max``."""

    min: int | None
    max: int | None
    from_start: tuple[int, ...] = ()
    other_since: int | None = None


@dataclass(frozen=True, slots=True)
class ZeroFacts:
    """Support of zero batches (``what == "batch"``), zero regions of interest (``"rois"``) or any zero
    dimension (``"size"``) since a level. An empty ``inputs`` means every tensor; spans are kept as written."""

    what: str
    since: int
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trim:
    """Trailing inputs from ``first`` on that the runtime drops when they are constants equal to ``values``.
    The indices in ``together`` are dropped together or not at all."""

    first: int
    values: tuple[int | float | bool, ...]
    together: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """All that is known of one NNAPI operation.

    ``types`` maps each accepted type of the main operand (``main_kind``/``main_index``) to the level
    since which it is accepted; ``output_types`` is set where outputs have a list of their own.
    ``output_counts`` is empty where the number of outputs is variadic. ``nchw_since`` is the level of
    the layout flag (None: has none). ``since_from`` and ``types_from`` tell where a level or the types were
    read when the specification does not state them; they are empty where it does. ``notes`` are hand-written
    and survive imports.
    """

    name: str
    code: int
    since: int
    main_kind: str | None
    main_index: int | None
    types: tuple[tuple[OperandType, int], ...]
    signatures: tuple[Signature, ...]
    outputs: tuple[OperandFacts, ...]
    output_counts: tuple[tuple[int, int], ...] = ()
    output_types: tuple[tuple[OperandType, int], ...] = ()
    same_type_only: tuple[tuple[OperandType, int], ...] = ()
    configurations: tuple[Configuration, ...] = ()
    rank: RankFacts | None = None
    nchw_since: int | None = None
    nchw_optional: bool = True
    zero: tuple[ZeroFacts, ...] = ()
    broadcasts: bool = False
    trims: tuple[Trim, ...] = ()
    since_from: str = ""
    types_from: str = ""
    notes: str = ""

    @property
    def keeps_type(self) -> bool:
        """Whether the first output has the type of the main operand, which is input 0."""
        first = self.outputs[0]
        own = first.type is not None or first.type_by_main or self.output_types or self.same_type_only
        return self.main_kind == "input" and self.main_index == 0 and not own

    def type_since(self, kind: OperandType) -> int | None:
        """The level since which the main operand may have type ``kind``, or None if it never may."""
        return dict(self.types).get(kind)


class Quantization(Enum):
    """How stored numbers stand for real ones."""

    NONE = "none"
    ASYMMETRIC = "asymmetric"
    SYMMETRIC = "symmetric"
    SYMMETRIC_PER_CHANNEL = "symmetric per channel"


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What is known of one operand type. ``element_bytes`` is None for a model reference, which has no
    elements; the bounds of the zero point are None where a zero point has no meaning. ``aliases`` are
    other names of the type in Android's sources."""

    type: OperandType
    since: int
    element_bytes: int | None
    quantization: Quantization = Quantization.NONE
    zero_point_min: int | None = None
    zero_point_max: int | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiLevel:
    """One API level of Android that has NNAPI, and the feature level that comes with it."""

    api_level: int
    android: str
    feature_level: int
    is_deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """One feature level. ``c_value`` is its number in the C header (``FeatureLevelCode``); ``came_with`` says
    in words what brought it. ``api_levels`` are those that guarantee exactly this level: none where an update
    brought it."""

    feature_level: int
    c_value: int
    came_with: str
    api_levels: tuple[ApiLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class EnumerationMember:
    """One member of a C enumeration, without the enumeration's prefix."""

    name: str
    value: int
    since: int = 1


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of NNAPI's enumerations besides operand types and operations; ``constants`` holds its constants."""

    name: str
    members: tuple[EnumerationMember, ...]


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A function of NNAPI's C interface, and the feature level that brought it: the library of a lower one lacks it."""

    name: str
    since: int


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One import: the document, its hash and the highest feature level that it knows, and the subjects it touched.

    ``added`` and ``changed`` are names of operations and functions, and of levels and members of enumerations.
    ``sha256`` and ``date`` are empty for what was taken in before imports were recorded.
    """

    document: str
    level: int
    sha256: str = ""
    date: str = ""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
