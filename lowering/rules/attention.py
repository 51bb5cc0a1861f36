"""Attention: products, softmax and products again, for all heads at once or head by head."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from analyzer.graph import Node
from lowering.attention import Heads, attend, attend_one_by_one, node_mask
from lowering.draft import OperandId
from lowering.emitter import Emitter
from lowering.matrix_product import permuted, reshaped, row_product
from lowering.registry import lowers

Attend = Callable[[Emitter, Heads], OperandId]


def _attended(emit: Emitter, attend_heads: Attend) -> OperandId:
    query, key = emit.type_of("query"), emit.type_of("key")
    factor = emit.real("scale") if emit.has("scale") else 1 / sqrt(query.shape[-1])
    mask = node_mask(emit, query.shape[-2], key.shape[-2])
    heads = Heads(emit.input("query"), emit.input("key"), emit.input("value"), factor, mask)
    return attend_heads(emit, heads)


@lowers("aten.scaled_dot_product_attention.default", way="batched")
def attention(node: Node, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL, MUL, ADD, SOFTMAX and BATCH_MATMUL."""
    return _attended(emit, attend)


@lowers("aten.scaled_dot_product_attention.default", way="one-by-one")
def attention_one_by_one(node: Node, emit: Emitter) -> OperandId:
    """Lower to two FULLY_CONNECTED and a SOFTMAX for each head."""
    return _attended(emit, attend_one_by_one)


@lowers("aten._native_multi_head_attention.default", way="batched")
def multi_head_attention(node: Node, emit: Emitter) -> tuple[OperandId]:
    """Lower to layers for queries, keys and values, attention of all heads, and a layer of what they give."""
    return (_multi_head(emit, attend),)


@lowers("aten._native_multi_head_attention.default", way="one-by-one")
def multi_head_attention_one_by_one(node: Node, emit: Emitter) -> tuple[OperandId]:
    """Lower to layers for queries, keys and values, attention head by head, and a layer of what they give."""
    return (_multi_head(emit, attend_one_by_one),)


def _multi_head(emit: Emitter, attend_heads: Attend) -> OperandId:
    width = emit.integer("embed_dim") // emit.integer("num_head")
    query, key, value = (_head_inputs(emit, name, place) for place, name in enumerate(("query", "key", "value")))
    attended = attend_heads(emit, Heads(query, key, value, 1 / sqrt(width), None))
    output = emit.output_spec()
    rows = permuted(emit, attended, (0, 2, 1, 3))
    matrix, bias = emit.input("proj_weight"), emit.input("proj_bias")
    return row_product(emit, reshaped(emit, rows, output.shape), matrix, bias, output)


def _head_inputs(emit: Emitter, name: str, place: int) -> OperandId:
    """A layer's part of the packed weights, its output as [batch, head, row, feature]."""
    x = emit.input(name)
    batch, rows, features = emit.spec(x).shape
    first, last = place * features, (place + 1) * features
    matrix = emit.weight(emit.constant("qkv_weight").slice(0, first, last))
    bias = emit.weight(emit.constant("qkv_bias").slice(0, first, last))
    made = row_product(emit, x, matrix, bias, emit.spec(x))
    heads = emit.integer("num_head")
    return permuted(emit, reshaped(emit, made, (batch, rows, heads, features // heads)), (0, 2, 1, 3))
