"""The borders of a lowered part: how each value that crosses it looks on PyTorch's side and on NNAPI's."""

from __future__ import annotations

from nnapi_check.analyzer.graph import NOT_QUANTIZED, ElementType, Graph, PerTensor, TensorType
from nnapi_check.analyzer.held_axes import held_order
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.node_reader import RuleError
from nnapi_check.lowering.nnapi.model import Operand, UnknownRank
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.part_lowering import Holder, LoweredPart

_ELEMENT_TYPES = {
    OperandType.TENSOR_FLOAT32: ElementType.FLOAT32,
    OperandType.TENSOR_INT32: ElementType.INT32,
    OperandType.TENSOR_QUANT8_ASYMM: ElementType.QUINT8,
    OperandType.TENSOR_FLOAT16: ElementType.FLOAT16,
    OperandType.TENSOR_BOOL8: ElementType.BOOL,
}


def border_of(holder: Holder, lowered: LoweredPart, graph: Graph) -> Border:
    """How the value that an operand holds is converted from PyTorch's tensor to NNAPI's operand, or back."""
    nnapi_type = _tensor_type(lowered.model.operands[holder.operand])
    return Border(holder.value, torch_type(holder, graph), nnapi_type, permutation_of(holder, graph))


def torch_type(holder: Holder, graph: Graph) -> TensorType:
    """PyTorch's type of a value that crosses."""
    kind = graph.type_of(holder.value)
    if not isinstance(kind, TensorType):
        raise RuleError(f"value {holder.value} crosses a boundary, but it is {kind}")
    return kind


def permutation_of(holder: Holder, graph: Graph) -> tuple[int, ...]:
    """Which of PyTorch's dimensions stands at each place on NNAPI's side; empty where the order is the same."""
    return held_order(torch_type(holder, graph).rank, nhwc=True) if holder.is_nhwc else ()


def _tensor_type(operand: Operand) -> TensorType:
    dtype = _ELEMENT_TYPES.get(operand.type)
    if dtype is None or isinstance(operand.shape, UnknownRank):
        raise RuleError(f"an operand of type {operand.type.name} cannot cross a boundary")
    shape = tuple(size for size in operand.shape if isinstance(size, int))
    if len(shape) != len(operand.shape):
        raise RuleError(f"an operand of shape {operand.shape} cannot cross a boundary: every dimension must be known")
    is_quantized = operand.type is OperandType.TENSOR_QUANT8_ASYMM
    quant = PerTensor(operand.quant.scale, operand.quant.zero_point) if is_quantized else NOT_QUANTIZED
    return TensorType(dtype, shape, quant)
