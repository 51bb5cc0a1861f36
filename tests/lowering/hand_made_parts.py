"""Parts of captured graphs lowered by hand, so that packaging is tested apart from the rules."""

from collections.abc import Callable, Collection, Iterable

import numpy as np
import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import ElementType, Node, PerTensor, Ref, TensorType
from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.recipes import Recipe, weight
from nnapi_check.lowering.nnapi.model import (
    Buffer,
    Computed,
    Immediate,
    Model,
    ModelInput,
    Operand,
    Operation,
    QuantParams,
    Source,
)
from nnapi_check.lowering.nnapi.serialize import serialize
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.package import Package, PackagedPart, PackageOptions, build_package

CODES = {name: facts.code for name, facts in load_operations().items()}
OPERATIONS = {
    "aten.relu.default": "RELU",
    "aten.tanh.default": "TANH",
    "aten.sigmoid.default": "LOGISTIC",
    "aten.add.Tensor": "ADD",
    "aten.mul.Tensor": "MUL",
    "aten.cat.default": "CONCATENATION",
    "aten.chunk.default": "SPLIT",
}


def _integers(*names: str) -> Callable[[Node], list[int]]:
    def read(node: Node) -> list[int]:
        found = [node.arguments[name] for name in names]
        return [item for item in found if isinstance(item, int)]

    return read


EXTRA: dict[str, Callable[[Node], list[int]]] = {
    "RELU": _integers(),
    "TANH": _integers(),
    "LOGISTIC": _integers(),
    "ADD": lambda _: [0],
    "MUL": lambda _: [0],
    "CONCATENATION": _integers("dim"),
    "SPLIT": _integers("dim", "chunks"),
}
"""The scalars that follow an operation's tensors."""


def nodes_of(captured: Captured, *ops: str) -> list[int]:
    """The ids of all nodes that call one of these ops (``relu``, ``add``)."""
    return [node.id for node in captured.graph.nodes() if node.op.split(".")[1] in ops]


def borders_of(captured: Captured, nodes: Collection[int]) -> tuple[list[int], list[int]]:
    """The values that nodes read from outside, and those they make that are read outside."""
    made = {value for node in captured.graph.nodes() if node.id in nodes for value in node.outputs}
    read = [value for node in captured.graph.nodes() if node.id in nodes for value in node.inputs()]
    outside = set(captured.graph.body.outputs)
    for node in captured.graph.nodes():
        outside.update(value for block in node.blocks for value in block.outputs)
        if node.id not in nodes:
            outside.update(node.inputs())
    values = captured.graph.values
    inputs = [value for value in dict.fromkeys(read) if value not in made and not values[value].is_constant]
    return inputs, [value for value in sorted(made) if value in outside]


class ModelMaker:
    """Collects operands and operations of a model."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.operands: list[Operand] = []
        self.operations: list[Operation] = []
        self.buffers: list[Recipe] = []
        self.of_value: dict[int, int] = {}

    def add(self, operand: Operand) -> int:
        self.operands.append(operand)
        return len(self.operands) - 1

    def tensor(self, shape: tuple[int, ...], source: Source) -> int:
        return self.add(Operand(OperandType.TENSOR_FLOAT32, shape or (1,), source))

    def tensor_like(self, value: int, source: Source) -> int:
        kind = self.kind(value)
        match kind.quant:
            case PerTensor(scale, zero_point):
                quant = QuantParams(scale, zero_point)
                return self.add(Operand(OperandType.TENSOR_QUANT8_ASYMM, kind.shape, source, quant))
            case _:
                return self.tensor(kind.shape, source)

    def scalar(self, number: int) -> int:
        return self.add(Operand(OperandType.INT32, (), Immediate(np.int32(number).tobytes())))

    def buffer(self, recipe: Recipe) -> int:
        self.buffers.append(recipe)
        return self.tensor(recipe.shape, Buffer(len(self.buffers) - 1, 0, recipe.byte_length))

    def kind(self, value: int) -> TensorType:
        kind = self.captured.graph.type_of(value)
        assert isinstance(kind, TensorType)
        return kind

    def operand(self, value: int) -> int:
        if value not in self.of_value:
            assert self.captured.graph.values[value].is_constant
            self.of_value[value] = self.buffer(weight(value, self.kind(value)))
        return self.of_value[value]

    def emit(self, node: Node) -> None:
        kind = OPERATIONS[node.op]
        inputs = [self.operand(value) for value in node.inputs()]
        inputs += [self.scalar(number) for number in EXTRA[kind](node)]
        outputs = tuple(self.tensor_like(value, Computed()) for value in node.outputs)
        self.of_value.update(zip(node.outputs, outputs, strict=True))
        self.operations.append(Operation(kind, tuple(inputs), outputs))

    def model(self, inputs: Iterable[int], outputs: Iterable[int]) -> Model:
        return Model(tuple(self.operands), tuple(self.operations), tuple(inputs), tuple(outputs))


def elementwise_part(captured: Captured, nodes: Collection[int]) -> PackagedPart:
    """Nodes of the ops in ``OPERATIONS`` on float32 or quint8 tensors as a part."""
    inputs, outputs = borders_of(captured, nodes)
    maker = ModelMaker(captured)
    for value in inputs:
        maker.of_value[value] = maker.tensor_like(value, ModelInput())
    for node in captured.graph.nodes():
        if node.id in nodes:
            maker.emit(node)

    def border(value: int) -> Border:
        kind = maker.kind(value)
        return Border(value, kind, TensorType(kind.dtype, kind.shape or (1,), kind.quant))

    model = maker.model((maker.of_value[value] for value in inputs), (maker.of_value[value] for value in outputs))
    return PackagedPart(
        nodes=tuple(nodes),
        inputs=tuple(border(value) for value in inputs),
        outputs=tuple(border(value) for value in outputs),
        serialized=serialize(model, CODES),
        buffers=tuple(maker.buffers),
    )


def convolution_part(captured: Captured, node_id: int, *, filters: Recipe, bias: Recipe) -> PackagedPart:
    """One 2-D convolution with stride 1 and no padding as a part that takes and gives NHWC."""
    (node,) = (node for node in captured.graph.nodes() if node.id == node_id)
    found = node.arguments["input"]
    assert isinstance(found, Ref)
    maker = ModelMaker(captured)
    borders = []
    for value in (found.value, node.outputs[0]):
        kind = maker.kind(value)
        n, c, h, w = kind.shape
        borders.append(Border(value, kind, TensorType(ElementType.FLOAT32, (n, h, w, c)), (0, 2, 3, 1)))
    x = maker.tensor(borders[0].nnapi.shape, ModelInput())
    operands = [
        x,
        maker.buffer(filters),
        maker.buffer(bias),
        *(maker.scalar(number) for number in (0, 0, 0, 0, 1, 1, 0)),
    ]
    y = maker.tensor(borders[1].nnapi.shape, Computed())
    maker.operations.append(Operation("CONV_2D", tuple(operands), (y,)))
    return PackagedPart(
        nodes=(node_id,),
        inputs=(borders[0],),
        outputs=(borders[1],),
        serialized=serialize(maker.model([x], [y]), CODES),
        buffers=tuple(maker.buffers),
    )


def plain_convolution_part(captured: Captured, node_id: int) -> PackagedPart:
    """A convolution whose filter is only permuted."""
    (node,) = (node for node in captured.graph.nodes() if node.id == node_id)
    return convolution_part(
        captured,
        node_id,
        filters=argument_weight(captured, node, "weight").permute(0, 2, 3, 1),
        bias=argument_weight(captured, node, "bias"),
    )


def argument_weight(captured: Captured, node: Node, name: str) -> Recipe:
    """The recipe of a constant argument."""
    found = node.arguments[name]
    assert isinstance(found, Ref)
    kind = captured.graph.type_of(found.value)
    assert isinstance(kind, TensorType)
    return weight(found.value, kind)


def packaged(captured: Captured, *parts: PackagedPart, bundled_inputs: tuple[tuple[object, ...], ...] = ()) -> Package:
    """A package of these parts."""
    return build_package(captured, parts, PackageOptions(bundled_inputs=bundled_inputs))


def random_tensor(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal random numbers, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
