"""How much a node computes, in operations of arithmetic.

These are estimates that weigh nodes against each other. They are not times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from nnapi_check.analyzer.graph import Graph, Node, TensorType, referred
from nnapi_check.analyzer.nnapi_types import operand_type
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS

MATRIX_RANK = 2
BATCHED_ROWS = 3

_MATRIX_PRODUCTS = {
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), ""),
    "addmm": "mat1",
    "baddbmm": "batch1",
    "addmv": "mat",
}
"""Products of matrices, with their first factor: each element of the output sums over its last dimension. Where none is
named, it is the first tensor."""


_UNCOUNTED = frozenset(
    {
        "_convolution",
        "_convolution_mode",
        "_trilinear",
        "cdist",
        "chain_matmul",
        "convolution",
        "einsum",
        "linalg_multi_dot",
        "matrix_power",
        "mkldnn_rnn_layer",
        "tensordot",
    }
)
"""Ops that multiply, where reading a model left them as they are: how often is not told by one of their shapes."""


def multiply_adds(node: Node, graph: Graph) -> int | None:
    """The multiply-adds of convolutions, matrix products, attention and recurrent layers; 0 for every other op.

    None where the op multiplies, but how often is not known: its shapes are known only at run time, for one.
    """
    name = node.op.split(".")[1]
    if name in _UNCOUNTED:
        return None
    if name.startswith(("conv", "linear", "bilinear")) and "weight" in node.arguments:
        return _filter_products(node, graph, is_transposed=name.startswith("conv_transpose"))
    if name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        return _recurrent_products(node, graph, ("params",))
    if name.endswith("_cell"):
        return _recurrent_products(node, graph, ("w_ih", "w_hh"))
    if name == "scaled_dot_product_attention":
        return _attention_products(node, graph)
    if name == "_native_multi_head_attention":
        return _fused_attention(node, graph, ("query", "key", "value"), ("proj_weight",))
    if name == "_transformer_encoder_layer_fwd":
        return _fused_attention(node, graph, ("src",) * 3, ("proj_weight", "ffn_weight_1", "ffn_weight_2"))
    if name == "contract":
        return _contraction(node, graph)
    if name == "addbmm":
        batches = graph.tensor_of(node.arguments.get("batch1"))
        return None if batches is None else _times(_output(node, graph), batches.shape[0] * batches.shape[-1])
    if name not in _MATRIX_PRODUCTS:
        return 0
    left = _MATRIX_PRODUCTS[name]
    matrix = graph.tensor_of(node.arguments.get(left)) if left else _first(node, graph)
    return _times(_output(node, graph), matrix.shape[-1]) if matrix is not None and matrix.shape else None


def _filter_products(node: Node, graph: Graph, *, is_transposed: bool) -> int | None:
    """Each element of the output, or of a transposed convolution's input, meets one filter."""
    weight = graph.tensor_of(node.arguments.get("weight"))
    met = _first(node, graph) if is_transposed else _output(node, graph)
    return None if weight is None else _times(met, prod(weight.shape[1:]))


def _recurrent_products(node: Node, graph: Graph, names: Sequence[str]) -> int | None:
    """Every matrix meets every vector of the input: one for each step and each member of the batch."""
    data = graph.tensor_of(node.arguments.get("input"))
    factors = [graph.tensor_type(value) for name in names for value in referred(node.arguments.get(name))]
    if data is None or not data.shape or not data.shape[-1] or not factors or None in factors:
        return None
    vectors = data.numel // data.shape[-1]
    return vectors * sum(factor.numel for factor in factors if factor is not None and factor.rank == MATRIX_RANK)


def _contraction(node: Node, graph: Graph) -> int | None:
    """Each element of the output sums over the last dimension of the first factor, as it is reshaped."""
    match node.arguments["left_shape"]:
        case (*_, int(sums)):
            return _times(_output(node, graph), sums)
        case _:
            return None


def _attention_products(node: Node, graph: Graph) -> int | None:
    """Queries with keys, and what comes of it with values."""
    query, key, value = (graph.tensor_of(node.arguments.get(name)) for name in ("query", "key", "value"))
    if query is None or key is None or value is None:
        return None
    return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _fused_attention(node: Node, graph: Graph, sources: tuple[str, str, str], matrices: Sequence[str]) -> int | None:
    """Three projections to the width of the model, attention, and products of each place of the result."""
    query, key, value = (graph.tensor_of(node.arguments.get(name)) for name in sources)
    weights = [graph.tensor_of(node.arguments.get(name)) for name in matrices]
    if query is None or key is None or value is None or None in weights or query.rank != BATCHED_ROWS:
        return None
    batch, length, width = query.shape
    projected = sum(source.numel * width for source in (query, key, value))
    compared = 2 * batch * length * key.shape[1] * width
    return projected + compared + batch * length * sum(weight.numel for weight in weights if weight is not None)


def _times(tensor: TensorType | None, factor: int) -> int | None:
    return None if tensor is None else tensor.numel * factor


def node_work(node: Node, graph: Graph) -> int:
    """Multiply-adds, as far as they are known, and one operation for each element of each output."""
    found = (graph.tensor_type(value) for value in node.outputs)
    return (multiply_adds(node, graph) or 0) + sum(tensor.numel for tensor in found if tensor is not None)


def works(graph: Graph) -> dict[int, int]:
    """The work of every node, by its id."""
    return {node.id: node_work(node, graph) for node in graph.nodes()}


def constant_bytes(graph: Graph) -> int:
    """The bytes, as NNAPI stores them, of the constants that nodes read which depend on an input: mostly weights."""
    read = {value for node in graph.nodes() if not node.is_constant for value in node.inputs()}
    return stored_bytes(graph, (value for value in read if graph.values[value].is_constant))


def stored_bytes(graph: Graph, values: Iterable[int]) -> int:
    """The bytes of values, as NNAPI stores them."""
    tensors = (graph.tensor_type(value) for value in values)
    found = ((tensor, operand_type(tensor)) for tensor in tensors if tensor is not None)
    return sum(tensor.numel * ELEMENT_STRUCTS[kind].size for tensor, kind in found if kind is not None)


def _first(node: Node, graph: Graph) -> TensorType | None:
    value = next(iter(node.inputs()), None)
    return None if value is None else graph.tensor_type(value)


def _output(node: Node, graph: Graph) -> TensorType | None:
    return graph.tensor_type(node.outputs[0]) if node.outputs else None
