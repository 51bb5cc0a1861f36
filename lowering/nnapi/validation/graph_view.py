"""One model under validation: the main model or a referenced one, with what is known of its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.constants import Bytes, Constants
from nnapi_check.lowering.nnapi.model import (
    UNKNOWN_RANK,
    UNSPECIFIED,
    Model,
    ModelInput,
    NoValue,
    Operand,
    Shape,
    UnknownRank,
)
from nnapi_check.lowering.nnapi.validation.faults import Demand, Fault, Problem, Rule
from nnapi_check.lowering.nnapi.validation.readings import OPERAND_TYPE_SINCE, UNKNOWN_RANK_SINCE

RANK_LEFT_OPEN = Demand(UNKNOWN_RANK_SINCE, "an operand of unknown rank")
"""What an operand demands whose rank is known only at execution."""


@dataclass(slots=True)
class GraphView:
    """A model, where it stands, and its faults so far.

    ``index`` is that among the referenced models, None for the main model. ``shapes`` start as declared and
    gain what follows from the operations. ``given`` are operands of the caller, ``unranked`` those whose rank is
    declared as unknown. ``unusable`` are operations whose operands do not exist.
    """

    model: Model
    index: int | None
    constants: Constants
    types: list[OperandType]
    shapes: list[Shape]
    without_value: frozenset[int]
    given: frozenset[int]
    unranked: frozenset[int]
    faults: list[Fault] = field(default_factory=list)
    unusable: set[int] = field(default_factory=set)

    def add(
        self, rule: Rule, found: str, wanted: str, *, operation: int | None = None, operand: int | None = None
    ) -> None:
        """Note a fault of the model, of an operand, or of an operation."""
        place = self._place(operation, operand, None)
        self._note(rule, found, wanted, place, operation, operand)

    def add_problem(self, problem: Problem, operation: int) -> None:
        """Note a fault in terms of an operation's places."""
        operand = self._operand_at(problem, operation)
        place = self._place(operation, operand, problem)
        self._note(problem.rule, problem.found, problem.wanted, place, operation, operand)

    def demands_of(self, index: int) -> list[Demand]:
        """What an operand demands by itself."""
        kind = self.types[index]
        demands = [Demand(OPERAND_TYPE_SINCE[kind], f"an operand of type {kind.name}")]
        return [*demands, RANK_LEFT_OPEN] if index in self.unranked else demands

    def _note(
        self, rule: Rule, found: str, wanted: str, place: str, operation: int | None, operand: int | None
    ) -> None:
        message = f"{place}: found {found}; wanted {wanted}."
        self.faults.append(Fault(rule, operation, operand, found, wanted, message, self.index))

    def _operand_at(self, problem: Problem, operation: int) -> int | None:
        if problem.position is None:
            return None
        written = self.model.operations[operation]
        places = written.outputs if problem.is_output else written.inputs
        return places[problem.position] if problem.position < len(places) else None

    def _place(self, operation: int | None, operand: int | None, problem: Problem | None) -> str:
        words = [] if self.index is None else [f"referenced model {self.index}"]
        if operation is not None:
            words.append(f"operation {operation} ({self.model.operations[operation].kind})")
        if problem is not None and problem.position is not None:
            words.append(f"{'output' if problem.is_output else 'input'} {problem.position}")
        if operand is not None:
            words.append(f"operand {operand}")
        place = ", ".join(words) or "the model"
        return place[0].upper() + place[1:]


def view(model: Model, index: int | None, buffers: Sequence[Bytes]) -> GraphView:
    """A model before anything is known to be wrong with it."""
    operands = model.operands
    return GraphView(
        model=model,
        index=index,
        constants=Constants(operands, buffers),
        types=[operand.type for operand in operands],
        shapes=[_sound(operand) for operand in operands],
        without_value=frozenset(i for i, operand in enumerate(operands) if isinstance(operand.source, NoValue)),
        given=frozenset(i for i, operand in enumerate(operands) if isinstance(operand.source, ModelInput)),
        unranked=frozenset(i for i, operand in enumerate(operands) if isinstance(operand.shape, UnknownRank)),
    )


def _sound(operand: Operand) -> Shape:
    """The shape of an operand without what no tensor can have."""
    shape = operand.shape
    if isinstance(shape, UnknownRank) or (shape == () and operand.type.is_tensor):
        return UNKNOWN_RANK
    if all(not isinstance(dim, int) or dim > 0 for dim in shape):
        return shape
    return tuple(dim if isinstance(dim, int) and dim > 0 else UNSPECIFIED for dim in shape)
