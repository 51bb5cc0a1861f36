"""What a rule reads: a node's arguments by schema name, and how the layout plan turns axes, orders and constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar

from nnapi_check.analyzer.graph import Absent, Argument, Graph, Node, Ref, RefList, TensorType, is_ints
from nnapi_check.analyzer.held_axes import IMAGE_RANK, LAYOUT_RANKS, held_axes, held_order
from nnapi_check.analyzer.planning.layout import NHWC_FROM_NCHW, LayoutPlan
from nnapi_check.lowering.emission.recipes import Recipe, weight

T = TypeVar("T")


class RuleError(Exception):
    """A rule broke what its card promises: a fault of this project, never of the user's model."""


@dataclass(frozen=True, slots=True)
class NodeReader:
    """Reads one node of a graph. An argument of another kind than asked for is a ``RuleError``.

    ``carried`` are the types of the values that floats carry for this node.
    """

    node: Node
    graph: Graph
    layout: LayoutPlan
    carried: Mapping[int, TensorType] = field(default_factory=dict)

    @property
    def op(self) -> str:
        """The op that the node calls."""
        return self.node.op

    @property
    def outputs(self) -> tuple[int, ...]:
        """The values that the node makes."""
        return self.node.outputs

    # Arguments, by schema name.

    def argument(self, name: str) -> Argument:
        """An argument as it was captured."""
        return self.node.arguments[name]

    def takes(self, name: str) -> bool:
        """Whether the op has such an argument at all."""
        return name in self.node.arguments

    def has(self, name: str) -> bool:
        """Whether an optional argument is given."""
        return self.takes(name) and not isinstance(self.node.arguments[name], Absent)

    def ints(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers; a single one becomes a list of one; the data of a small constant counts."""
        found = self.argument(name)
        if isinstance(found, int):
            return (int(found),)
        if is_ints(found):
            return tuple(int(item) for item in found)
        raise self._another_kind(name, "whole numbers were")

    def integer(self, name: str) -> int:
        """A whole number."""
        (found,) = self.ints(name)
        return found

    def real(self, name: str) -> float:
        """A number."""
        found = self.argument(name)
        if isinstance(found, bool | int | float):
            return float(found)
        raise self._another_kind(name, "a number was")

    def flag(self, name: str) -> bool:
        """A truth value."""
        return bool(self.integer(name))

    def value(self, name: str) -> int:
        """The value of the graph that a tensor argument is."""
        found = self.argument(name)
        if not isinstance(found, Ref):
            raise self._another_kind(name, "a tensor was")
        return found.value

    def values(self, name: str) -> tuple[int | None, ...]:
        """The values of the graph in a list of tensors, None where one is left out."""
        found = self.argument(name)
        if not isinstance(found, RefList):
            raise self._another_kind(name, "a list of tensors was")
        return found.values

    def type_of(self, name: str) -> TensorType:
        """The PyTorch type of a tensor argument, in PyTorch's order of dimensions."""
        return self.tensor_type(self.value(name))

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The sizes of a tensor argument, in PyTorch's order; one of rank 0 has a dimension, as in its operand."""
        return self.type_of(name).shape or (1,)

    def output_type(self, index: int = 0) -> TensorType:
        """The PyTorch type of the node's output, in PyTorch's order of dimensions."""
        return self.tensor_type(self.outputs[index])

    def tensor_type(self, value: int) -> TensorType:
        """The PyTorch type of a value of the graph that is a tensor, or that of the floats which carry it."""
        kind = self.carried.get(value, self.graph.values[value].type)
        if not isinstance(kind, TensorType):
            raise RuleError(f"{self.op}: value {value} is {kind}, a tensor was wanted")
        return kind

    # Constants.

    def is_constant(self, name: str) -> bool:
        """Whether a tensor argument depends on no input's values."""
        found = self.argument(name)
        return isinstance(found, Ref) and self.is_constant_value(found.value)

    def is_constant_value(self, value: int) -> bool:
        """Whether a value of the graph depends on no input's values."""
        return self.graph.values[value].is_constant

    def constant(self, name: str) -> Recipe:
        """The recipe of a constant tensor argument, in PyTorch's order of dimensions."""
        return self.constant_value(self.value(name))

    def constants(self, name: str) -> tuple[Recipe | None, ...]:
        """The recipes of a list of constant tensors, None where one is left out."""
        return tuple(None if value is None else self.constant_value(value) for value in self.values(name))

    def constant_value(self, value: int) -> Recipe:
        """The recipe of a constant value of the graph, in PyTorch's order of dimensions."""
        kind = self.tensor_type(value)
        stored = self.graph.tensor_type(value) or kind
        recipe = weight(value, stored)
        return recipe.cast(kind.dtype) if value in self.carried else recipe

    # Layout.

    @property
    def runs_nhwc(self) -> bool:
        """Whether this node reads or makes images or volumes in NHWC order."""
        return any(self.makes_nhwc(value) for value in self.outputs) or any(
            self.reads_nhwc(value) for value in self.node.inputs()
        )

    def reads_nhwc(self, value: int) -> bool:
        """Whether this node reads a value in NHWC order."""
        return self.layout.reads_nhwc(self.node.id, value)

    def makes_nhwc(self, value: int) -> bool:
        """Whether a value is made in NHWC order."""
        return value in self.layout.nhwc_values

    def axis(self, axis: int, rank: int) -> int:
        """Where the operand of a tensor of this rank has an axis, 0 or more, in the layout that this node runs in."""
        axis = axis % max(rank, 1)
        groups = held_axes(rank, nhwc=self.runs_nhwc and rank in LAYOUT_RANKS)
        return next((place for place, group in enumerate(groups) if axis in group), axis)

    def order_read(self, name: str) -> tuple[int, ...]:
        """PyTorch's dimensions of a tensor argument in the order in which this node reads them."""
        value = self.value(name)
        # What has no dimension is held as one of one element.
        return held_order(max(self.tensor_type(value).rank, 1), nhwc=self.reads_nhwc(value))

    def permuted(self, name: str, order: Sequence[int]) -> tuple[int, ...]:
        """The order that makes the node's output of the tensor argument ``name``, each in its planned layout.

        ``order`` is PyTorch's: dimension ``order[i]`` comes to place ``i``.
        """
        stands = self.order_read(name)
        wanted = held_order(len(order), nhwc=self.makes_nhwc(self.outputs[0]))
        return tuple(stands.index(order[place]) for place in wanted)

    def arranged(self, items: Sequence[T]) -> tuple[T, ...]:
        """One item for each dimension, given in PyTorch's order, in the layout that this node runs in."""
        if len(items) == IMAGE_RANK and self.runs_nhwc:
            return tuple(items[axis] for axis in NHWC_FROM_NCHW)
        return tuple(items)

    def placed(self, recipe: Recipe) -> Recipe:
        """A constant that broadcasts with the node's output, in the layout that this node runs in."""
        whole = max((self.output_type(index).shape for index in range(len(self.outputs))), key=len)
        rank = len(whole)
        if prod(recipe.shape) == 1:
            return recipe if rank <= IMAGE_RANK else recipe.reshape(1)
        if not self.runs_nhwc and (rank <= IMAGE_RANK or len(recipe.shape) < IMAGE_RANK):
            return recipe
        rank = max(rank, IMAGE_RANK)
        aligned = (1,) * (rank - len(recipe.shape)) + recipe.shape
        groups = held_axes(rank, nhwc=self.runs_nhwc)
        spread = list(aligned)
        for group in groups:
            # What is held in one dimension repeats entirely there, or not at all.
            if any(aligned[axis] != 1 for axis in group):
                for axis in group:
                    spread[axis] = whole[axis] if aligned[axis] == 1 else aligned[axis]
        turned = recipe.reshape(*aligned)
        if tuple(spread) != aligned:
            turned = turned.expand(*spread)
        order = tuple(axis for group in groups for axis in group)
        if order != tuple(range(rank)):
            turned = turned.permute(*order)
        if rank == IMAGE_RANK:
            return turned
        return turned.reshape(*(prod(spread[axis] for axis in group) for group in groups))

    def by_channel(self, numbers: Recipe) -> Recipe:
        """A constant of one number a channel, PyTorch's second dimension of the output, as it broadcasts with that.

        What has no second dimension has one channel.
        """
        rank = self.output_type().rank
        place = min(1, rank - 1)
        return self.placed(numbers.reshape(*(numbers.shape[0] if axis == place else 1 for axis in range(rank))))

    def in_feature_order(self, weights: Recipe, data: str, *, axis: int) -> Recipe:
        """The weights of a product with the tensor argument ``data``, put along ``axis`` in the order of its features.

        Features that were flattened from NHWC stand in the order height, width, channels; others need no change.
        """
        flattened = self.layout.features.get(self.value(data))
        if flattened is None:
            return weights
        before, after = weights.shape[:axis], weights.shape[axis + 1 :]
        order = tuple(axis + place for place in (1, 2, 0))
        rest = tuple(range(axis + 3, axis + 3 + len(after)))
        return (
            weights.reshape(*before, *flattened, *after)
            .permute(*range(axis), *order, *rest)
            .reshape(*before, weights.shape[axis], *after)
        )

    def _another_kind(self, name: str, wanted: str) -> RuleError:
        return RuleError(f"{self.op}: {name} is {self.argument(name)!r}, {wanted} wanted")
