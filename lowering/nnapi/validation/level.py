"""The feature level that a model needs, and what the runtime drops before a driver sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nnapi_check.coverage_db.spec import OperandType, OperationFacts, Trim
from nnapi_check.lowering.nnapi.model import Immediate, Model, Operation, Reference
from nnapi_check.lowering.nnapi.validation.faults import Demand
from nnapi_check.lowering.nnapi.validation.readings import REFERENCED_MODELS_SINCE

LOWEST_LEVEL = 1
"""The feature level of everything that nothing else is said of."""


def trimmed_inputs(operation: Operation, facts: OperationFacts, model: Model) -> tuple[int, ...]:
    """The inputs of an operation as a driver sees them.

    The runtime drops trailing inputs that are constants inside the model and equal their defaults
    (``runtime/ModelBuilder.cpp``), so that they ask for no higher level.
    """
    inputs = operation.inputs
    for trim in facts.trims:
        if trim.first < len(inputs) <= trim.first + len(trim.values) and _types_fit(inputs, trim, model):
            return _without_defaults(inputs, trim, model)
    return inputs


def _types_fit(inputs: Sequence[int], trim: Trim, model: Model) -> bool:
    for index, value in zip(inputs[trim.first :], trim.values, strict=False):
        wanted = OperandType.BOOL if isinstance(value, bool) else OperandType.INT32
        if model.operands[index].type is not wanted:
            return False
    return True


def _without_defaults(inputs: tuple[int, ...], trim: Trim, model: Model) -> tuple[int, ...]:
    kept = len(inputs)
    while kept > trim.first and _is_default(model, inputs[kept - 1], trim.values[kept - 1 - trim.first]):
        kept -= 1
    # Inputs that belong together are dropped together or not at all.
    return inputs if kept in trim.together[1:] else inputs[:kept]


def _is_default(model: Model, index: int, value: int | float | bool) -> bool:
    source = model.operands[index].source
    if not isinstance(source, Immediate):
        return False
    size = 1 if isinstance(value, bool) else 4
    return len(source.data) == size and source.data == int(value).to_bytes(size, "little", signed=True)


def highest(demands: Iterable[Demand]) -> tuple[int, tuple[Demand, ...]]:
    """The highest level among the demands, and those that demand it, each once; none demand the lowest."""
    level = LOWEST_LEVEL
    top: dict[Demand, None] = {}
    for demand in demands:
        if demand.level > level:
            level = demand.level
            top = {}
        if demand.level == level and level > LOWEST_LEVEL:
            top[demand] = None
    return level, tuple(top)


def reference_demands(model: Model) -> list[Demand]:
    """What the presence of referenced models demands."""
    if not model.referenced:
        return []
    return [Demand(REFERENCED_MODELS_SINCE, "a model inside a model")]


def reachable(operation: Operation, models: Mapping[int, Model], model: Model) -> list[int]:
    """The referenced models that an operation can run, directly and through others."""
    waiting = _referenced_by(operation.inputs, model)
    reached: list[int] = []
    while waiting:
        index = waiting.pop()
        if index in reached or index not in models:
            continue
        reached.append(index)
        inner = models[index]
        for nested in inner.operations:
            waiting.extend(_referenced_by(nested.inputs, inner))
    return reached


def _referenced_by(inputs: Iterable[int], model: Model) -> list[int]:
    sources = (model.operands[index].source for index in inputs if 0 <= index < len(model.operands))
    return [source.model for source in sources if isinstance(source, Reference)]
