"""Attention: products, softmax and products again, for all heads at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt

from nnapi_check.lowering.compositions.attention_heads import (
    Heads,
    attend,
    attend_in_images,
    node_mask,
    without_blind_rows,
)
from nnapi_check.lowering.compositions.matrix_pairs import multiply_batches, multiply_in_depth, multiply_in_groups
from nnapi_check.lowering.compositions.matrix_product import permuted, reshaped, row_product
from nnapi_check.lowering.compositions.statistics import standardized
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader
from nnapi_check.lowering.emission.rule_table import lowers

Attend = Callable[[Emitter, Heads], OperandId]


def _batched(emit: Emitter, heads: Heads) -> OperandId:
    return attend(emit, heads, multiply_batches)


def _grouped(emit: Emitter, heads: Heads) -> OperandId:
    return attend_in_images(emit, heads, multiply_in_groups)


def _depthwise(emit: Emitter, heads: Heads) -> OperandId:
    return attend_in_images(emit, heads, multiply_in_depth)


def _attended(emit: Emitter, attend_heads: Attend) -> OperandId:
    query, key = emit.node.type_of("query"), emit.node.type_of("key")
    factor = emit.node.real("scale") if emit.node.has("scale") else 1 / sqrt(query.shape[-1])
    mask = node_mask(emit, query.shape[-2], key.shape[-2])
    heads = Heads(emit.input("query"), emit.input("key"), emit.input("value"), factor, mask)
    return without_blind_rows(emit, attend_heads(emit, heads))


@lowers("aten.scaled_dot_product_attention.default", way="batched where true")
@lowers("aten.scaled_dot_product_attention.default", way="batched")
def attention(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to BATCH_MATMUL, MUL, ADD, SOFTMAX and BATCH_MATMUL."""
    return _attended(emit, _batched)


@lowers("aten.scaled_dot_product_attention.default", way="grouped where true")
@lowers("aten.scaled_dot_product_attention.default", way="grouped")
def attention_grouped(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to GROUPED_CONV_2D, ADD, SOFTMAX and GROUPED_CONV_2D."""
    return _attended(emit, _grouped)


@lowers("aten.scaled_dot_product_attention.default", way="depthwise")
def attention_depthwise(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to DEPTHWISE_CONV_2D, ADD, SOFTMAX and DEPTHWISE_CONV_2D."""
    return _attended(emit, _depthwise)


@lowers("aten._native_multi_head_attention.default", way="batched")
def multi_head_attention(node: NodeReader, emit: Emitter) -> tuple[OperandId]:
    """Lower to layers for queries, keys and values, attention of all heads, and a layer of what they give."""
    return (_multi_head(emit, _batched),)


@lowers("aten._native_multi_head_attention.default", way="grouped")
def multi_head_attention_grouped(node: NodeReader, emit: Emitter) -> tuple[OperandId]:
    """Lower to layers for queries, keys and values, attention by GROUPED_CONV_2D, and a layer of what it gives."""
    return (_multi_head(emit, _grouped),)


@lowers("aten._native_multi_head_attention.default", way="depthwise")
def multi_head_attention_depthwise(node: NodeReader, emit: Emitter) -> tuple[OperandId]:
    """Lower to layers for queries, keys and values, attention by DEPTHWISE_CONV_2D, and a layer of what it gives."""
    return (_multi_head(emit, _depthwise),)


def _multi_head(emit: Emitter, attend_heads: Attend) -> OperandId:
    query, key, value = (emit.input(name) for name in ("query", "key", "value"))
    return _layer_of_heads(emit, (query, key, value), emit.node.integer("num_head"), attend_heads)


def _layer_of_heads(
    emit: Emitter, inputs: tuple[OperandId, OperandId, OperandId], heads: int, attend_heads: Attend
) -> OperandId:
    query, key, value = (_head_inputs(emit, x, place, heads) for place, x in enumerate(inputs))
    width = emit.spec(query).shape[-1]
    attended = attend_heads(emit, Heads(query, key, value, 1 / sqrt(width), None))
    output = emit.spec(inputs[0])
    rows = permuted(emit, attended, (0, 2, 1, 3))
    matrix, bias = emit.input("proj_weight"), emit.input("proj_bias")
    return row_product(emit, reshaped(emit, rows, output.shape), matrix, bias, output)


def _head_inputs(emit: Emitter, x: OperandId, place: int, heads: int) -> OperandId:
    """A layer's part of the packed weights, its output as [batch, head, row, feature]."""
    batch, rows, features = emit.spec(x).shape
    first, last = place * features, (place + 1) * features
    matrix = emit.weight(emit.node.constant("qkv_weight").slice(0, first, last))
    bias = emit.weight(emit.node.constant("qkv_bias").slice(0, first, last))
    made = row_product(emit, x, matrix, bias, emit.spec(x))
    return permuted(emit, reshaped(emit, made, (batch, rows, heads, features // heads)), (0, 2, 1, 3))


@lowers("aten._transformer_encoder_layer_fwd.default", way="batched")
def encoder_layer(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to attention of all heads, two layers with relu, and two normalizations."""
    return _encoder_layer(emit, _batched)


@lowers("aten._transformer_encoder_layer_fwd.default", way="grouped")
def encoder_layer_grouped(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to attention by GROUPED_CONV_2D, two layers with relu, and two normalizations."""
    return _encoder_layer(emit, _grouped)


@lowers("aten._transformer_encoder_layer_fwd.default", way="depthwise")
def encoder_layer_depthwise(node: NodeReader, emit: Emitter) -> OperandId:
    """Lower to attention by DEPTHWISE_CONV_2D, two layers with relu, and two normalizations."""
    return _encoder_layer(emit, _depthwise)


def _encoder_layer(emit: Emitter, attend_heads: Attend) -> OperandId:
    x = emit.input("src")
    heads = emit.node.integer("num_heads")
    if emit.node.flag("norm_first"):
        first = _normalized(emit, x, 1)
        x = _sum(emit, x, _layer_of_heads(emit, (first, first, first), heads, attend_heads))
        return _sum(emit, x, _feed_forward(emit, _normalized(emit, x, 2)))
    x = _normalized(emit, _sum(emit, x, _layer_of_heads(emit, (x, x, x), heads, attend_heads)), 1)
    return _normalized(emit, _sum(emit, x, _feed_forward(emit, x)), 2)


def _sum(emit: Emitter, left: OperandId, right: OperandId) -> OperandId:
    return emit.operation("ADD", [left, right, emit.fuse()], emit.spec(left))


def _normalized(emit: Emitter, x: OperandId, number: int) -> OperandId:
    spec = emit.spec(x)
    found = standardized(emit, x, (2,), emit.node.real("eps"), spec)
    scaled = emit.operation("MUL", [found, emit.input(f"norm_weight_{number}"), emit.fuse()], spec)
    return _sum(emit, scaled, emit.input(f"norm_bias_{number}"))


def _feed_forward(emit: Emitter, x: OperandId) -> OperandId:
    spec = emit.spec(x)
    matrix = emit.input("ffn_weight_1")
    wide = replace(spec, shape=(*spec.shape[:-1], emit.spec(matrix).shape[0]))
    made = row_product(emit, x, matrix, emit.input("ffn_bias_1"), wide)
    clamped = emit.operation("RELU", [made], wide)
    return row_product(emit, clamped, emit.input("ffn_weight_2"), emit.input("ffn_bias_2"), spec)
