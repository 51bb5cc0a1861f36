"""What a rule writes with: it reads a node's arguments, converts layouts and constants, and emits operations.

An emitter is bound to one node and way at a time. It refuses an operation that the way's card does not list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import TypeVar

from nnapi_check.analyzer.graph import (
    Absent,
    Argument,
    ElementType,
    Graph,
    Node,
    NotQuantized,
    PerChannel,
    PerTensor,
    Ref,
    RefList,
    TensorType,
)
from nnapi_check.analyzer.nnapi_types import SIGNED_SHIFT, copying_operation, operand_type
from nnapi_check.analyzer.planning.layout import NCHW_FROM_NHWC, NHWC_FROM_NCHW, LayoutPlan, axis_in_nhwc
from nnapi_check.coverage_db.cards import Way
from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.emission.model_draft import Constant, Draft, DraftOperation, OperandId, TensorSpec
from nnapi_check.lowering.emission.recipes import Recipe, weight
from nnapi_check.lowering.emission.stored_numbers import packed_numbers, stored_number
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    ChannelQuantParams,
    Computed,
    Immediate,
    ModelInput,
    NoValue,
    QuantParams,
)

T = TypeVar("T")


class RuleError(Exception):
    """A rule broke what its card promises: a fault of this project, never of the user's model."""


class Emitter:
    """Writes the operations of one part, node by node, into a draft."""

    def __init__(self, graph: Graph, layout: LayoutPlan) -> None:
        self.draft = Draft()
        self.graph = graph
        self._layout = layout
        self._node: Node | None = None
        self._way: Way | None = None
        self._emits: frozenset[str] = frozenset()
        self.operands: dict[tuple[int, bool], OperandId] = {}
        self.inputs: dict[tuple[int, bool], OperandId] = {}
        self.has_spared = False

    def bind(self, node: Node, way: Way) -> None:
        """Turn to a node. Called by the engine before the node's rule."""
        self._node, self._way = node, way
        self._emits = frozenset(emission.operation for emission in way.emits)

    @property
    def node(self) -> Node:
        """The node that is being lowered."""
        if self._node is None:
            raise RuleError("the emitter is not bound to a node")
        return self._node

    # Arguments, by schema name.

    def argument(self, name: str) -> Argument:
        """An argument as it was captured."""
        return self.node.arguments[name]

    def has(self, name: str) -> bool:
        """Whether an optional argument is given."""
        return name in self.node.arguments and not isinstance(self.node.arguments[name], Absent)

    def ints(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers; a single one becomes a list of one; the data of a small constant counts."""
        found = self.node.arguments[name]
        if isinstance(found, int):
            return (int(found),)
        if isinstance(found, tuple) and all(isinstance(item, int) for item in found):
            return tuple(int(item) for item in found)
        raise RuleError(f"{self.node.op}: {name} is {found!r}, whole numbers were wanted")

    def integer(self, name: str) -> int:
        """A whole number."""
        (found,) = self.ints(name)
        return found

    def real(self, name: str) -> float:
        """A number."""
        found = self.node.arguments[name]
        if isinstance(found, bool | int | float):
            return float(found)
        raise RuleError(f"{self.node.op}: {name} is {found!r}, a number was wanted")

    def flag(self, name: str) -> bool:
        """A truth value."""
        return bool(self.integer(name))

    def type_of(self, name: str) -> TensorType:
        """The PyTorch type of a tensor argument, in PyTorch's order of dimensions."""
        return self._tensor_type(self._ref(name))

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The sizes of a tensor argument, in PyTorch's order; one of rank 0 has a dimension, as in its operand."""
        return self.type_of(name).shape or (1,)

    def output_type(self, index: int = 0) -> TensorType:
        """The PyTorch type of the node's output, in PyTorch's order of dimensions."""
        return self._tensor_type(self.node.outputs[index])

    def _tensor_type(self, value: int) -> TensorType:
        kind = self.graph.values[value].type
        if not isinstance(kind, TensorType):
            raise RuleError(f"{self.node.op}: value {value} is {kind}, a tensor was wanted")
        return kind

    def _ref(self, name: str) -> int:
        found = self.node.arguments[name]
        if not isinstance(found, Ref):
            raise RuleError(f"{self.node.op}: {name} is {found!r}, a tensor was wanted")
        return found.value

    # Operands.

    def input(self, name: str) -> OperandId:
        """The operand of a tensor argument, in the layout that this node reads."""
        return self._value(self._ref(name))

    def inputs_of(self, name: str) -> tuple[OperandId, ...]:
        """The operands of a list of tensors."""
        found = self.node.arguments[name]
        if not isinstance(found, RefList):
            raise RuleError(f"{self.node.op}: {name} is {found!r}, a list of tensors was wanted")
        return tuple(self._value(value) for value in found.values if value is not None)

    def input_or_number(self, name: str, like: OperandId) -> OperandId:
        """The operand of a tensor or number; a number becomes a tensor ``[1]`` of the type of ``like``."""
        found = self.node.arguments[name]
        if isinstance(found, bool | int | float):
            return self.number(found, like)
        return self.input(name)

    def is_constant(self, name: str) -> bool:
        """Whether a tensor argument depends on no input's values."""
        found = self.node.arguments[name]
        return isinstance(found, Ref) and self.graph.values[found.value].is_constant

    def constant(self, name: str) -> Recipe:
        """The recipe of a constant tensor argument, in PyTorch's order of dimensions."""
        return weight(self._ref(name), self.type_of(name))

    def in_feature_order(self, weights: Recipe, data: str, *, axis: int) -> Recipe:
        """The weights of a product with the tensor argument ``data``, put along ``axis`` in the order of its features.

        Features that were flattened from NHWC stand in the order height, width, channels; others need no change.
        """
        flattened = self._layout.features.get(self._ref(data))
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

    def weight(self, recipe: Recipe, quant: QuantParams = NOT_QUANTIZED, kind: OperandType | None = None) -> OperandId:
        """A constant operand made by a recipe, whose shape and element type it has unless ``kind`` is given."""
        found = kind if kind is not None else operand_type(TensorType(recipe.dtype, recipe.shape))
        if found is None:
            raise RuleError(f"{self.node.op}: NNAPI has no element type for a constant of {recipe.dtype.value}")
        if recipe.dtype is ElementType.INT64:
            recipe = recipe.cast(ElementType.INT32)
        if not recipe.shape:
            recipe = recipe.reshape(1)
        return self.draft.add(TensorSpec(found, recipe.shape, quant), Constant(recipe))

    @property
    def runs_nhwc(self) -> bool:
        """Whether this node reads or makes rank-4 activations in NHWC order."""
        node = self.node
        return any(value in self._layout.nhwc_values for value in node.outputs) or any(
            self._layout.reads_nhwc(node.id, value) for value in node.inputs()
        )

    def axis(self, axis: int, rank: int) -> int:
        """An axis of a tensor of this rank, 0 or more, where it stands in the layout that this node runs in."""
        axis = axis % max(rank, 1)
        return axis_in_nhwc(axis) if rank == 4 and self.runs_nhwc else axis

    def permuted(self, name: str, order: Sequence[int]) -> tuple[int, ...]:
        """The order that makes the node's output of the tensor argument ``name``, each in its planned layout.

        ``order`` is PyTorch's: dimension ``order[i]`` comes to place ``i``.
        """
        same = tuple(range(len(order)))
        stands = NHWC_FROM_NCHW if self._layout.reads_nhwc(self.node.id, self._ref(name)) else same
        wanted = NHWC_FROM_NCHW if self.node.outputs[0] in self._layout.nhwc_values else same
        return tuple(stands.index(order[place]) for place in wanted)

    def spare(self) -> None:
        """Say that an operation which the card lists is not needed here, so that the level may be lower."""
        self.has_spared = True

    def arranged(self, items: Sequence[T]) -> tuple[T, ...]:
        """One item for each dimension, given in PyTorch's order, in the layout that this node runs in."""
        if len(items) == 4 and self.runs_nhwc:
            return tuple(items[axis] for axis in NHWC_FROM_NCHW)
        return tuple(items)

    def placed(self, recipe: Recipe) -> Recipe:
        """A constant that broadcasts with rank-4 activations, in the layout that this node runs in."""
        if not self.runs_nhwc or prod(recipe.shape) == 1:
            return recipe
        return recipe.reshape(*(1,) * (4 - len(recipe.shape)), *recipe.shape).permute(*NHWC_FROM_NCHW)

    def spec(self, operand: OperandId) -> TensorSpec:
        """What an operand is."""
        return self.draft.operands[operand].spec

    def output_spec(self, index: int = 0) -> TensorSpec:
        """What the operand of the node's output must be, in its planned layout."""
        value = self.node.outputs[index]
        return self._spec_of(value, nhwc=value in self._layout.nhwc_values)

    def _spec_of(self, value: int, *, nhwc: bool) -> TensorSpec:
        kind = self._tensor_type(value)
        found = operand_type(kind)
        if found is None:
            raise RuleError(f"{self.node.op}: NNAPI has no element type for {kind.dtype.value}")
        shape = tuple(kind.shape[axis] for axis in NHWC_FROM_NCHW) if nhwc else kind.shape
        quant, channels = quant_params(kind)
        return TensorSpec(found, shape or (1,), quant, channels)

    def number(self, value: float, like: OperandId) -> OperandId:
        """A constant tensor of shape ``[1]`` with the element type of another operand."""
        spec = self.spec(like)
        return self._immediate(TensorSpec(spec.type, (1,), spec.quant), [stored_number(value, spec)])

    def int32(self, value: int) -> OperandId:
        """An INT32 scalar."""
        return self._immediate(TensorSpec(OperandType.INT32, ()), [value])

    def boolean(self, value: bool) -> OperandId:
        """A BOOL scalar. It is a level-3 type: leave it out where the default serves."""
        return self._immediate(TensorSpec(OperandType.BOOL, ()), [value])

    def scalar(self, value: float, like: OperandId) -> OperandId:
        """A float scalar as wide as another operand: FLOAT16 beside float16, else FLOAT32."""
        is_half = self.spec(like).type is OperandType.TENSOR_FLOAT16
        return self._immediate(TensorSpec(OperandType.FLOAT16 if is_half else OperandType.FLOAT32, ()), [float(value)])

    def int32_tensor(self, values: Sequence[int], shape: tuple[int, ...] | None = None) -> OperandId:
        """A constant TENSOR_INT32: a vector, unless a shape is given."""
        return self._immediate(TensorSpec(OperandType.TENSOR_INT32, shape or (len(values),)), values)

    def fuse(self, code: FuseCode = FuseCode.NONE) -> OperandId:
        """The scalar that names a fused activation."""
        return self.int32(code)

    def omitted(self, spec: TensorSpec) -> OperandId:
        """An optional input that is left out in the middle of the inputs."""
        return self.draft.add(spec, NoValue())

    def _immediate(self, spec: TensorSpec, values: Iterable[float]) -> OperandId:
        numbers = list(values)
        return self.draft.add(spec, Immediate(packed_numbers(numbers, spec.type)))

    # Emission.

    def operation(self, kind: str, inputs: Sequence[OperandId], output: TensorSpec | None = None) -> OperandId:
        """Emit an operation with one output: the node's own, where no other is described. Gives its operand."""
        (made,) = self.operations(kind, inputs, [output if output is not None else self.output_spec()])
        return made

    def operations(
        self, kind: str, inputs: Sequence[OperandId], outputs: Sequence[TensorSpec]
    ) -> tuple[OperandId, ...]:
        """Emit an operation with several outputs. Gives their operands."""
        if kind not in self._emits:
            raise RuleError(f"{self.node.op}: emitted {kind}, which its card does not list")
        return self._emit(kind, inputs, outputs)

    def _emit(self, kind: str, inputs: Sequence[OperandId], outputs: Sequence[TensorSpec]) -> tuple[OperandId, ...]:
        made = tuple(self.draft.add(spec, Computed()) for spec in outputs)
        self.draft.operations.append(DraftOperation(kind, tuple(inputs), made, self.node.id))
        return made

    def set_output(self, value: int, operand: OperandId) -> None:
        """Say which operand holds a value of the graph, in its planned layout. Called by the engine."""
        nhwc = value in self._layout.nhwc_values
        wanted, found = self._spec_of(value, nhwc=nhwc), self.spec(operand)
        if (wanted.type, wanted.shape, wanted.quant) != (found.type, found.shape, found.quant):
            raise RuleError(f"{self.node.op}: its rule made {found}, its output is {wanted}")
        self.operands[value, nhwc] = operand

    def made(self, value: int) -> OperandId:
        """The operand that holds a value of the graph as it was made."""
        return self.operands[value, value in self._layout.nhwc_values]

    def copied(self, operand: OperandId) -> OperandId:
        """A computed copy of an operand, for a model output that must not be an input or another output."""
        spec = self.spec(operand)
        kind = copying_operation(spec.type)
        match kind:
            case "SLICE":
                inputs = [operand, self.int32_tensor([0] * len(spec.shape)), self.int32_tensor(spec.shape)]
            case "LOGICAL_AND":
                inputs = [operand, operand]
            case _:
                inputs = [operand, self.int32_tensor(spec.shape)]
        (made,) = self._emit(kind, inputs, [spec])
        return made

    def _value(self, value: int) -> OperandId:
        found = self.graph.values[value]
        if found.is_constant:
            return self._constant_operand(value)
        nhwc = self._layout.reads_nhwc(self.node.id, value)
        if (value, nhwc) in self.operands:
            return self.operands[value, nhwc]
        if (value, not nhwc) in self.operands and (value, not nhwc) not in self.inputs:
            self.operands[value, nhwc] = self._converted(value, nhwc=nhwc)
        else:
            operand = self.draft.add(self._spec_of(value, nhwc=nhwc), ModelInput())
            self.inputs[value, nhwc] = self.operands[value, nhwc] = operand
            self.draft.inputs.append(operand)
        return self.operands[value, nhwc]

    def _converted(self, value: int, *, nhwc: bool) -> OperandId:
        """Change the order of dimensions inside the model, by the operation that the layout plan names."""
        operand = self.operands[value, not nhwc]
        spec = self._spec_of(value, nhwc=nhwc)
        change = self._layout.conflicts.get((self.node.id, value))
        if change is None:
            raise RuleError(f"{self.node.op}: no change of layout was planned for value {value}")
        order = NHWC_FROM_NCHW if nhwc else NCHW_FROM_NHWC
        argument = self.int32_tensor(order if change.operation == "TRANSPOSE" else spec.shape)
        (made,) = self._emit(change.operation, [operand, argument], [spec])
        return made

    def _constant_operand(self, value: int) -> OperandId:
        kind = self._tensor_type(value)
        recipe: Recipe = weight(value, kind)
        recipe = self.placed(recipe)
        if isinstance(kind.quant, NotQuantized):
            return self.weight(recipe)
        spec = self._spec_of(value, nhwc=False)
        recipe = recipe.quantized_storage()
        return self.draft.add(replace(spec, shape=recipe.shape or (1,)), Constant(recipe))


def quant_params(kind: TensorType) -> tuple[QuantParams, ChannelQuantParams | None]:
    """NNAPI's parameters for a PyTorch tensor, as ``nnapi_check.analyzer.nnapi_types`` says that it is held."""
    match kind.quant:
        case NotQuantized():
            return NOT_QUANTIZED, None
        case PerTensor(scale, zero_point):
            return QuantParams(scale, zero_point + (SIGNED_SHIFT if kind.dtype is ElementType.QINT8 else 0)), None
        case PerChannel(scales, _, axis):
            return NOT_QUANTIZED, ChannelQuantParams(scales, axis)
