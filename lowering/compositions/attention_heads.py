"""Attention as rules write it: products of queries and keys, softmax, products with values.

Either for all heads at once by BATCH_MATMUL, or head by head by FULLY_CONNECTED.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from nnapi_check.analyzer.graph import ElementType
from nnapi_check.lowering.compositions.matrix_product import matrix_at, permuted, reshaped, row_product
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
        return emit.input("attn_mask")
    mask = emit.node.constant("attn_mask")
    return _added(mask.cast(dtype)) if mask.dtype is ElementType.BOOL else mask.clamp(_LOWEST[dtype], -_LOWEST[dtype])


def without_blind_rows(emit: Emitter, attended: OperandId) -> OperandId:
    """Zeros for rows of which a constant mask keeps no column, as in PyTorch; SOFTMAX would weigh all columns alike."""
    if not emit.node.has("attn_mask") or not emit.node.is_constant("attn_mask"):
        return attended
    mask, dtype = emit.node.constant("attn_mask"), emit.node.type_of("query").dtype
    scores = mask.cast(dtype) if mask.dtype is ElementType.BOOL else mask
    shape = (*mask.shape[:-1], 1)
    seen: Recipe = from_call("aten.amax.default", (scores, (-1,), True), shape=shape, dtype=scores.dtype)
    if mask.dtype is not ElementType.BOOL:
        is_blind = from_call("aten.isneginf.default", (seen,), shape=shape, dtype=ElementType.BOOL)
        seen = from_call("aten.logical_not.default", (is_blind,), shape=shape, dtype=ElementType.BOOL).cast(dtype)
    return emit.operation("MUL", [attended, emit.weight(seen), emit.fuse()], emit.spec(attended))


def _added(kept: Recipe) -> Recipe:
    """What to add to scores, of a tensor that is 1 where they are kept and 0 where they are not."""
    return (kept - 1.0) * -_LOWEST[kept.dtype]


def attend(emit: Emitter, heads: Heads) -> OperandId:
    """Attention of all heads at once."""
    query, key, value = (emit.spec(operand) for operand in (heads.query, heads.key, heads.value))
    scaled = _scaled(emit, heads)
    scores = replace(query, shape=(*query.shape[:-1], key.shape[-2]))
    flags = [emit.boolean(False), emit.boolean(True)]
    found = emit.operation("BATCH_MATMUL", [scaled, heads.key, *flags], scores)
    if heads.mask is not None:
        mask = heads.mask if isinstance(heads.mask, int) else emit.weight(heads.mask)
        found = emit.operation("ADD", [found, mask, emit.fuse()], scores)
    weights = emit.operation("SOFTMAX", [found, emit.scalar(1.0, found)], scores)
    flags = [emit.boolean(False), emit.boolean(False)]
    output = replace(query, shape=(*query.shape[:-1], value.shape[-1]))
    return emit.operation("BATCH_MATMUL", [weights, heads.value, *flags], output)


def _scaled(emit: Emitter, heads: Heads) -> OperandId:
    if heads.factor == 1.0:
        return heads.query
    factor = emit.number(heads.factor, heads.query)
    return emit.operation("MUL", [heads.query, factor, emit.fuse()], emit.spec(heads.query))


def attend_one_by_one(emit: Emitter, heads: Heads) -> OperandId:
    """Attention head by head: a mask that is no recipe serves every head."""
    query, value = emit.spec(heads.query), emit.spec(heads.value)
    *batches, rows, features = query.shape
    columns, width = value.shape[-2:]
    count = prod(batches)
    queries = reshaped(emit, _scaled(emit, heads), (count, rows, features))
    keys = reshaped(emit, heads.key, (count, columns, features))
    values = permuted(emit, reshaped(emit, heads.value, (count, columns, width)), (0, 2, 1))
    masks = _masks(emit, heads.mask, (*batches, rows, columns))
    dtype = emit.node.output_type().dtype
    no_score, no_value = (emit.weight(full((size,), 0.0, dtype)) for size in (columns, width))
    scores, piece = replace(query, shape=(rows, columns)), replace(query, shape=(rows, width))
    pieces = []
    for index, mask in enumerate(masks):
        found = row_product(emit, matrix_at(emit, queries, index), matrix_at(emit, keys, index), no_score, scores)
        if mask is not None:
            found = emit.operation("ADD", [found, mask, emit.fuse()], scores)
        weights = emit.operation("SOFTMAX", [found, emit.scalar(1.0, found)], scores)
        pieces.append(row_product(emit, weights, matrix_at(emit, values, index), no_value, piece))
    joined = replace(query, shape=(count * rows, width))
    whole = pieces[0] if count == 1 else emit.operation("CONCATENATION", [*pieces, emit.int32(0)], joined)
    return reshaped(emit, whole, (*batches, rows, width))


def _masks(emit: Emitter, mask: Recipe | OperandId | None, shape: tuple[int, ...]) -> list[OperandId | None]:
    """The mask of each head, as a matrix."""
    *batches, rows, columns = shape
    count = prod(batches)
    if mask is None:
        return [None] * count
    if isinstance(mask, int):
        return [reshaped(emit, mask, (rows, columns))] * count
    if mask.shape[-2:] == (rows, columns) and prod(mask.shape[:-2]) == 1:
        return [emit.weight(mask.reshape(rows, columns))] * count
    whole = mask.expand(*shape).reshape(count, rows, columns)
    return [emit.weight(whole.select(0, index)) for index in range(count)]
