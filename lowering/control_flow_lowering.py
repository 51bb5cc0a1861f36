"""Branches and loops as IF and WHILE: each body becomes a model of its own, that the operation refers to.

A referenced model reads nothing from outside it. So what a body takes from around it is an input of the operation and
of each of its models, in PyTorch's order of dimensions; constants each model has for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nnapi_check.analyzer.graph import Argument, Block, Node, Ref, TensorType, taken_values
from nnapi_check.analyzer.judging.control_flow import ENDLESS, read_outputs
from nnapi_check.analyzer.judging.run_time_numbers import BRANCH
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Way
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import RuleError
from nnapi_check.lowering.emission.tensor_spec import TensorSpec, spec_of
from nnapi_check.lowering.nnapi.model import ModelInput

Body = Callable[[Block, Emitter], None]
"""Writes the nodes of a block with an emitter."""

_TRUTH = TensorSpec(OperandType.TENSOR_BOOL8, (1,))
_NO_LAYOUT = LayoutPlan(frozenset(), {}, {}, frozenset(), {})


def lower_control_flow(node: Node, way: Way, uses: Uses, emitter: Emitter, body: Body) -> None:
    """Write a branch or loop with the emitter of the block in which it stands."""
    emitter.bind(node, way)
    writer = _Writer(node, way, uses, emitter, body)
    if node.op == BRANCH:
        writer.branch()
    else:
        writer.loop()


class _Writer:
    def __init__(self, node: Node, way: Way, uses: Uses, emitter: Emitter, body: Body) -> None:
        self._node, self._way, self._uses, self._emitter, self._body = node, way, uses, emitter, body
        self._plans = emitter.layout.inside[node.id]
        # The outputs of the operation.
        self._places = read_outputs(node, uses)
        values = taken_values(node)
        self._taken = tuple(value for value in values if not uses.graph.values[value].is_constant)

    def branch(self) -> None:
        """Write IF: both branches take all that either of them reads."""
        condition = self._node.arguments["condition"]
        # NNAPI has no model without inputs.
        taken = self._taken or _values((condition,))
        models = []
        for block, plan in zip(self._node.blocks, self._plans, strict=True):
            inner = self._emitter.inner(plan)
            for value in taken:
                inner.take(value)
            self._body(block, inner)
            models.append(
                self._model(inner, [self._given(block.results[place], place, inner) for place in self._places])
            )
        given = [self._emitter.value(value) for value in taken]
        (decided,) = (self._emitter.value(value) for value in _values((condition,)))
        self._write("IF", [decided, *models, *given])

    def loop(self) -> None:
        """Write WHILE. Its inputs are what is read after it, what else each turn hands on, and what never changes."""
        (block,) = self._node.blocks
        (plan,) = self._plans
        trips, begins = self._node.arguments["max_trip_count"], self._node.arguments["condition"]
        continues, *results = block.results
        counter, *carried = block.inputs
        order = (*self._places, *(place for place in range(len(carried)) if place not in self._places))
        is_counted = isinstance(trips, Ref) or (isinstance(trips, int) and trips < ENDLESS)
        has_counter = is_counted or self._uses.is_read(counter)
        has_flag = begins is not True or continues is not True
        limits = _values((trips,))
        fixed = tuple(dict.fromkeys((*limits, *self._taken)))

        def taking(layout: LayoutPlan) -> tuple[Emitter, list[OperandId]]:
            """An emitter of a model that takes what both models do, and the operand of the condition, if one is."""
            inner = self._emitter.inner(layout)
            for place in order:
                inner.take(carried[place])
            if has_counter:
                inner.take(counter)
            flags = [inner.draft.add(_TRUTH, ModelInput())] if has_flag else []
            inner.draft.inputs.extend(flags)
            for value in fixed:
                inner.take(value)
            return inner, flags

        inner, checks = taking(_NO_LAYOUT)
        inner.bind(self._node, self._way)
        if is_counted:
            count = inner.value(counter)
            limit = inner.value(limits[0]) if limits else self._number(trips, inner, inner.spec(count))
            checks.append(inner.operation("LESS", [count, limit], _TRUTH))
        if len(checks) > 1:
            checks = [inner.operation("LOGICAL_AND", checks, _TRUTH)]
        condition = self._model(inner, checks)

        inner, _ = taking(plan)
        self._body(block, inner)
        handed = [self._given(results[place], place, inner) for place in order]
        inner.bind(self._node, self._way)
        if has_counter:
            count = inner.value(counter)
            handed.append(inner.operation("ADD", [count, inner.number(1, count), inner.fuse()], inner.spec(count)))
        if has_flag:
            handed.append(self._argument(continues, _TRUTH, inner))
        turn = self._model(inner, handed)

        first = [
            self._argument(self._node.arguments[f"carried{place}"], self._spec(carried[place]), self._emitter)
            for place in order
        ]
        if has_counter:
            first.append(self._number(0, self._emitter, self._spec(counter)))
        if has_flag:
            first.append(self._argument(begins, _TRUTH, self._emitter))
        self._write("WHILE", [condition, turn, *first, *(self._emitter.value(value) for value in fixed)])

    def _write(self, kind: str, inputs: Sequence[OperandId]) -> None:
        values = [self._node.outputs[place] for place in self._places]
        made = self._emitter.operations(kind, inputs, [self._spec(value) for value in values])
        for value, operand in zip(values, made, strict=True):
            self._emitter.set_output(value, operand)

    def _model(self, inner: Emitter, outputs: Sequence[OperandId]) -> OperandId:
        """The operand that refers to a model whose operations are written."""
        inner.bind(self._node, self._way)
        inner.draft.outputs.extend(inner.as_outputs(outputs))
        return self._emitter.refer(inner)

    def _given(self, result: Argument, place: int, inner: Emitter) -> OperandId:
        """What a body hands over for an output of the node."""
        return self._argument(result, self._spec(self._node.outputs[place]), inner)

    def _argument(self, argument: Argument, spec: TensorSpec, emitter: Emitter) -> OperandId:
        emitter.bind(self._node, self._way)
        return emitter.value(argument.value) if isinstance(argument, Ref) else self._number(argument, emitter, spec)

    def _number(self, argument: Argument, emitter: Emitter, spec: TensorSpec) -> OperandId:
        if not isinstance(argument, bool | int):
            raise RuleError(f"{self._node.op}: {argument!r} is no whole number")
        return emitter.draft.immediate(spec, [argument])

    def _spec(self, value: int) -> TensorSpec:
        kind = self._uses.graph.type_of(value)
        spec = spec_of(kind, nhwc=False) if isinstance(kind, TensorType) else None
        if spec is None:
            raise RuleError(f"{self._node.op}: value {value} is {kind}, which no operand holds")
        return spec


def _values(arguments: Sequence[Argument]) -> tuple[int, ...]:
    return tuple(argument.value for argument in arguments if isinstance(argument, Ref))
