"""Op cards: whether an op can be lowered, in which ways, and under which requirements.

Level, types, ranks and signatures are NNAPI's facts and are not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.checks import CardError, Check, ConstantOrTuple
from nnapi_check.coverage_db.input_classes import Jump
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.coverage_db.targets import PER_CHANNEL, PerChannelChoice

T = TypeVar("T")


class Layout(Enum):
    """In which order of dimensions a way reads and writes its rank-4 activations."""

    TORCH = "torch"  # PyTorch's own order
    NHWC = "nhwc"  # batch, height, width, channels
    ANY = "any"  # elementwise: whichever its inputs have
    AXES = "axes"  # the same rank in and out; the rule maps the axes
    REDUCTION = "reduction"  # removes or keeps the axes in `dim`; the rule maps them
    PERMUTATION = "permutation"  # reads what its input has and makes what is wanted; the rule permutes between them
    FLATTEN = "flatten"  # merges all axes but the first where it may: its readers then put their weights in that order
    FEATURES = "features"  # a product with constant weights, which take the order of flattened features


class Movement(Enum):
    """Whether an op only moves the elements of one tensor, and how."""

    NONE = "none"
    RESHAPE = "reshape"  # they keep their order
    PERMUTATION = "permutation"  # of dimensions


class WeightScales(Enum):
    """What becomes of the scales of a weight that has one for each channel."""

    OWN = "own"  # each keeps its own, or its real numbers are used
    ONE = "one"  # the integers are rounded to one scale
    GROUPS = "groups"  # the integers are rounded to one scale for each group of channels with like scales


class Status(Enum):
    """What a node's verdict says of it, and an op's status of its best way."""

    NATIVE = "native"
    LOWERED = "lowered"
    APPROXIMATE = "approximate"
    CPU = "cpu"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Emission:
    """An NNAPI operation that a way emits.

    ``of`` is the quantity (argument, ``output``) whose element type and rank are the operation's main operand's;
    empty means the node's first tensor. ``type`` fixes the main type instead. ``roles`` are the optional trailing
    inputs that are given a value other than their default. ``filter`` is the filter's type, where not the main one.
    """

    operation: str
    of: str = ""
    type: OperandType | None = None
    roles: tuple[str, ...] = ()
    filter: OperandType | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One call of the op, where the user chose ``per_channel``.

    ``tensors`` are specifications by argument name: ``f32[1,2,7,9]``; a trailing ``!`` makes it a constant;
    ``= -0.0, inf, nan`` after it states elements, which are repeated in turn; a list is a list of tensors.
    ``expect`` is the id of the one requirement it breaks, or None. ``reads`` are the numbers of the outputs that are
    read, where not all of them are.
    """

    name: str
    tensors: tuple[tuple[str, str | tuple[str, ...]], ...]
    args: tuple[tuple[str, ConstantOrTuple | None], ...]
    expect: str | None = None
    reads: tuple[int, ...] = ()
    per_channel: PerChannelChoice = PER_CHANNEL


@dataclass(frozen=True, slots=True)
class InFloats:
    """Why an op on quantized tensors is computed in floats, and what else could be done."""

    because: str
    fix: str


@dataclass(frozen=True, slots=True)
class Halves:
    """What quantized results are before they are rounded, which PyTorch does otherwise halfway between two steps.

    Each result is a sum of whole multiples of one list of ``steps``, which are quantities such as ``qa.scale``.
    ``alike``: PyTorch's engine for phones rounds what lies exactly halfway as NNAPI does.
    """

    steps: tuple[tuple[str, ...], ...]
    alike: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One possibility to lower an op.

    ``bound`` states the error of an approximation; None means exact. ``rounding`` is how far a way that is exact but
    for rounding may be off however small its result is, because numbers inside it are greater. ``quantized_bound`` is
    the bound of calls that give a quantized tensor. ``halves`` says of what they are sums before they are rounded.
    ``weight_scales`` is what becomes of a scale for each channel, ``activation`` what the op ends with. ``in_floats``
    is set where quantized tensors are computed in floats, and the card has no way in integers. ``folded`` says that it
    takes tensors of more dimensions than NNAPI's operands have, some of them merged: elementwise ways do.
    ``any_number`` are arguments that may be infinite or undefined, of tensors that are not quantized. ``carried``
    are the arguments whose truth values or whole numbers floats carry here, as they do the results.
    """

    name: str
    emits: tuple[Emission, ...]
    layout: Layout
    differences: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    examples: tuple[Example, ...] = ()
    bound: Bound | None = None
    rounding: float | None = None
    quantized_bound: Bound | None = None
    halves: Halves | None = None
    weight_scales: WeightScales = WeightScales.OWN
    activation: FuseCode = FuseCode.NONE
    jumps: Jump = Jump.NONE
    in_floats: InFloats | None = None
    folded: bool = False
    any_number: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """Native when one operation means the same, lowered when differences are bridged, else approximate."""
        if self.bound is not None:
            return Status.APPROXIMATE
        return Status.NATIVE if len(self.emits) == 1 and not self.differences else Status.LOWERED


@dataclass(frozen=True, slots=True)
class OtherCall:
    """How a call is one of another ``op``: with the same arguments, but for these.

    Those ``without`` which, those that are ``renamed`` to what that op calls them, and those ``given`` besides.
    """

    op: str
    without: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    given: tuple[tuple[str, ConstantOrTuple | None], ...] = ()

    def arguments(self, arguments: Mapping[str, T], constant: Callable[[ConstantOrTuple | None], T]) -> dict[str, T]:
        """The arguments of the other op's call, of those of this one; ``constant`` makes one of what is given."""
        other = dict(self.renamed)
        kept = {other.get(name, name): item for name, item in arguments.items() if name not in self.without}
        return {**kept, **{name: constant(value) for name, value in self.given}}


@dataclass(frozen=True, slots=True)
class FirstOutput:
    """As which call an op is read of which nothing reads another output than the first: only ``where`` that holds."""

    call: OtherCall
    where: Check | None = None


@dataclass(frozen=True, slots=True)
class QuantizedForm:
    """What a call on floats becomes once a model is quantized: one of ``call.op`` on quantized tensors.

    It is only where the arguments in ``only`` have these values, which the other op has not, the arguments that
    ``call`` renames are tensors, and the first tensor has ``rank`` dimensions, where that is set. ``floats`` are
    constant tensors that stay what they are. ``parameters`` are the arguments that state the scale and the zero point
    of the result; without, it has those of the input. ``gives`` are ones that never change. ``folds`` are ops that go
    into the layer before it is quantized, where they alone read its result, and ``followed_by`` are ops that make one
    op with it. A weight may have a scale for each place in the dimension ``channels``.
    """

    call: OtherCall
    only: tuple[tuple[str, ConstantOrTuple | None], ...] = ()
    floats: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    gives: tuple[float, int] | None = None
    folds: tuple[str, ...] = ()
    followed_by: tuple[tuple[str, str], ...] = ()
    rank: int | None = None
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of one op. Exactly one of ``ways``, ``gap``, ``unwritten`` and ``becomes`` is set.

    ``unwritten`` names the operations that could serve, for which no rule is written yet; ``becomes`` the ops that
    a call is read as ``when`` that holds, before anything is judged: their cards say whether they can be lowered.
    ``arguments`` are those of an op of this project; PyTorch's ops have them in the list of schemas. What only
    ``moves`` elements may become a part of one rearrangement. The elements of the results are those of the arguments in
    ``elements_of``, or ``value``, where those are named. Where ``exact_in_floats`` names arguments, floats give the
    same results as the whole numbers in them, while all of these are exact. Where ``call`` is set, each call is read as
    that one of the op that it ``becomes``; where ``first_output`` is, a call of which nothing reads another output.
    ``jumps`` says where the smallest change of an input changes a result by much, whatever computes it. ``quantized``
    says what calls become once a model is quantized.
    """

    op: str
    family: str
    summary: str
    ways: tuple[Way, ...] = ()
    gap: str | None = None
    unwritten: tuple[str, ...] = ()
    becomes: tuple[str, ...] = ()
    when: str = ""
    source: str = ""
    fix: str = ""
    arguments: tuple[str, ...] = ()
    moves: Movement = Movement.NONE
    elements_of: tuple[str, ...] = ()
    exact_in_floats: tuple[str, ...] = ()
    call: OtherCall | None = None
    first_output: FirstOutput | None = None
    jumps: Jump = Jump.NONE
    quantized: QuantizedForm | None = None

    def way(self, name: str) -> Way:
        """The way called ``name``."""
        for way in self.ways:
            if way.name == name:
                return way
        raise CardError(f"{self.op} has no way called {name!r}; it has {[way.name for way in self.ways]}")
