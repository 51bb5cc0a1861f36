"""Whether NNAPI accepts a model, with every fault, and the lowest feature level that knows all of it.

The facts say what each operation takes; ``readings`` settles what they leave open. Where the specification,
Android's own validators and its reference executor differ, a model must satisfy all that the specification
and the executor demand, so that what is valid here also runs, for inputs whose values are in range.
Only extreme scales that the executor's fixed-point arithmetic cannot carry are not looked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.constants import Bytes
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.validation.faults import Demand, OperationLevel, Rule, Validation
from nnapi_check.lowering.nnapi.validation.graph_view import RANK_LEFT_OPEN, GraphView, view
from nnapi_check.lowering.nnapi.validation.level import LOWEST_LEVEL, highest, reachable, reference_demands
from nnapi_check.lowering.nnapi.validation.operands import check_operands
from nnapi_check.lowering.nnapi.validation.operations import Contracts, check_operations
from nnapi_check.lowering.nnapi.validation.readings import OPERAND_TYPE_SINCE
from nnapi_check.lowering.nnapi.validation.structure import check_references, check_structure


def validate(
    model: Model,
    facts: Mapping[str, OperationFacts],
    *,
    level: int | None = None,
    deferred: Collection[Rule] = (),
    buffers: Sequence[Bytes] = (),
) -> Validation:
    """Check a model against all rules of NNAPI.

    With a feature ``level``, what needs a higher one is a fault. Faults of ``deferred`` rules are left out,
    because the caller checks these rules later. ``buffers`` are the numbered buffers in which constants lie;
    a value in a buffer that is not given counts as known only at execution.
    """
    contracts = Contracts(facts)
    inner = [view(referenced, index, buffers) for index, referenced in enumerate(model.referenced)]
    inner_levels = [_check(graph, inner, contracts, buffers) for graph in inner]
    check_references(inner)
    main = view(model, None, buffers)
    levels = _with_models(model, _check(main, inner, contracts, buffers), inner_levels)
    unused = [*reference_demands(model), *_input_demands(main)]
    demands = [demand for operation in levels for demand in operation.demands] + unused
    demands += [demand for operations in inner_levels for operation in operations for demand in operation.demands]
    needed, top = highest(demands)
    written = max(
        needed,
        max((operation.written for operation in levels), default=LOWEST_LEVEL),
        max((operation.written for graph in inner_levels for operation in graph), default=LOWEST_LEVEL),
        max(_operands_level(graph) for graph in (main, *inner)),
    )
    if level is not None:
        _check_level(main, levels, unused, level)
        for graph, operations in zip(inner, inner_levels, strict=True):
            _check_level(graph, operations, [], level)
    faults = [fault for graph in (main, *inner) for fault in graph.faults if fault.rule not in deferred]
    return Validation(tuple(faults), needed, written, tuple(levels), top, tuple(main.shapes))


def _check(
    graph: GraphView, inner: Sequence[GraphView], contracts: Contracts, buffers: Sequence[Bytes]
) -> list[OperationLevel]:
    check_structure(graph, len(inner))
    check_operands(graph, buffers)
    return check_operations(graph, inner, contracts)


def _with_models(
    model: Model, levels: list[OperationLevel], inner: Sequence[Sequence[OperationLevel]]
) -> list[OperationLevel]:
    """Levels in which an operation that runs models needs all that these need."""
    models = dict(enumerate(model.referenced))
    if not models:
        return levels
    result = []
    for operation, own in zip(model.operations, levels, strict=True):
        run = [level for index in reachable(operation, models, model) for level in inner[index]]
        needed, top = highest([*own.demands, *(demand for level in run for demand in level.demands)])
        written = max([own.written, *(level.written for level in run)])
        result.append(OperationLevel(own.kind, needed, top, written) if run else own)
    return result


def _operands_level(graph: GraphView) -> int:
    """The level that the operands demand as written, used or not."""
    known = max((OPERAND_TYPE_SINCE[kind] for kind in set(graph.types)), default=LOWEST_LEVEL)
    return max(known, RANK_LEFT_OPEN.level) if graph.unranked else known


def _input_demands(graph: GraphView) -> list[Demand]:
    """What the model's inputs and outputs demand, which stay even where no operation uses them."""
    boundary = {*graph.model.inputs, *graph.model.outputs}
    count = len(graph.types)
    return [demand for index in sorted(boundary) if 0 <= index < count for demand in graph.demands_of(index)]


def _check_level(graph: GraphView, levels: Sequence[OperationLevel], unused: Sequence[Demand], limit: int) -> None:
    wanted = f"what feature level {limit} knows"
    named: set[Demand] = set()
    for number, operation in enumerate(levels):
        if operation.level > limit:
            found = f"feature level {operation.level}, needed by {_listed(operation.demands)}"
            graph.add(Rule.LEVEL, found, wanted, operation=number)
            named.update(operation.demands)
    beyond = {demand: None for demand in unused if demand.level > limit and demand not in named}
    for demand in beyond:
        graph.add(Rule.LEVEL, f"feature level {demand.level}, needed by {demand.what}", wanted)


def _listed(demands: Sequence[Demand]) -> str:
    return ", ".join(demand.what for demand in demands)
