"""The structure of a model: indices, sources of operands, execution order, references between models."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.model import Computed, Model, ModelInput, NoValue, Reference
from nnapi_check.lowering.nnapi.validation.faults import Rule
from nnapi_check.lowering.nnapi.validation.graph_view import GraphView

HIGHEST_COUNT = 0xFFFFFE
"""The highest number of operands, and of operations, that the runtime takes."""


def check_structure(graph: GraphView, referenced: int) -> None:
    """Note what is wrong with a model apart from its operations' meaning.

    ``referenced`` is the number of models inside the main model.
    """
    model = graph.model
    if not model.operands:
        graph.add(Rule.EMPTY_MODEL, "no operands", "at least one operand")
    if not model.operations:
        graph.add(Rule.EMPTY_MODEL, "no operations", "at least one operation")
    for count, what in ((len(model.operands), "operands"), (len(model.operations), "operations")):
        if count > HIGHEST_COUNT:
            graph.add(Rule.COUNT_LIMIT, f"{count} {what}", f"at most {HIGHEST_COUNT} {what}")
    if graph.index is not None and model.referenced:
        graph.add(Rule.MODEL_REFERENCE, "referenced models of its own", "all referenced models in the main model")
    _check_sources(graph, referenced)
    _check_boundary(graph)
    _check_indices(graph)
    _check_order(graph)


def check_references(graphs: Sequence[GraphView]) -> None:
    """Note which referenced models refer to themselves, directly or through others."""
    references = [_references(graph.model) for graph in graphs]
    for start, graph in enumerate(graphs):
        reached: set[int] = set()
        waiting = set(references[start])
        while waiting:
            current = waiting.pop()
            if current not in reached and 0 <= current < len(graphs):
                reached.add(current)
                waiting |= references[current]
        if start in reached:
            graph.add(Rule.REFERENCE_CYCLE, "a reference to itself through its operands", "no cycle of references")


def _references(model: Model) -> set[int]:
    return {operand.source.model for operand in model.operands if isinstance(operand.source, Reference)}


def _check_sources(graph: GraphView, referenced: int) -> None:
    for index, operand in enumerate(graph.model.operands):
        source = operand.source
        is_reference = isinstance(source, Reference)
        if is_reference != (operand.type is OperandType.MODEL):
            found = f"{operand.type.name} with source {type(source).__name__}"
            graph.add(Rule.OPERAND_SOURCE, found, "MODEL together with a reference to a model", operand=index)
        elif isinstance(source, Reference) and not 0 <= source.model < referenced:
            found = f"a reference to model {source.model}"
            graph.add(Rule.MODEL_REFERENCE, found, f"one of {referenced} referenced models", operand=index)


def _check_boundary(graph: GraphView) -> None:
    model = graph.model
    boundary = (
        (Rule.MODEL_INPUTS, "input", model.inputs, ModelInput),
        (Rule.MODEL_OUTPUTS, "output", model.outputs, Computed),
    )
    for rule, name, indices, source in boundary:
        seen: set[int] = set()
        for index in indices:
            if not 0 <= index < len(model.operands):
                graph.add(rule, f"{name} operand {index}", f"an index below {len(model.operands)}")
            elif index in seen:
                graph.add(rule, f"the same {name} twice", f"each {name} once", operand=index)
            elif not isinstance(model.operands[index].source, source):
                found = f"an {name} with source {type(model.operands[index].source).__name__}"
                graph.add(rule, found, f"source {source.__name__}", operand=index)
            seen.add(index)
    listed = set(model.inputs)
    for index in sorted(graph.given - listed):
        graph.add(Rule.MODEL_INPUTS, "an operand given by the caller", "that it is listed as an input", operand=index)


def _check_indices(graph: GraphView) -> None:
    count = len(graph.model.operands)
    for number, operation in enumerate(graph.model.operations):
        for index in (*operation.inputs, *operation.outputs):
            if not 0 <= index < count:
                graph.add(Rule.OPERAND_INDEX, f"operand {index}", f"an index below {count}", operation=number)
                graph.unusable.add(number)


def _check_order(graph: GraphView) -> None:
    model = graph.model
    operands = model.operands
    waiting = {index for index, operand in enumerate(operands) if isinstance(operand.source, Computed)}
    written_somewhere = {index for operation in model.operations for index in operation.outputs}
    for index in sorted(waiting - written_somewhere):
        graph.add(Rule.NEVER_WRITTEN, "no operation that writes it", "exactly one", operand=index)
    waiting &= written_somewhere
    written: set[int] = set()
    for number, operation in enumerate(model.operations):
        for index in operation.inputs:
            if index in waiting:
                wanted = "an operation before that writes it"
                graph.add(Rule.EXECUTION_ORDER, "an input not yet written", wanted, operation=number, operand=index)
        for index in operation.outputs:
            if not 0 <= index < len(operands):
                continue
            source = operands[index].source
            if index in written:
                found = "an output that was written before"
                graph.add(Rule.WRITTEN_ONCE, found, "each operand written once", operation=number, operand=index)
            elif isinstance(source, NoValue) or not isinstance(source, Computed):
                found = f"an output with source {type(source).__name__}"
                graph.add(Rule.OUTPUT_SOURCE, found, "source Computed", operation=number, operand=index)
            written.add(index)
            waiting.discard(index)
