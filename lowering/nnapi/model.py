"""The structure of an NNAPI model: operands, operations, inputs, outputs and referenced models.

Values are kept as little-endian bytes, exactly as NNAPI receives them, so that models compare, hash and
serialize without conversion. Large weights stay outside the model: an operand names a numbered buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nnapi_check.coverage_db.spec import OperandType


@dataclass(frozen=True, slots=True)
class Unspecified:
    """A dimension that is known only at execution. NNAPI writes it as 0."""


UNSPECIFIED = Unspecified()

Dimension = int | Unspecified


@dataclass(frozen=True, slots=True)
class UnknownRank:
    """The shape of a tensor whose rank is known only at execution."""


UNKNOWN_RANK = UnknownRank()

Shape = tuple[Dimension, ...] | UnknownRank


@dataclass(frozen=True, slots=True)
class QuantParams:
    """Affine quantization: real = scale * (stored - zero_point). Types without quantization have (0.0, 0)."""

    scale: float
    zero_point: int


NOT_QUANTIZED = QuantParams(0.0, 0)


@dataclass(frozen=True, slots=True)
class ChannelQuantParams:
    """Symmetric quantization with one scale per slice along ``channel_dim``."""

    scales: tuple[float, ...]
    channel_dim: int


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The operand is given by the caller at execution."""


@dataclass(frozen=True, slots=True)
class Computed:
    """The operand is an operation's output: a temporary, or an output of the model."""


@dataclass(frozen=True, slots=True)
class Immediate:
    """A constant inside the model. ``data`` are little-endian bytes in row-major order."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Buffer:
    """A constant that lies in the caller's numbered buffer, at ``offset``, ``length`` bytes long."""

    index: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class NoValue:
    """An optional input that is left out."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A model operand of IF or WHILE: the index of one of the main model's referenced models."""

    model: int


Source = ModelInput | Computed | Immediate | Buffer | NoValue | Reference


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor, a scalar (``shape`` is empty) or a model reference."""

    type: OperandType
    shape: Shape
    source: Source
    quant: QuantParams = NOT_QUANTIZED
    channels: ChannelQuantParams | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the value is fixed before execution."""
        return isinstance(self.source, Immediate | Buffer)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``kind`` is NNAPI's name of it; inputs and outputs are operand indices."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model as NNAPI sees it. Operations stand in execution order.

    ``referenced`` are the models that IF and WHILE operands name; they lie in the main model only.
    ``relaxed`` allows float32 to be computed with the range and precision of float16.
    """

    operands: tuple[Operand, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    referenced: tuple[Model, ...] = field(default=())
    relaxed: bool = False
