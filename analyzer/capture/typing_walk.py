"""The walk that types a frozen TorchScript graph.

Each op is called by its schema on meta tensors, or answered by a rule. What does not depend on tensors (sizes,
lists, arithmetic on shapes) is computed and becomes arguments; what no input's values reach is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import torch

from nnapi_check.analyzer.capture.aliases import KEEPING, Aliases, is_held
from nnapi_check.analyzer.capture.constant_nodes import ConstantNodes, order_told
from nnapi_check.analyzer.capture.containers.held_containers import Container, HeldContainers, put_in_place
from nnapi_check.analyzer.capture.containers.list_writes import LIST_WRITES, ListWrite, writes_container
from nnapi_check.analyzer.capture.containers.residue import Residue
from nnapi_check.analyzer.capture.containers.structure_ops import LIST_OPS, STRUCTURE_OPS, UNANSWERED, name_part, weight
from nnapi_check.analyzer.capture.control_flow import MAX_NESTED, Repetition, walk_if, walk_loop
from nnapi_check.analyzer.capture.counted_turns import ELEMENT_READS
from nnapi_check.analyzer.capture.decided_branches import DecidedBranch
from nnapi_check.analyzer.capture.expansions.expanded import expanded
from nnapi_check.analyzer.capture.functional_ops import (
    functional_form,
    make_functional,
    replaced,
    views_carried,
    write_back,
    writes_back,
)
from nnapi_check.analyzer.capture.set_attributes import SetAttributes
from nnapi_check.analyzer.capture.settling import State
from nnapi_check.analyzer.capture.spellings import op_name, plain_arguments, respelled
from nnapi_check.analyzer.capture.stored_values import StoredValues, path_of
from nnapi_check.analyzer.capture.unseen_writes import may_write_unseen, refuse_unseen_write
from nnapi_check.analyzer.capture.written_views import scattered_write
from nnapi_check.analyzer.errors import InputError, OpError
from nnapi_check.analyzer.graph import (
    OVERWRITTEN,
    DynamicType,
    GraphInput,
    Parameter,
    SourcePosition,
    TensorType,
)
from nnapi_check.analyzer.growing_graph import (
    Draft,
    Fields,
    ModulePath,
    NodeDraft,
    StoredObject,
    cause_in,
    drafts_in,
    own_copy,
    run_time_object,
    with_held,
)
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls
from nnapi_check.analyzer.ops.calls import (
    FEW,
    MAX_COMPUTED,
    PLACE_ARGUMENT,
    WHEN_TYPED,
    Operation,
    call,
    evaluate,
    failure,
    fix_of_failure,
    operation_at,
)
from nnapi_check.analyzer.ops.packed_ops import PackedParameters, Unpacked, packed_result
from nnapi_check.analyzer.ops.scale_faults import refuse_scale_fault
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import comes_before, is_own_class, is_readable, submodule
from nnapi_check.coverage_db.cards import OtherCall

_OF_ELEMENTS = "the input's elements decide it"
# Of numbers and texts alone, ops make numbers and texts.
_PLAIN = frozenset({int, float, bool, str})
# They tell a person something and compute nothing.
_IGNORED = frozenset({"prim::Print", "aten::warn"})
# They change nothing that an evaluation sees.
_WRITING_NOTHING = frozenset({"aten::detach_"})


def _parts(container: Container) -> tuple[object, ...]:
    return tuple(container.values() if isinstance(container, dict) else container)


@dataclass(slots=True)
class TypingWalk:
    """The state of one walk: what is known of each value of the TorchScript graph."""

    root: torch._C.ScriptModule
    graph: torch._C.Graph
    locate: Callable[[torch._C.Node, str | None], SourcePosition]
    calls: Mapping[str, OtherCall]
    inputs_text: str = "these inputs"
    state: State = field(default_factory=State)
    known: dict[int, object] = field(default_factory=dict)
    aliases: Aliases = field(default_factory=Aliases)
    decided: list[DecidedBranch] = field(default_factory=list)
    growing: list[tuple[torch._C.Node, int]] = field(default_factory=list)
    depth: int = 0
    containers: HeldContainers = field(default_factory=HeldContainers)
    residue: Residue = field(default_factory=Residue)
    repetition: Repetition = field(default_factory=Repetition)
    _blocks: int = 0
    _stored: StoredValues = field(init=False)
    _set_attributes: SetAttributes = field(init=False)
    _writes_unseen: bool = field(init=False)
    _written_back: list[torch._C.Node] = field(default_factory=list)
    _packed: PackedParameters = field(default_factory=PackedParameters)
    _calls: BoundedCalls = field(default_factory=lambda: BoundedCalls(WHEN_TYPED))
    _constants: ConstantNodes = field(default_factory=ConstantNodes)

    def __post_init__(self) -> None:
        self._stored = StoredValues(self.state)
        self._set_attributes = SetAttributes(self.graph, self.aliases)
        self._writes_unseen = may_write_unseen(self.graph)

    def bind(
        self, graph: torch._C.Graph, drafts: list[Draft], items: Sequence[tuple[torch._C.Value, object]]
    ) -> list[Draft]:
        """Say what is known of the graph's inputs, the first of which is the module itself."""
        self.know(next(iter(graph.inputs())), ModulePath("", self.root))
        for value, item in items:
            self.know(value, item)
        return drafts

    def walk_block(self, block: torch._C.Block | torch._C.Graph) -> list[NodeDraft]:
        """Type every node of a block, in order, and return those that compute something at run time."""
        drafts: list[NodeDraft] = []
        self._blocks += 1
        if self._blocks > MAX_NESTED:
            raise InputError(
                f"The model's conditions and loops lie in one another more than {MAX_NESTED} deep; write them flatter."
            )
        for node in list(block.nodes()):
            drafts.extend(self._visit(node))
        self._blocks -= 1
        return drafts

    def item(self, value: torch._C.Value) -> object:
        """What is known of a value as it is now: a draft, a number, a list of them, or the like."""
        return own_copy(self.aliases.read(self.known[value.unique()]))

    def know(self, value: torch._C.Value, item: object) -> None:
        """Say what is known of a value."""
        if isinstance(item, (list, tuple, dict)):
            self.repetition.spend(weight(item))
            self.containers.meet(value, item)
        self.known[value.unique()] = item
        self.aliases.add(value, item)

    def _visit(self, node: torch._C.Node) -> Iterable[NodeDraft]:
        kind = node.kind()
        if kind == "prim::Constant":
            self.know(node.output(), self._stored.constant(node))
            return ()
        if kind == "prim::GetAttr":
            return self._read(node)
        if kind in _IGNORED:
            return ()
        if writes_back(node):
            return (self._write_back(node),)
        held = [self._held(value) for value in node.inputs()]
        is_list = bool(held) and isinstance(held[0], list)
        structure = LIST_OPS.get(kind) if is_list and kind in LIST_OPS else STRUCTURE_OPS.get(kind)
        if structure is not None:
            answers = structure(node, held)
            if answers is not UNANSWERED:
                self._answer(node, answers)
                return ()
        if kind == "prim::SetAttr":
            return self._set(node, held)
        if kind in LIST_WRITES and isinstance(held[0], (list, dict)):
            return self._list_write(node, LIST_WRITES[kind], held)
        items = [self.item(value) for value in node.inputs()]
        if kind == "prim::RaiseException" and not self.depth:
            raise InputError(
                f"The model refuses {self.inputs_text} at {self.position(node, {})}: {items[0]}; "
                "pass inputs of shapes that it accepts."
            )
        if kind == "prim::If":
            return walk_if(self, node, items)
        if kind == "prim::Loop":
            return walk_loop(self, node, items)
        operation = operation_at(node)
        if operation is None or not node.outputsSize():
            return (self._opaque(node, items, "PyTorch states no schema of it"),)
        return self._op(node, operation, items)

    def _held(self, value: torch._C.Value) -> object:
        """What is known of a value: containers themselves, of which a write is seen by all who hold them."""
        item = self.known[value.unique()]
        return item if isinstance(item, (list, tuple, dict)) else self.aliases.read(item)

    def _answered(self, node: torch._C.Node, answers: Iterable[tuple[torch._C.Value, object]] = ()) -> None:
        if not self.repetition.is_carrying:
            self.residue.answered(node, answers)

    def _answer(self, node: torch._C.Node, answers: Sequence[object]) -> None:
        self._answered(node, zip(node.outputs(), answers, strict=True))
        for output, answer in zip(node.outputs(), answers, strict=True):
            self.know(output, answer)
            if isinstance(answer, Draft):
                for draft in (answer, self.aliases.read(answer)):
                    name_part(draft, output)

    def _list_write(self, node: torch._C.Node, write: ListWrite, held: Sequence[object]) -> Iterable[NodeDraft]:
        container = held[0]
        if not isinstance(container, (list, dict)):
            return ()
        self.containers.write(container)
        answers = write(container, held[1:]) if self.containers.is_certain(container) else UNANSWERED
        if answers is not UNANSWERED:
            for output, answer in zip(node.outputs(), answers, strict=False):
                if list(output.uses()):
                    self.know(output, answer)
            self.containers.meet(node.inputsAt(0), tuple(held[1:]))
            self.aliases.add(node.inputsAt(0), list(held[1:]))
            self._answered(node, zip(node.outputs(), answers, strict=False))
            return ()
        return (self._lost_write(node, container, "the list is built at run time"),)

    def _lost_write(self, node: torch._C.Node, container: Container, reason: str) -> NodeDraft:
        """A write that a run may do or not: from here on only the run knows what the container holds."""
        self.forget([container])
        return self._opaque(node, [self.item(value) for value in node.inputs()], reason)

    def forget(self, containers: Sequence[Container]) -> None:
        """Say that what these hold is known in the run alone, whichever value they are reached by."""
        waiting = list(containers)
        while waiting:
            places: dict[int, object] = {}
            for container in waiting:
                unknown = run_time_object(self.containers.value_of(container), "built at run time")
                places[id(container)] = unknown
                unknown.holds = tuple(drafts_in(self.aliases.read(container)))
                self.aliases.join((unknown, *drafts_in(container)))
                self.containers.forget(container)
            for number, item in self.known.items():
                self.known[number] = put_in_place(item, places)
            self._set_attributes.put_in_place(places)
            waiting = [found for container in waiting for found in self.containers.escape(_parts(container))]

    def lose(self, values: Iterable[torch._C.Value]) -> None:
        """Say that the run alone knows who reaches the containers that these values are, or hold."""
        for value in values:
            self.forget(self.containers.escape(self.known[value.unique()]))

    def doubt_attributes(self, body: torch._C.Block) -> None:
        """Say that the attributes that are set in a loop are not known in any turn of it."""
        self._set_attributes.doubt(body)

    @contextmanager
    def uncertain(self) -> Iterator[None]:
        """While it is entered, a run may come here or not, and more than once."""
        self.depth += 1
        self.containers.enter()
        yield
        self.containers.leave()
        self.depth -= 1

    def _read(self, node: torch._C.Node) -> Iterable[NodeDraft]:
        """What is known of an attribute; one that the model itself sets is read in the run."""
        owner, name = self.known[node.input().unique()], node.s("name")
        if isinstance(owner, Fields):
            if name not in owner:
                return self._run_time_read(node, "it is not known to be set")
            self._answer(node, (owner[name],))
            return ()
        known = self._set_attributes.known(path_of(owner, name))
        if known is not UNANSWERED:
            self.know(node.output(), known)
            return ()
        if self._set_attributes.are_called(name):
            return self._run_time_read(node, "the model sets this attribute")
        if isinstance(owner, StoredObject):
            return self._read_object(node, owner)
        if not isinstance(owner, ModulePath):
            return self._run_time_read(node, "it belongs to an object of the model's own")
        if is_own_class(node.output().type()) and submodule(owner.module, name) is None:
            self.know(node.output(), StoredObject(owner, ((name, node.output().type()),)))
            return ()
        if not is_readable(node.output().type()) and submodule(owner.module, name) is None:
            return self._run_time_read(node, "it is an object of the model's own")
        found = self._stored.attribute(node, owner)
        self.know(node.output(), found)
        self.containers.store(owner.path_of(name), found)
        return ()

    def _read_object(self, node: torch._C.Node, owner: StoredObject) -> Iterable[NodeDraft]:
        found = self._stored.of_object(node, owner)
        if isinstance(found, Draft):
            return self._run_time_read(node, "it belongs to an object of the model's own")
        self._answer(node, (found,))
        self.containers.store(f"{owner.path}.{node.s('name')}", found)
        return ()

    def _run_time_read(self, node: torch._C.Node, reason: str) -> Iterable[NodeDraft]:
        made = self._opaque(node, [self.item(node.input()), node.s("name")], reason)
        made.has_effect = False
        self._set_attributes.hold(node.s("name"), made.outputs)
        return (made,)

    def _set(self, node: torch._C.Node, held: Sequence[object]) -> Iterable[NodeDraft]:
        """An attribute that the model sets: known from here on where a run surely comes here."""
        owner, name = held[0], node.s("name")
        if isinstance(owner, Fields):
            if not self.containers.is_certain(owner):
                return (self._lost_write(node, owner, "the object is changed in the run"),)
            owner[name] = held[1]
            self.aliases.add(node.inputsAt(0), held[1])
            self._answered(node)
            return ()
        item = self.known[node.inputsAt(1).unique()]
        self._set_attributes.set(path_of(owner, name), item, surely=not self.depth)
        self._set_attributes.hold(name, drafts_in(held[1]))
        return (self._opaque(node, [self.item(value) for value in node.inputs()], "it changes the module"),)

    def _op(self, node: torch._C.Node, operation: Operation, items: Sequence[object]) -> Iterable[NodeDraft]:
        if operation.is_mutable:
            _write_by_own_name(node, operation, items)
            if self._writes_unseen:
                refuse_unseen_write(self.graph, node, operation, items, self.aliases, self.locate)
            scattered = self._scattered(node, operation, items)
            if scattered is not None:
                return scattered
            node, operation = self._functional(node, operation, items)
        if operation.is_mutable and self.depth:
            # A run may or may not come here, so what is written is not known.
            for draft in drafts_in(list(items)):
                self.aliases.forget_elements(draft)
        packed = self._packed.arguments(operation, items)
        if packed is not None:
            return (self._packed_op(node, operation, items, packed),)
        outputs = list(node.outputs())
        if _PLAIN.issuperset(map(type, items)) and self._number(outputs, operation, items):
            return ()
        try:
            result = evaluate(operation, items, self._calls)
        except OpError as error:
            self._refuse_shapes(node, operation, items)
            return (self._opaque(node, items, _OF_ELEMENTS if operation.name in ELEMENT_READS else str(error)),)
        results = result if len(outputs) > 1 and isinstance(result, (list, tuple)) else (result,)
        if len(results) != len(outputs):
            return (self._opaque(node, items, "it returns another number of values than its schema says"),)
        is_fixed = not (operation.is_mutable and self.depth)
        is_constant = is_fixed and self._constants.holds(node, operation, items, results)
        if is_constant:
            told = order_told(self.graph, node, operation, items, results)
            if told:
                return [draft for made in told for draft in self._visit(made)]
        elif not operation.is_mutable:
            found = expanded(self.graph, operation, plain_arguments(operation, items), results)
            if found is not None:
                # Kernels for types alone take some calls that a run refuses, and so does what stands for them.
                reason = failure(operation, items, most=FEW)
                if reason is None:
                    return [draft for made in found.in_place_of(self.graph, node) for draft in self._visit(made)]
                self._refuse_shapes(node, operation, items)
                return (self._opaque(node, items, reason),)
        answers = [self._bind(value, answer, is_constant) for value, answer in zip(outputs, results, strict=True)]
        for value, answer in zip(outputs, answers, strict=True):
            self.know(value, answer)
        drafts = [draft for answer in answers for draft in drafts_in(answer)]
        self.aliases.share_storage(results, drafts, items)
        if operation.is_mutable or operation.name in PLACE_ARGUMENT:
            self.aliases.share(node, operation, items, drafts)
        if operation.name in ELEMENT_READS and not is_constant:
            return (self._opaque(node, items, _OF_ELEMENTS),)
        if not drafts and not operation.is_mutable:
            return ()
        op, arguments = self._respelled(operation, items)
        made = NodeDraft(node, op, arguments, drafts, self.position(node, arguments), is_constant=is_constant)
        if operation.is_mutable:
            self.aliases.record_writes(made, operation, items)
        else:
            self.residue.reads(node, items)
        return (made,)

    def _number(self, outputs: Sequence[torch._C.Value], operation: Operation, items: Sequence[object]) -> bool:
        """Whether an op on numbers alone came to numbers, which are known then."""
        try:
            result = call(operation, items)
        except OpError:
            return False
        results = result if isinstance(result, tuple) else (result,)
        if len(outputs) != len(results) or not _PLAIN.issuperset(map(type, results)):
            return False
        for output, number in zip(outputs, results, strict=True):
            self.know(output, number)
        self._answered(outputs[0].node(), zip(outputs, results, strict=True))
        return True

    def _refuse_shapes(self, node: torch._C.Node, operation: Operation, items: Sequence[object]) -> None:
        """Raise where the op surely comes to be run, and a run fails with tensors of these types."""
        reason = failure(operation, items) if not self.depth else None
        if reason is not None:
            self._refuse(node, operation, items, reason)

    def _refuse(self, node: torch._C.Node, operation: Operation, items: Sequence[object], reason: str) -> NoReturn:
        given = plain_arguments(operation, items)
        name, place = op_name(operation), self.position(node, given)
        refuse_scale_fault(f"{name} at {place}", given)
        raise InputError(
            f"The model fails with {self.inputs_text} in {name} at {place}: {reason.rstrip('.!')}; "
            f"{fix_of_failure(operation, items)}."
        )

    def _packed_op(
        self,
        node: torch._C.Node,
        operation: Operation,
        items: Sequence[object],
        packed: tuple[dict[str, object], Unpacked],
    ) -> NodeDraft:
        arguments, unpacked = packed
        try:
            result = packed_result(operation, arguments, unpacked)
        except OpError as error:
            if not self.depth:
                self._refuse(node, operation, items, str(error))
            result = None
        if result is None:
            return self._opaque(node, items, "its output cannot be typed")
        output = Draft(node.output(), tensor_type(result), result, None, is_constant=False)
        self.know(node.output(), output)
        return NodeDraft(node, op_name(operation), arguments, [output], self.position(node, arguments))

    def _functional(
        self, node: torch._C.Node, operation: Operation, items: Sequence[object]
    ) -> tuple[torch._C.Node, Operation]:
        """The functional op in place of an in-place one, where nobody can see the difference."""
        target = items[0]
        functional = functional_form(operation, node)
        if functional is not None and operation.name in _WRITING_NOTHING:
            return make_functional(self.graph, node, functional.name), functional
        if functional is None or not isinstance(target, Draft) or not isinstance(target.type, TensorType):
            return node, operation
        if views_carried(node) == 0:
            return replaced(self.graph, node, (operation, functional), items, self._calls)
        # What the caller or the module itself holds keeps what was written; what a loop hands on may yet be anything.
        sharing = self.aliases.drafts_with(target)
        held = [draft for draft in sharing if is_held(draft) or (self.depth and draft.origin is not None)]
        is_input = isinstance(target.origin, GraphInput) and all(draft is target for draft in held)
        is_outermost = not self.depth and node.owningBlock() is target.torch_value.node().owningBlock()
        if held and not (is_input and is_outermost):
            return node, operation
        if target.is_real or self.aliases.is_read_elsewhere(target, node):
            return node, operation
        if self.depth and target.torch_value.node().owningBlock() is not node.owningBlock():
            # The next turn of a loop would read what this one wrote.
            return node, operation
        made, now = replaced(self.graph, node, (operation, functional), items, self._calls)
        if is_input and now is functional:
            self._written_back.append(write_back(self.graph, target.torch_value, made.output()))
        return made, now

    def _scattered(self, node: torch._C.Node, operation: Operation, items: Sequence[object]) -> list[NodeDraft] | None:
        """The nodes that put a part anew in the place of a write to it, where nobody can see the difference."""
        if node.outputsSize() != 1 or (self.depth and not views_carried(node)):
            return None
        made = scattered_write(self.graph, node, operation, items, self.known, self.aliases)
        return None if made is None else [draft for item in made for draft in self._visit(item)]

    def finish(self) -> list[NodeDraft]:
        """The nodes at the end of a run that write to inputs what the model overwrites them with."""
        return [self._write_back(node) for node in self._written_back]

    def _write_back(self, node: torch._C.Node) -> NodeDraft:
        target, source = (self.item(value) for value in list(node.inputs())[:2])
        kind = DynamicType(OVERWRITTEN, "aten.copy_.default")
        output = Draft(node.output(), kind, None, None, is_constant=False)
        arguments = {"self": target, "src": source, "non_blocking": False}
        made = NodeDraft(node, "aten.copy_.default", arguments, [output], self.position(node, arguments))
        made.has_effect = True
        return made

    def position(self, node: torch._C.Node, arguments: Mapping[str, object]) -> SourcePosition:
        """Where a node comes from, found by the parameters among its arguments where it has any."""
        drafts = (draft for item in arguments.values() for draft in drafts_in(item))
        paths = (draft.origin.path for draft in drafts if isinstance(draft.origin, Parameter))
        return self.locate(node, next(paths, None))

    def _bind(self, value: torch._C.Value, answer: object, is_constant: bool) -> object:
        if isinstance(answer, torch.Tensor):
            # Quantized tensors have no meta form: those that are not constant hold elements that mean nothing.
            keeps = answer.is_meta or answer.is_quantized or (is_constant and answer.numel() <= MAX_COMPUTED)
            tensor = answer if keeps else answer.to("meta")
            return Draft(value, tensor_type(answer), tensor, None, is_constant)
        if isinstance(answer, list):
            return [self._bind(value, part, is_constant) for part in answer]
        if isinstance(answer, tuple):
            return tuple(self._bind(value, part, is_constant) for part in answer)
        return answer

    def _opaque(self, node: torch._C.Node, items: Sequence[object], reason: str) -> NodeDraft:
        """A node whose results are not known: tensors of unknown shape, or objects."""
        operation = operation_at(node)
        name, arguments = node.kind().replace("::", "."), {f"input{i}": item for i, item in enumerate(items)}
        if operation is not None:
            name, arguments = self._respelled(operation, items)
        cause = cause_in(list(items))
        outputs = []
        for value in node.outputs():
            outputs.append(self.run_time_value(value, cause or DynamicType(reason, name)))
        self.aliases.share(node, operation, items, outputs)
        for value, draft in zip(node.outputs(), outputs, strict=True):
            self.know(value, draft)
        made = NodeDraft(node, name, with_held(arguments, items), outputs, self.position(node, arguments))
        made.has_effect = operation is None or operation.is_mutable or not outputs
        self._lose_hold(node)
        if operation is not None and operation.is_mutable:
            self.aliases.record_writes(made, operation, items)
        elif operation is not None:
            self.residue.reads(node, items)
        return made

    def _lose_hold(self, node: torch._C.Node) -> None:
        """Forget what a node that only the run follows may change, now or later."""
        self.lose(node.inputs())
        kind = node.kind()
        if kind in KEEPING and kind != "prim::SetAttr":
            self.forget(self.containers.written_blindly(None))
            return
        first = next(iter(node.inputs()), None)
        if first is None or isinstance(self.known[first.unique()], ModulePath):
            return
        if writes_container(node):
            self.forget(self.containers.written_blindly(first.type()))

    def _respelled(self, operation: Operation, items: Sequence[object]) -> tuple[str, dict[str, object]]:
        return respelled(op_name(operation), plain_arguments(operation, items), self.calls)

    def run_time_value(self, value: torch._C.Value, kind: DynamicType) -> Draft:
        """A draft for a value that only the run will tell."""
        if value.type().kind() == "TensorType":
            return Draft(value, kind, None, None, is_constant=False)
        return run_time_object(value, cause=kind)


def _write_by_own_name(node: torch._C.Node, operation: Operation, items: Sequence[object]) -> None:
    """Let an op write to what it overwrites by the name of the tensor itself, not by that of a place in a list."""
    for index, (argument, item) in enumerate(zip(operation.arguments, items, strict=False)):
        if not argument.is_written or not isinstance(item, Draft) or item.part or item.tensor is None:
            continue
        own = item.torch_value
        if own.unique() != node.inputsAt(index).unique() and comes_before(own, node):
            node.replaceInput(index, own)
