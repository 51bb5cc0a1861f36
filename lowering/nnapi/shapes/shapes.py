"""Output shapes of operations, as far as they follow from shapes and constants known before execution.

Each family of operations has a module of its own that fills ``INFERENCES``. An inference gives the shapes
of all outputs, or what is wrong with the inputs. Sizes are as the reference executor computes them
(``common/cpu_operations`` and ``common/OperationsExecutionUtils.cpp`` of the Android sources).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nnapi_check.lowering.nnapi.constants import Constants
from nnapi_check.lowering.nnapi.model import UNKNOWN_RANK, UNSPECIFIED, Dimension, Shape, UnknownRank, Unspecified
from nnapi_check.lowering.nnapi.validation.faults import Problem, Rule

Dims = tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class ShapeCall:
    """One operation as its inference sees it.

    ``shapes`` are those of the inputs. ``absent`` are inputs without value; ``omitted`` are these and
    inputs that may be left out at execution. ``inputs`` are operand indices into ``constants``.
    ``tensors`` are the inputs of the main operand's type.
    """

    kind: str
    inputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    omitted: frozenset[int]
    absent: frozenset[int]
    roles: Mapping[str, int]
    tensors: tuple[int, ...]
    constants: Constants
    output_count: int

    def dims(self, position: int) -> Dims | None:
        """The dimensions of an input, or None where its rank is unknown or it is not there."""
        if position >= len(self.shapes) or position in self.omitted:
            return None
        shape = self.shapes[position]
        return None if isinstance(shape, UnknownRank) else shape

    def integer(self, place: str | int) -> int | None:
        """The value of an integer scalar, by role or position, or None where it is not known."""
        value = self.number(place)
        return int(value) if isinstance(value, int) else None

    def number(self, place: str | int) -> float | int | None:
        """The value of a scalar, by role or position, or None where it is not known."""
        position = self.roles.get(place) if isinstance(place, str) else place
        if position is None or position >= len(self.inputs) or position in self.omitted:
            return None
        return self.constants.scalar(self.inputs[position])

    def flag(self, place: str | int) -> bool | None:
        """The value of a flag, False where the operation has none, None where it is not known."""
        position = self.roles.get(place) if isinstance(place, str) else place
        if position is None or position >= len(self.inputs):
            return False
        value = self.constants.scalar(self.inputs[position])
        return None if value is None else bool(value)

    def integers(self, position: int) -> tuple[int, ...] | None:
        """The elements of an integer tensor, or None where they are not known."""
        if position >= len(self.inputs) or position in self.omitted:
            return None
        values = self.constants.vector(self.inputs[position])
        return None if values is None else tuple(int(value) for value in values)


@dataclass(frozen=True, slots=True)
class Inferred:
    """What an inference found: the outputs' shapes, none where nothing is known, and problems of the inputs."""

    shapes: tuple[Shape, ...] = ()
    problems: tuple[Problem, ...] = ()


NOTHING = Inferred()
"""Nothing is known of the outputs, and nothing is wrong."""

Inference = Callable[[ShapeCall], Inferred]

INFERENCES: dict[str, Inference] = {}


def infers(*kinds: str) -> Callable[[Inference], Inference]:
    """Register a function as the inference of the named operations."""

    def register(function: Inference) -> Inference:
        for kind in kinds:
            if kind in INFERENCES:
                raise ValueError(f"{kind}: two inferences are registered")
            INFERENCES[kind] = function
        return function

    return register


def outputs(*shapes: Shape) -> Inferred:
    """The shapes of all outputs."""
    return Inferred(shapes)


def misfit(position: int, found: str, wanted: str, rule: Rule = Rule.INPUT_SHAPE) -> Inferred:
    """One input does not fit, so nothing is known of the outputs."""
    return Inferred(problems=(Problem(rule, found, wanted, position),))


def bad_value(position: int, found: str, wanted: str) -> Inferred:
    """The value of one input is not accepted, so nothing is known of the outputs."""
    return misfit(position, found, wanted, Rule.VALUE)


def bad_axis(position: int, axis: int, rank: int) -> Inferred:
    """An axis that may count from the end is out of range."""
    return bad_value(position, f"axis {axis}", f"{-rank} to {rank - 1}")


def agree(left: Dimension, right: Dimension) -> bool:
    """Whether two dimensions can be equal."""
    return isinstance(left, Unspecified) or isinstance(right, Unspecified) or left == right


def times(dim: Dimension, factor: Dimension) -> Dimension:
    """The product of two dimensions, unspecified where one is."""
    if isinstance(dim, Unspecified) or isinstance(factor, Unspecified):
        return UNSPECIFIED
    return dim * factor


def plus(dim: Dimension, extra: Dimension) -> Dimension:
    """The sum of two dimensions, unspecified where one is."""
    if isinstance(dim, Unspecified) or isinstance(extra, Unspecified):
        return UNSPECIFIED
    return dim + extra


def product(dims: Sequence[Dimension]) -> Dimension:
    """The number of elements, unspecified where a dimension is."""
    total: Dimension = 1
    for dim in dims:
        total = times(total, dim)
    return total


def text(shape: Shape | Sequence[Dimension]) -> str:
    """A shape as it is written in messages: ``[1, ?, 3]``."""
    if isinstance(shape, UnknownRank):
        return "[...]"
    return "[" + ", ".join("?" if isinstance(dim, Unspecified) else str(dim) for dim in shape) + "]"


def merged(declared: Shape, inferred: Shape) -> Shape:
    """What both shapes together say, taking the declared one where they contradict each other."""
    if isinstance(declared, UnknownRank):
        return inferred
    if isinstance(inferred, UnknownRank) or len(declared) != len(inferred):
        return declared
    return tuple(b if isinstance(a, Unspecified) else a for a, b in zip(declared, inferred, strict=True))


def compatible(left: Shape, right: Shape) -> bool:
    """Whether two shapes can be equal."""
    if isinstance(left, UnknownRank) or isinstance(right, UnknownRank):
        return True
    return len(left) == len(right) and all(agree(a, b) for a, b in zip(left, right, strict=True))


def axis_in(axis: int, rank: int) -> int | None:
    """The index of an axis that may count from the end, or None where it is out of range."""
    if -rank <= axis < rank:
        return axis % rank
    return None


def unknown_outputs(call: ShapeCall) -> Inferred:
    """Outputs of which not even the rank is known."""
    return Inferred((UNKNOWN_RANK,) * call.output_count)
