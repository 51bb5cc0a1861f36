"""The recipe of a constant value: a tensor of the module, or what constant nodes compute from such tensors."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.graph import (
    Absent,
    Argument,
    Graph,
    Literal,
    Node,
    NodeOutput,
    Parameter,
    Ref,
    RefList,
    TensorType,
    Unknown,
)
from lowering.weights import Recipe, RecipeArgument, Weight, from_call


class ConstantError(Exception):
    """A constant cannot be computed when the model is loaded: the message names the value and why."""


def constant_recipe(value: int, graph: Graph, constants: Mapping[int, Node]) -> Recipe:
    """How a constant value is made. ``constants`` are the graph's constant nodes by id."""
    found = graph.values[value]
    if not isinstance(found.type, TensorType):
        raise ConstantError(f"constant value {value} is {found.type}, a tensor was wanted")
    match found.origin:
        case Parameter() | Literal():
            return Weight(value, found.type.shape, found.type.dtype, found.type.quant)
        case NodeOutput(node, index):
            made_by = constants[node]
            return from_call(
                made_by.op,
                tuple(_argument(item, graph, constants) for item in made_by.arguments.values()),
                shape=found.type.shape,
                dtype=found.type.dtype,
                quant=found.type.quant,
                output=index if len(made_by.outputs) > 1 else None,
            )
        case _:
            raise ConstantError(f"value {value} depends on an input")


def _argument(argument: Argument, graph: Graph, constants: Mapping[int, Node]) -> RecipeArgument:
    match argument:
        case Ref(value):
            return constant_recipe(value, graph, constants)
        case RefList(values):
            return tuple(constant_recipe(value, graph, constants) for value in values if value is not None)
        case Absent():
            return None
        case Unknown(reason):
            raise ConstantError(f"a constant's argument is not known: {reason}")
        case tuple():
            return tuple(int(item) for item in argument)
        case _:
            return argument
