"""Capture: from a model file or a live module to the graph that everything else works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from analyzer.collection import collection_paused
from analyzer.constant_values import ConstantValues
from analyzer.control_flow import DecidedBranch
from analyzer.drafts import Draft, drafts_in
from analyzer.graph import Graph, TensorType
from analyzer.input_binding import InputLayout, choose_types, input_items, layout_of
from analyzer.input_spec import InputSpec
from analyzer.model_file import Example, OpenedModel, open_model
from analyzer.normal_form import normalize, refuse_file_ops
from analyzer.numbering import Numbered, number_graph
from analyzer.source_position import SourceFinder
from analyzer.tensor_types import random_tensor, tensor_type
from analyzer.torchscript import in_evaluation_mode, quiet
from analyzer.typing_walk import TypingWalk

Model = Path | torch.nn.Module
Inputs = Sequence[torch.Tensor] | Sequence[InputSpec]
Given = tuple[torch.Tensor | InputSpec, ...] | None


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured graph, with the TorchScript it was read from.

    ``module`` is in our normal form: its ``forward`` graph is what ``torch_nodes`` (by `Node.id`) and
    ``torch_values`` (by `Value.id`) belong to. ``decided`` are the conditions in it that shapes decide: the nodes
    of the branch that is taken are in ``graph`` as if there were no condition around them.
    """

    graph: Graph
    module: torch._C.ScriptModule
    torch_nodes: tuple[torch._C.Node, ...]
    torch_values: tuple[torch._C.Value, ...]
    input_types: tuple[TensorType, ...]
    input_layout: InputLayout
    has_weights: bool
    decided: tuple[DecidedBranch, ...]
    _drafts: tuple[Draft, ...]
    _constants: ConstantValues
    _stored_inputs: tuple[torch.Tensor, ...]
    _example: list[torch.Tensor] = field(default_factory=list)

    @property
    def example_inputs(self) -> tuple[torch.Tensor, ...]:
        """Inputs to run the model on: those given or stored with it, else random ones of its types."""
        if not self._example:
            generator = torch.Generator().manual_seed(0)
            made = self._stored_inputs or tuple(random_tensor(kind, generator) for kind in self.input_types)
            self._example.extend(made)
        return tuple(self._example)

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


def capture(model: Model, inputs: Inputs | None = None, *, weights: bool, trust: bool = False) -> Captured:
    """Capture a model file or a live module.

    ``inputs`` are example tensors or specifications; None takes those stored with the model. With ``weights``
    the elements of parameters are read; without, only their types, and the graph is the same. ``trust``
    permits files that can run code of their maker when they are opened.
    """
    given: Given = tuple(inputs) if inputs is not None else None
    specs = [_spec(item) for item in given] if given is not None else None
    with quiet(), torch.no_grad(), collection_paused():
        opened = open_model(model, _examples(given), weights=weights, trust=trust)
        if isinstance(model, Path) and not trust:
            refuse_file_ops(opened.module._c, model)
        with in_evaluation_mode(opened.module):
            module = normalize(opened.module._c)
        graph = module._get_method("forward").graph
        count = len(given) if given is not None else opened.stored_count
        layout = layout_of(module, graph, count)
        types = choose_types(layout, specs, opened.stored_types, opened.name)
        finder = SourceFinder(opened.module._c)
        walk = TypingWalk(module, graph, finder.locate, _text_of(layout, types))
        drafts = walk.bind(graph, *input_items(layout, graph, types))
        nodes = walk.walk_block(graph)
        outputs = [draft for value in graph.outputs() for draft in drafts_in(walk.item(value))]
        numbered = number_graph(opened.name, drafts, nodes, outputs)
    return _captured(numbered, walk, layout, types, opened, given, weights=weights)


def _captured(
    numbered: Numbered,
    walk: TypingWalk,
    layout: InputLayout,
    types: tuple[TensorType, ...],
    opened: OpenedModel,
    given: Given,
    *,
    weights: bool,
) -> Captured:
    return Captured(
        numbered.graph,
        walk.root,
        tuple(node.torch_node for node in numbered.nodes),
        tuple(draft.torch_value for draft in numbered.values),
        types,
        layout,
        weights,
        tuple(walk.decided),
        numbered.values,
        ConstantValues(walk.root, numbered.nodes, walk.known),
        _tensors(given) or opened.stored_inputs,
    )


def _text_of(layout: InputLayout, types: Sequence[TensorType]) -> str:
    specs = (InputSpec(kind, name) for kind, name in zip(types, layout.names, strict=True))
    return f"input {', '.join(map(str, specs))}" if types else "no inputs"


def _tensors(given: Given) -> tuple[torch.Tensor, ...]:
    return tuple(item for item in given or () if isinstance(item, torch.Tensor))


def _spec(item: torch.Tensor | InputSpec) -> InputSpec:
    return InputSpec(tensor_type(item)) if isinstance(item, torch.Tensor) else item


def _examples(given: Given) -> tuple[Example, ...]:
    """Tensors to trace with: those given, and random ones of the types given."""
    generator = torch.Generator().manual_seed(0)
    return tuple(
        Example(None, item)
        if isinstance(item, torch.Tensor)
        else Example(item.name, random_tensor(item.type, generator))
        for item in given or ()
    )
