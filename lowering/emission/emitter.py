"""What a rule writes with: operands in the layout that each is read in, constants, and operations.

An emitter is bound to one node and way at a time. It refuses an operation that the way's card does not list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

from nnapi_check.analyzer.carried_elements import carried_types
from nnapi_check.analyzer.equalization import ENDS, NO_FACTORS, Factors
from nnapi_check.analyzer.graph import ElementType, Graph, Node, TensorType
from nnapi_check.analyzer.held_axes import IMAGE_RANK
from nnapi_check.analyzer.nnapi_types import GREATEST_STORED, copying_operation, operand_type
from nnapi_check.analyzer.planning.layout import NCHW_FROM_NHWC, NHWC_FROM_NCHW, LayoutPlan
from nnapi_check.coverage_db.cards import Way, WeightScales
from nnapi_check.coverage_db.spec import FuseCode, OperandType
from nnapi_check.lowering.emission.model_draft import Constant, Draft, DraftOperation, OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader, RuleError
from nnapi_check.lowering.emission.recipes import Recipe
from nnapi_check.lowering.emission.tensor_spec import INT32_SCALAR, TensorSpec, spec_of, stored_number
from nnapi_check.lowering.nnapi.model import (
    NOT_QUANTIZED,
    ChannelQuantParams,
    Computed,
    ModelInput,
    NoValue,
    QuantParams,
)


class Emitter:
    """Writes the operations of one part, node by node, into a draft."""

    def __init__(self, graph: Graph, layout: LayoutPlan, draft: Draft | None = None) -> None:
        self.draft = Draft() if draft is None else draft
        self.operands: dict[tuple[int, bool], OperandId] = {}
        self.inputs: dict[tuple[int, bool], OperandId] = {}
        self.has_spared = False
        self.layout = layout
        self._graph = graph
        # What a model takes in one order of dimensions alone.
        self._given = set(layout.given)
        self._node: NodeReader | None = None
        # Values that floats carry for this node, and the operands that do so.
        self._carried: Mapping[int, TensorType] = {}
        self._floats: dict[tuple[int, bool], OperandId] = {}
        self._emits: frozenset[str] = frozenset()
        self._read: set[int] = set()
        self._activation = FuseCode.NONE
        self.weight_scales = WeightScales.OWN
        self.factors = NO_FACTORS

    def bind(self, node: Node, way: Way, factors: Factors = NO_FACTORS) -> NodeReader:
        """Turn to a node, and give what its rule reads. Called by the engine before the rule."""
        self._carried = carried_types(node, self._graph, way.carried) if way.carried else {}
        self._node = NodeReader(node, self._graph, self.layout, self._carried)
        self._emits = frozenset(emission.operation for emission in way.emits)
        self._read.clear()
        self._activation = way.activation
        self.weight_scales = way.weight_scales
        self.factors = factors
        return self._node

    @property
    def node(self) -> NodeReader:
        """The node that is being lowered."""
        if self._node is None:
            raise RuleError("the emitter is not bound to a node")
        return self._node

    def spare(self) -> None:
        """Say that an operation which the card lists is not needed here, so that the level may be lower."""
        self.has_spared = True

    def spare_unread(self) -> None:
        """Spare the changes of layout planned for values of which the node's rule read no more than the shape."""
        node = self.node.node
        if any((node.id, value) in self.layout.conflicts and value not in self._read for value in node.inputs()):
            self.spare()

    # Operands of the graph's values.

    def take(self, value: int) -> None:
        """Let a value be the model's next input, in PyTorch's order of dimensions."""
        kind = self._graph.type_of(value)
        spec = spec_of(kind, nhwc=False) if isinstance(kind, TensorType) else None
        if spec is None:
            raise RuleError(f"value {value} is {kind}, which no operand holds")
        operand = self.draft.add(spec, ModelInput())
        self.inputs[value, False] = self.operands[value, False] = operand
        self.draft.inputs.append(operand)
        self._given.add(value)

    def value(self, value: int) -> OperandId:
        """The operand of a value of the graph, in the layout that this node reads."""
        return self._value(value)

    def input(self, name: str) -> OperandId:
        """The operand of a tensor argument, in the layout that this node reads."""
        return self._value(self.node.value(name))

    def inputs_of(self, name: str) -> tuple[OperandId, ...]:
        """The operands of a list of tensors."""
        return tuple(self._value(value) for value in self.node.values(name) if value is not None)

    def only_input_of(self, name: str) -> tuple[int, OperandId]:
        """The operand of the only tensor in a list that leaves all others out, and its place in the list."""
        ((place, value),) = ((place, value) for place, value in enumerate(self.node.values(name)) if value is not None)
        return place, self._value(value)

    def input_or_number(self, name: str, like: OperandId) -> OperandId:
        """The operand of a tensor or number; a number becomes a tensor ``[1]`` of the type of ``like``."""
        found = self.node.argument(name)
        if isinstance(found, bool | int | float):
            return self.number(found, like)
        return self.input(name)

    def spec(self, operand: OperandId) -> TensorSpec:
        """What an operand is."""
        return self.draft.operands[operand].spec

    def output_spec(self, index: int = 0) -> TensorSpec:
        """What the operand of the node's output must be, in its planned layout."""
        value = self.node.outputs[index]
        return self._spec_of(value, nhwc=self.node.makes_nhwc(value))

    def set_output(self, value: int, operand: OperandId) -> None:
        """Say which operand holds a value of the graph, in its planned layout. Called by the engine."""
        nhwc = self.node.makes_nhwc(value)
        wanted, found = self.held_spec(value, nhwc=nhwc), self.spec(operand)
        if (wanted.type, wanted.shape, wanted.quant) != (found.type, found.shape, found.quant):
            raise RuleError(f"{self.node.op}: its rule made {found}, its output is {wanted}")
        self.operands[value, nhwc] = operand

    # What floats carry.

    def floats_of(self, value: int, convert: Callable[[OperandId], OperandId]) -> None:
        """Let this node read a value as floats, which ``convert`` makes unless there are some. Called by the engine."""
        place = (value, self.node.reads_nhwc(value))
        if place not in self._floats and not self.node.is_constant_value(value):
            self._floats[place] = convert(self._held(value))

    def set_floats(self, value: int, operand: OperandId) -> None:
        """Say which operand holds a value as floats, in its planned layout. Called by the engine."""
        self._floats[value, self.node.makes_nhwc(value)] = operand

    def held_spec(self, value: int, *, nhwc: bool) -> TensorSpec:
        """What the operand of a value of the graph is, whatever carries it through this node."""
        return self._spec(value, self._graph.tensor_type(value), nhwc=nhwc)

    def made(self, value: int) -> OperandId:
        """The operand that holds a value of the graph as it was made."""
        return self.operands[value, value in self.layout.nhwc_values]

    # Constants.

    def weight(
        self,
        recipe: Recipe,
        quant: QuantParams = NOT_QUANTIZED,
        kind: OperandType | None = None,
        channels: ChannelQuantParams | None = None,
    ) -> OperandId:
        """A constant operand made by a recipe, whose shape and element type it has unless ``kind`` is given."""
        found = kind if kind is not None else operand_type(TensorType(recipe.dtype, recipe.shape))
        if found is None:
            raise RuleError(f"{self.node.op}: NNAPI has no element type for a constant of {recipe.dtype.value}")
        if recipe.dtype is ElementType.INT64:
            recipe = recipe.cast(ElementType.INT32)
        if not recipe.shape:
            recipe = recipe.reshape(1)
        return self.draft.add(TensorSpec(found, recipe.shape, quant, channels), Constant(recipe))

    def number(self, value: float, like: OperandId) -> OperandId:
        """A constant tensor of shape ``[1]`` with the element type of another operand."""
        spec = self.spec(like)
        return self.draft.immediate(TensorSpec(spec.type, (1,), spec.quant), [stored_number(value, spec)])

    def quantized_number(self, value: float) -> OperandId:
        """A number as a quantized tensor of one element, exactly: an end of a scale of its own."""
        scale = abs(value) / GREATEST_STORED if value else 1.0
        stored, zero_point = (0, GREATEST_STORED) if value < 0 else (GREATEST_STORED if value else 0, 0)
        spec = TensorSpec(OperandType.TENSOR_QUANT8_ASYMM, (1,), QuantParams(scale, zero_point))
        return self.draft.immediate(spec, [stored])

    def int32(self, value: int) -> OperandId:
        """An INT32 scalar."""
        return self.draft.immediate(INT32_SCALAR, [value])

    def boolean(self, value: bool) -> OperandId:
        """A BOOL scalar. It is a level-3 type: leave it out where the default serves."""
        return self.draft.immediate(TensorSpec(OperandType.BOOL, ()), [value])

    def scalar(self, value: float, like: OperandId) -> OperandId:
        """A float scalar as wide as another operand: FLOAT16 beside float16, else FLOAT32."""
        is_half = self.spec(like).type is OperandType.TENSOR_FLOAT16
        kind = OperandType.FLOAT16 if is_half else OperandType.FLOAT32
        return self.draft.immediate(TensorSpec(kind, ()), [float(value)])

    def int32_tensor(self, values: Sequence[int], shape: tuple[int, ...] | None = None) -> OperandId:
        """A constant TENSOR_INT32: a vector, unless a shape is given."""
        return self.draft.immediate(TensorSpec(OperandType.TENSOR_INT32, shape or (len(values),)), values)

    def fuse(self, code: FuseCode = FuseCode.NONE) -> OperandId:
        """The scalar that names a fused activation."""
        return self.int32(code)

    def activation(self) -> OperandId:
        """The scalar that names the activation with which the node's op ends, by its card."""
        return self.fuse(self._activation)

    def omitted(self, spec: TensorSpec) -> OperandId:
        """An optional input that is left out in the middle of the inputs."""
        return self.draft.add(spec, NoValue())

    # Operations.

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

    def as_outputs(self, operands: Sequence[OperandId]) -> tuple[OperandId, ...]:
        """Operands as the outputs of a model: one that is not computed, or stands twice, is copied."""
        found: list[OperandId] = []
        for operand in operands:
            is_own = operand not in found and isinstance(self.draft.operands[operand].source, Computed)
            found.append(operand if is_own else self.copied(operand))
        return tuple(found)

    def inner(self, layout: LayoutPlan) -> Emitter:
        """An emitter for a model that an operation of this one refers to."""
        return Emitter(self._graph, layout, Draft(self.draft.referenced))

    def refer(self, inner: Emitter) -> OperandId:
        """The operand of a model that is written."""
        self.has_spared = self.has_spared or inner.has_spared
        return self.draft.refer(inner.draft)

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

    def ended(self, operand: OperandId, ends: OperandId) -> OperandId:
        """The channels of an operand, none of them beyond its own end."""
        (made,) = self._emit(ENDS, [operand, ends], [self.spec(operand)])
        return made

    def _emit(self, kind: str, inputs: Sequence[OperandId], outputs: Sequence[TensorSpec]) -> tuple[OperandId, ...]:
        made = tuple(self.draft.add(spec, Computed()) for spec in outputs)
        self.draft.operations.append(DraftOperation(kind, tuple(inputs), made, self.node.node.id))
        return made

    def _value(self, value: int) -> OperandId:
        if self.node.is_constant_value(value):
            return self._constant_operand(value)
        if value in self._carried:
            return self._floats[value, self.node.reads_nhwc(value)]
        return self._held(value)

    def _held(self, value: int) -> OperandId:
        self._read.add(value)
        nhwc = self.node.reads_nhwc(value)
        if (value, nhwc) in self.operands:
            return self.operands[value, nhwc]
        if value in self.layout.given and not nhwc and (value, True) not in self.operands:
            self._add_input(value, nhwc=True)
        if (value, not nhwc) in self.operands and (value in self._given or (value, not nhwc) not in self.inputs):
            self.operands[value, nhwc] = self._converted(value, nhwc=nhwc)
        else:
            self._add_input(value, nhwc=nhwc)
        return self.operands[value, nhwc]

    def _add_input(self, value: int, *, nhwc: bool) -> None:
        operand = self.draft.add(self.held_spec(value, nhwc=nhwc), ModelInput())
        self.inputs[value, nhwc] = self.operands[value, nhwc] = operand
        self.draft.inputs.append(operand)

    def _converted(self, value: int, *, nhwc: bool) -> OperandId:
        """Change the order of dimensions inside the model, by the operation that the layout plan names."""
        operand = self.operands[value, not nhwc]
        spec = self.held_spec(value, nhwc=nhwc)
        change = self.layout.conflicts.get((self.node.node.id, value))
        if change is None:
            raise RuleError(f"{self.node.op}: no change of layout was planned for value {value}")
        kind = self.node.tensor_type(value)
        if change.operation == "TRANSPOSE" and kind.rank == IMAGE_RANK:
            return self._moved("TRANSPOSE", operand, NHWC_FROM_NCHW if nhwc else NCHW_FROM_NHWC, spec)
        if change.operation == "TRANSPOSE":
            # A volume is a row of channels for each cell here, a row of cells for each channel there.
            batch, channels, *cells = kind.shape
            inner = (channels, prod(cells)) if nhwc else (prod(cells), channels)
            flat, turned = (replace(spec, shape=(batch, *pair)) for pair in (inner, inner[::-1]))
            operand = self._moved("RESHAPE", operand, flat.shape, flat)
            operand = self._moved("TRANSPOSE", operand, (0, 2, 1), turned)
        return self._moved("RESHAPE", operand, spec.shape, spec)

    def _moved(self, kind: str, operand: OperandId, numbers: Sequence[int], spec: TensorSpec) -> OperandId:
        (made,) = self._emit(kind, [operand, self.int32_tensor(numbers)], [spec])
        return made

    def _constant_operand(self, value: int) -> OperandId:
        recipe = self.node.placed(self.node.constant_value(value))
        if not self.node.tensor_type(value).is_quantized:
            return self.weight(recipe)
        recipe = recipe.quantized_storage()
        return self.draft.add(replace(self._spec_of(value, nhwc=False), shape=recipe.shape or (1,)), Constant(recipe))

    def _spec_of(self, value: int, *, nhwc: bool) -> TensorSpec:
        return self._spec(value, self.node.tensor_type(value), nhwc=nhwc)

    def _spec(self, value: int, kind: TensorType | None, *, nhwc: bool) -> TensorSpec:
        found = None if kind is None else spec_of(kind, nhwc=nhwc)
        if found is None:
            raise RuleError(f"{self.node.op}: no operand holds value {value}, {self._graph.type_of(value)}")
        return found
