"""From a captured graph and the one part that it became to a program and its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.ndk.program import (
    ALIGNMENT,
    UNREAD,
    AtPlace,
    Crossing,
    PassedOn,
    Program,
    ProgramInput,
    ProgramOutput,
    Region,
    Stored,
)
from nnapi_check.lowering.ndk.writing import Weight
from nnapi_check.lowering.nnapi.model import Buffer, Immediate, Model, Operand
from nnapi_check.lowering.packaging.manifest import HeldValue, Manifest, PartRecord, write_manifest
from nnapi_check.lowering.packaging.package import PackageOptions
from nnapi_check.lowering.packaging.part_borders import border_of, permutation_of
from nnapi_check.lowering.packaging.recipe_torch import evaluate, stored
from nnapi_check.lowering.part_lowering import LoweredPart

MAIN = "main"
"""What the one part of a model file is called."""

_COPIED_BYTES = 128
"""NNAPI copies constants of no more bytes than this; larger ones it reads where they lie, which is best the file."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A program, and the weights that it names."""

    program: Program
    weights: tuple[Weight, ...]


def assemble(captured: Captured, survey: Survey, part: LoweredPart, options: PackageOptions) -> Assembled:
    """The program of a graph that one part holds. Weights are read when they are written."""
    graph = survey.graph
    region = _Region(captured)
    model = replace(_laid_out(part.model, part.buffers, region), relaxed=options.is_relaxed)
    borders = {holder.operand: border_of(holder, part, graph) for holder in (*part.inputs, *part.outputs)}
    input_of = {borders[operand].value: place for place, operand in enumerate(model.inputs)}
    output_of = {borders[operand].value: place for place, operand in enumerate(model.outputs)}
    orders = {border.value: border.permutation for border in borders.values()}

    def crossing(value: int, name: str) -> Crossing:
        kind = graph.type_of(value)
        if not isinstance(kind, TensorType):
            raise TypeError(f"value {value} is {kind}, wanted a tensor")
        return Crossing(name, kind, orders.get(value, ()))

    def origin(value: int) -> AtPlace | PassedOn | Stored:
        if value in output_of:
            return AtPlace(output_of[value])
        if value in graph.body.inputs:
            return PassedOn(graph.body.inputs.index(value))
        return region.constant(value)

    names = captured.input_layout.names
    inputs = tuple(
        ProgramInput(crossing(value, name), AtPlace(input_of[value]) if value in input_of else UNREAD)
        for value, name in zip(graph.body.inputs, names, strict=True)
    )
    outputs = tuple(
        ProgramOutput(crossing(value, f"output_{index}"), origin(value))
        for index, value in enumerate(graph.body.outputs)
    )
    record = PartRecord(
        MAIN,
        tuple(borders[operand] for operand in model.inputs),
        tuple(borders[operand] for operand in model.outputs),
        part.part.nodes,
        tuple(HeldValue(held.operand, held.value, permutation_of(held, graph)) for held in part.held),
    )
    program = Program(
        level=part.level,
        model=model,
        places=tuple(_places(nodes, survey) for nodes in (part.node_of, *part.inner_node_of)),
        inputs=inputs,
        outputs=outputs,
        preference=options.preference,
        notes=write_manifest(Manifest((record,), options.preference, options.is_relaxed, options.extra)),
    )
    return Assembled(program, tuple(region.weights))


def _places(nodes: Sequence[int], survey: Survey) -> tuple[str, ...]:
    found = (survey.nodes[node] for node in nodes)
    return tuple(f"{node.op} at {node.source}" for node in found)


class _Region:
    """The weights region while it is laid out. What is equal lies in it once."""

    def __init__(self, captured: Captured) -> None:
        self._captured = captured
        self._places: dict[Recipe | bytes | int, Stored] = {}
        self._end = 0
        self.weights: list[Weight] = []

    def recipe(self, recipe: Recipe) -> Stored:
        """Room for what a recipe gives."""
        return self._place(recipe, recipe.byte_length, lambda: _bytes(evaluate(recipe, self._captured.tensor)))

    def data(self, data: bytes) -> Stored:
        """Room for these bytes."""
        return self._place(data, len(data), lambda: _bytes(torch.frombuffer(bytearray(data), dtype=torch.uint8)))

    def constant(self, value: int) -> Stored:
        """Room for a constant of the graph, as PyTorch has it."""
        tensor = self._captured.tensor(value).contiguous()
        return self._place(value, tensor.numel() * tensor.element_size(), lambda: _bytes(tensor))

    def _place(self, key: Recipe | bytes | int, length: int, read: Callable[[], Region]) -> Stored:
        if key not in self._places:
            offset = -(-self._end // ALIGNMENT) * ALIGNMENT
            self._places[key] = Stored(offset, length)
            self._end = offset + length
            self.weights.append(Weight(offset, length, read))
        return self._places[key]


def _bytes(tensor: torch.Tensor) -> Region:
    return stored(tensor).reshape(-1).view("u1")


def _laid_out(model: Model, recipes: Sequence[Recipe], region: _Region) -> Model:
    """The model with its large constants in the one numbered buffer that a file has."""

    def moved(operand: Operand) -> Operand:
        match operand.source:
            case Buffer(index, offset, length):
                place = region.recipe(recipes[index])
                return replace(operand, source=Buffer(0, place.offset + offset, length))
            case Immediate(data) if len(data) > _COPIED_BYTES:
                place = region.data(data)
                return replace(operand, source=Buffer(0, place.offset, place.length))
            case _:
                return operand

    return replace(
        model,
        operands=tuple(map(moved, model.operands)),
        referenced=tuple(_laid_out(inner, recipes, region) for inner in model.referenced),
    )
