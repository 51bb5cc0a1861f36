"""Attention as rules write it: products of queries and keys, softmax, products with values, for all heads at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.compositions.carrying import chosen
from nnapi_check.lowering.compositions.matrix_pairs import Multiply, Pairs
from nnapi_check.lowering.compositions.matrix_product import reshaped
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import Recipe, from_call, full

_LOWEST = {ElementType.FLOAT32: -3.0e38, ElementType.FLOAT16: -6.0e4}
"""What is added to a masked score: no weight is left of it, and no infinity gets into NNAPI."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Queries [.., rows, features], keys [.., columns, features] and values [.., columns, width], by operand.

    ``scores`` is what a score is multiplied by; ``mask`` is added to the scores, where there is one: a recipe, or
    an operand of the shape [rows, columns] after any dimensions that broadcast.
    """

    query: OperandId
    key: OperandId
    value: OperandId
    factor: float
    mask: Recipe | OperandId | None


def node_mask(emit: Emitter, rows: int, columns: int) -> Recipe | OperandId | None:
    """The mask of scaled_dot_product_attention: a tensor, the lower triangle, or none."""
    dtype = emit.node.type_of("query").dtype
    if emit.node.flag("is_causal"):
        ones = full((rows, columns), 1.0, dtype)
        return _added(from_call("aten.tril.default", (ones, 0), shape=(rows, columns), dtype=dtype))
    if not emit.node.has("attn_mask"):
        return None
    if not emit.node.is_constant("attn_mask"):
        computed = emit.input("attn_mask")
        return chosen(emit, computed, dtype, (0.0, _LOWEST[dtype])) if _is_truth(emit, computed) else computed
    mask = emit.node.constant("attn_mask")
    return _added(mask.cast(dtype)) if mask.dtype is ElementType.BOOL else mask.clamp(_LOWEST[dtype], -_LOWEST[dtype])


def without_blind_rows(emit: Emitter, attended: OperandId) -> OperandId:
    """Zeros for rows of which the mask keeps no column, as in PyTorch; SOFTMAX would weigh all columns alike.

    Of a mask of floats that only a run knows, that is not known.
    """
    if not emit.node.has("attn_mask"):
        return attended
    if not emit.node.is_constant("attn_mask"):
        computed = emit.input("attn_mask")
        return _where_any(emit, computed, attended) if _is_truth(emit, computed) else attended
    mask, dtype = emit.node.constant("attn_mask"), emit.node.type_of("query").dtype
    scores = mask.cast(dtype) if mask.dtype is ElementType.BOOL else mask
    shape = (*mask.shape[:-1], 1)
    seen: Recipe = from_call("aten.amax.default", (scores, (-1,), True), shape=shape, dtype=scores.dtype)
    if mask.dtype is not ElementType.BOOL:
        is_blind = from_call("aten.isneginf.default", (seen,), shape=shape, dtype=ElementType.BOOL)
        seen = from_call("aten.logical_not.default", (is_blind,), shape=shape, dtype=ElementType.BOOL).cast(dtype)
    return emit.operation("MUL", [attended, emit.weight(seen), emit.fuse()], emit.spec(attended))


def _is_truth(emit: Emitter, operand: OperandId) -> bool:
    return emit.spec(operand).type is OperandType.TENSOR_BOOL8


def _where_any(emit: Emitter, kept: OperandId, attended: OperandId) -> OperandId:
    """What is attended to in rows of which a column is kept, and zeros in all others."""
    spec = emit.spec(kept)
    last = emit.int32_tensor([len(spec.shape) - 1])
    inputs = [kept, last, emit.boolean(True)]
    seen = emit.operation("REDUCE_ANY", inputs, replace(spec, shape=(*spec.shape[:-1], 1)))
    kept_rows = chosen(emit, seen, emit.node.type_of("query").dtype)
    return emit.operation("MUL", [attended, kept_rows, emit.fuse()], emit.spec(attended))


def _added(kept: Recipe) -> Recipe:
    """What to add to scores, of a tensor that is 1 where they are kept and 0 where they are not."""
    return (kept - 1.0) * -_LOWEST[kept.dtype]


def attend(emit: Emitter, heads: Heads, multiply: Multiply) -> OperandId:
    """Attention of all heads at once, in as many dimensions as the queries have.

    Where several heads of queries share one of keys and values, their queries are rows of one head for the products.
    """
    query, key, value = (emit.spec(operand) for operand in (heads.query, heads.key, heads.value))
    shared = (*key.shape[:-2], prod(query.shape[:-1]) // prod(key.shape[:-2]))
    scores = replace(query, shape=(*query.shape[:-1], key.shape[-2]))
    together = replace(query, shape=(*shared, key.shape[-2]))
    rows = reshaped(emit, _scaled(emit, heads), (*shared, query.shape[-1]))
    found = reshaped(emit, multiply(emit, Pairs(rows, heads.key, is_turned=True), together), scores.shape)
    if heads.mask is not None:
        mask = heads.mask if isinstance(heads.mask, int) else emit.weight(heads.mask)
        found = emit.operation("ADD", [found, mask, emit.fuse()], scores)
    weights = emit.operation("SOFTMAX", [found, emit.scalar(1.0, found)], scores)
    pairs = Pairs(reshaped(emit, weights, together.shape), heads.value)
    attended = multiply(emit, pairs, replace(query, shape=(*shared, value.shape[-1])))
    return reshaped(emit, attended, (*query.shape[:-1], value.shape[-1]))


def attend_in_images(emit: Emitter, heads: Heads, multiply: Multiply) -> OperandId:
    """Attention of all heads at once, in four dimensions: SOFTMAX takes three from level 3 on."""
    query, key, value = (_in_four_dimensions(emit, operand) for operand in (heads.query, heads.key, heads.value))
    attended = attend(emit, replace(heads, query=query, key=key, value=value), multiply)
    rows = emit.spec(heads.query).shape[:-1]
    return reshaped(emit, attended, (*rows, emit.spec(value).shape[-1]))


def _in_four_dimensions(emit: Emitter, operand: OperandId) -> OperandId:
    shape = emit.spec(operand).shape
    return reshaped(emit, operand, (*[1] * (4 - len(shape)), *shape))


def _scaled(emit: Emitter, heads: Heads) -> OperandId:
    if heads.factor == 1.0:
        return heads.query
    factor = emit.number(heads.factor, heads.query)
    return emit.operation("MUL", [heads.query, factor, emit.fuse()], emit.spec(heads.query))
