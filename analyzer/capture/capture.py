"""Capture: from a model file or a live module to the graph that everything else works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from nnapi_check.analyzer.capture.carried_writes import carry_writes
from nnapi_check.analyzer.capture.complex_numbers.complex_pairs import express_complex
from nnapi_check.analyzer.capture.containers.unrolled_loops import unroll
from nnapi_check.analyzer.capture.decided_branches import take_branches
from nnapi_check.analyzer.capture.normal_form import normalize, refuse_converted, refuse_file_ops
from nnapi_check.analyzer.capture.numbering import number_graph
from nnapi_check.analyzer.capture.settling import State, copy_overwritten, settle, shared_sets, state_found
from nnapi_check.analyzer.capture.source_position import SourceFinder
from nnapi_check.analyzer.capture.typed_numbers import type_numbers
from nnapi_check.analyzer.capture.typing_walk import TypingWalk
from nnapi_check.analyzer.files.model_file import OpenedModel, open_model
from nnapi_check.analyzer.graph import Graph, Node, TensorType
from nnapi_check.analyzer.growing_graph import Draft, NodeDraft, drafts_in, held_in, own_copy
from nnapi_check.analyzer.inputs.arguments import Call, as_call
from nnapi_check.analyzer.inputs.binding import BoundInputs, InputLayout, bind_inputs
from nnapi_check.analyzer.inputs.containers import InputValues, open_inputs
from nnapi_check.analyzer.inputs.specification import InputSpec
from nnapi_check.analyzer.inputs.taken_shapes import TakenShape
from nnapi_check.analyzer.ops.constant_values import ConstantValues
from nnapi_check.analyzer.rewrites.driver import rewrite
from nnapi_check.analyzer.rewrites.rewrite import KnownOps, NearMiss, shipped_ops
from nnapi_check.analyzer.tensor_types import random_tensor
from nnapi_check.analyzer.torchscript import in_evaluation_mode, quiet
from nnapi_check.coverage_db.cards import OtherCall
from nnapi_check.coverage_db.queries import Registry

Model = Path | torch.nn.Module
Inputs = Sequence[object] | Mapping[str, object] | Call


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured graph after its rewrites, with the TorchScript it was read from.

    ``module`` is in our normal form: its ``forward`` graph is what ``torch_nodes`` (by `Node.id`) and
    ``torch_values`` (by `Value.id`) belong to. In it, conditions that shapes decide have made way for the branch that
    is taken, and what is known of lists, tables and objects is read without them. ``calls`` are its nodes before the
    rewrites, by id: those that a node of ``graph`` covers are among them. ``near_misses`` are what was almost
    rewritten, and ``notes`` what a user should know of how the model was opened. ``original`` is the TorchScript graph
    as the user's module has it, for inputs of any shape. ``shared`` are the sets of values that may share a storage
    and are overwritten in a run, by the numbers of the TorchScript values that belong to them. ``taken`` are the
    shapes that ``original`` takes of the inputs, where that is known.
    """

    graph: Graph
    module: torch._C.ScriptModule
    torch_nodes: tuple[torch._C.Node, ...]
    torch_values: tuple[torch._C.Value, ...]
    input_types: tuple[TensorType, ...]
    input_layout: InputLayout
    has_weights: bool
    original: torch._C.Graph
    shared: Mapping[int, frozenset[int]]
    calls: tuple[Node, ...]
    near_misses: tuple[NearMiss, ...]
    notes: tuple[str, ...]
    taken: tuple[TakenShape, ...]
    _drafts: tuple[Draft, ...]
    _constants: ConstantValues
    _inputs: BoundInputs
    _reference: Call | None
    _example: list[torch.Tensor] = field(default_factory=list)

    @property
    def example_inputs(self) -> tuple[torch.Tensor, ...]:
        """Tensors to run the model on: those given or stored with it, else random ones of its types."""
        if not self._example:
            generator = torch.Generator().manual_seed(0)
            given = zip(self._inputs.examples, self.input_types, strict=True)
            self._example.extend(random_tensor(kind, generator) if x is None else x for x, kind in given)
        return tuple(self._example)

    @property
    def example_arguments(self) -> tuple[object, ...]:
        """The arguments of ``module`` that hold the example inputs."""
        return self.input_layout.arguments(self.example_inputs)

    @property
    def reference_call(self) -> Call:
        """The same arguments, as the model takes them that was captured."""
        return Call(self.example_arguments) if self._reference is None else self._reference

    @property
    def torch_graph(self) -> torch._C.Graph:
        """The TorchScript graph of ``forward`` that ``torch_nodes`` and ``torch_values`` belong to."""
        return self.module._get_method("forward").graph

    def part_of(self, value: int) -> str:
        """Which piece of its TorchScript value a value is: ``weight`` or ``bias`` of packed parameters, else empty."""
        return self._drafts[value].part

    def tensor(self, value: int) -> torch.Tensor:
        """The elements of a constant: stored, or computed by constant nodes. Needs a capture with weights."""
        if not self.has_weights:
            raise ValueError("the graph was captured without weights")
        return self._constants.tensor(self._drafts[value])

    def refuse_failing_constants(self) -> None:
        """Raise an `InputError` where a kernel fails to compute a constant, as it does in a run. Nothing is kept."""
        replace(self._constants).refuse_failures()


def capture(
    model: Model,
    inputs: Inputs | None = None,
    *,
    weights: bool,
    trust: bool = False,
    registry: Registry | None = None,
    stands_in: bool = False,
) -> Captured:
    """Capture a model file or a live module.

    ``inputs`` are the arguments of ``forward``, or a mapping of names to them: example tensors or specifications, plain
    values, and lists, tuples and tables of them; None takes those stored with the model. With ``weights`` the elements
    of parameters are read; without, only their types, and the graph is the same. ``trust`` permits files that can
    run code of their maker when they are opened. ``registry`` says what ops are read
    as; None is the one that this version holds. With ``stands_in``, which is for processes that capture and end, ops
    that a file calls and nothing has registered are defined by these calls: they cannot run.
    """
    known = shipped_ops() if registry is None else KnownOps.of(registry)
    call = as_call(inputs)
    with quiet(), torch.no_grad():
        opened = open_model(model, call, weights=weights, trust=trust, stands_in=stands_in)
        refuse_converted(opened.module._c, str(model) if isinstance(model, Path) else opened.name)
        if isinstance(model, Path) and not trust:
            refuse_file_ops(opened.module._c, model)
        with in_evaluation_mode(opened.module):
            module = normalize(opened.module._c)
        graph = module._get_method("forward").graph
        bound = bind_inputs(module, None if opened.is_traced else call, opened.stored, opened.name)
        original = graph.copy()
        values = open_inputs(graph, bound.layout, bound.types)
        walk, drafts, nodes = _walked(opened, module, bound, values, known.calls)
        results = [walk.item(value) for value in graph.outputs()]
        outputs = [*drafts_in(results), *held_in(results)]
        numbered = number_graph(opened.name, drafts, nodes, outputs)
        rewritten = rewrite(numbered.graph, known)
    return Captured(
        rewritten.graph,
        walk.root,
        tuple(node.torch_node for node in numbered.nodes),
        tuple(draft.torch_value for draft in numbered.values),
        bound.types,
        bound.layout,
        weights,
        original,
        shared_sets(walk.aliases, walk.known),
        tuple(numbered.graph.nodes()),
        rewritten.near_misses,
        opened.notes,
        opened.taken,
        numbered.values,
        ConstantValues(walk.root, numbered.nodes, walk.known),
        bound,
        opened.reference,
    )


def _walked(
    opened: OpenedModel,
    module: torch._C.ScriptModule,
    bound: BoundInputs,
    values: InputValues,
    calls: Mapping[str, OtherCall],
) -> tuple[TypingWalk, list[Draft], list[NodeDraft]]:
    """A walk to the end, with its inputs and nodes. What it finds to be overwritten it is begun anew with."""
    graph = module._get_method("forward").graph
    state, unrolled = State(), 0
    while True:
        finder = SourceFinder(opened.module._c, opened.sources)
        walk = TypingWalk(module, graph, finder.locate, calls, _text_of(bound.layout, bound.types), state)
        walk.repetition.ops_unrolled = unrolled
        # A walk writes to the lists that it knows.
        items = [(value, own_copy(item)) for value, item in values.items]
        drafts = walk.bind(graph, values.drafts, items)
        nodes = [*walk.walk_block(graph), *walk.finish()]
        if walk.growing:
            for loop, turns in walk.growing:
                unroll(graph, loop, turns)
            unrolled = walk.repetition.ops_unrolled
            continue
        if carry_writes(graph, walk.known, walk.aliases) or express_complex(graph, walk.item):
            continue
        found = state | state_found(walk.aliases) | State(frozenset(walk.containers.written_paths))
        if not copy_overwritten(graph, walk.aliases, walk.known) and found == state:
            settle(walk.aliases, nodes)
            type_numbers(graph, walk.item)
            take_branches(walk.decided, nodes)
            walk.residue.write(graph, walk.known, walk.containers.home)
            return walk, drafts, nodes
        state = found


def _text_of(layout: InputLayout, types: Sequence[TensorType]) -> str:
    specs = (InputSpec(kind, name) for kind, name in zip(types, layout.names, strict=True))
    return f"input {', '.join(map(str, specs))}" if types else "no inputs"
