"""Ops that put the elements of tensors to other places."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from nnapi_check.analyzer.capture.expansions.expansion import WHOLE, Call, expands
from nnapi_check.analyzer.capture.expansions.merged_dimensions import around, is_held
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.nnapi_types import MAX_RANK
from nnapi_check.analyzer.tensor_types import torch_dtype


@expands("aten.hsplit.int", "aten.hsplit.array")
def hsplit(call: Call) -> str:
    """Parts along the second dimension, or the only one."""
    at = call.arguments["sections"] if "sections" in call.arguments else call.integers("indices")
    return f"torch.tensor_split(self, {at}, dim={0 if call.tensor('self').rank == 1 else 1})"


@expands("aten.broadcast_tensors.default")
def broadcast_tensors(call: Call) -> str:
    """Each tensor in the shape that all have together."""
    parts = []
    for number, (kind, made) in enumerate(zip(call.tensors("tensors"), call.outputs, strict=True)):
        parts.append(f"tensors[{number}]" + ("" if kind == made else f".expand({list(made.shape)})"))
    return f"[{', '.join(parts)}]"


def nothing(call: Call) -> str:
    """A tensor without elements, whatever it is made of."""
    (made,) = call.outputs
    return f"torch.zeros({list(made.shape)}, dtype={torch_dtype(made.dtype)})"


@expands("aten.cat.default")
def cat(call: Call) -> str | None:
    """Without the tensors that have no elements, which NNAPI cannot hold, and in as few dimensions as it needs."""
    kinds = call.tensors("tensors")
    kept = {f"tensors[{place}]": kind for place, kind in enumerate(kinds) if kind.numel}
    if not kept:
        return None
    made = call.outputs[0].shape
    dim = call.integer("dim") % len(made)
    if len(made) > MAX_RANK and not is_held({dim}, made, made):
        parts = (f"{name}.reshape({around(kind.shape, dim)})" for name, kind in kept.items())
        return f"torch.cat([{', '.join(parts)}], 1).reshape({list(made)})"
    return f"torch.cat([{', '.join(kept)}], {dim})" if len(kept) < len(kinds) else None


@expands("aten.meshgrid.default", "aten.meshgrid.indexing")
def meshgrid(call: Call) -> str:
    """Each tensor along a dimension of its own; the first two change places where they are x and y."""
    kinds, is_xy = call.tensors("tensors"), call.arguments.get("indexing") == "xy"
    parts = []
    for number, (kind, made) in enumerate(zip(kinds, call.outputs, strict=True)):
        dim = 1 - number if is_xy and number < 2 and len(kinds) > 1 else number
        alone = [kind.numel if place == dim else 1 for place in range(made.rank)]
        parts.append(f"tensors[{number}].reshape({alone}).expand({list(made.shape)})")
    return f"[{', '.join(parts)}]"


def _at_least(name: str, kind: TensorType, rank: int) -> str:
    """A tensor with dimensions of 1 besides, as ``atleast_3d`` and the like place them."""
    shape = list(kind.shape)
    if len(shape) >= rank:
        return name
    if rank == 1 or not shape:
        return f"{name}.reshape({[1] * rank})"
    if rank == 2:
        return f"{name}.unsqueeze(0)"
    return f"{name}.reshape({[1, *shape, 1] if len(shape) == 1 else [*shape, 1]})"


@expands(*(f"aten.atleast_{rank}d.default" for rank in (1, 2, 3)))
def atleast(call: Call) -> str:
    """The tensor, with as many dimensions at least as its result has."""
    kind, made = call.tensor("self"), call.outputs[0]
    return _at_least("self", kind, made.rank)


@expands("aten.stack.default")
def stack(call: Call) -> str | None:
    """Of more dimensions than an operand has: side by side in fewer, and the new one apart after that."""
    made = call.outputs[0].shape
    dim, count = call.integer("dim") % len(made), len(call.tensors("tensors"))
    before, after = made[:dim], made[dim + 1 :]
    if len(made) <= MAX_RANK:
        return None
    if after and len(made) == MAX_RANK + 1:
        return f"torch.cat(tensors, {dim}).reshape({list(made)})"
    alone = [*before[:2], prod(before[2:]), prod(after)]
    parts = (f"tensors[{place}].reshape({alone})" for place in range(count))
    return f"torch.cat([{', '.join(parts)}], -1).reshape({list(made)})"


@expands("aten.dstack.default")
def dstack(call: Call) -> str:
    """Tensors side by side along the third dimension."""
    parts = (_at_least(f"tensors[{number}]", kind, 3) for number, kind in enumerate(call.tensors("tensors")))
    return f"torch.cat([{', '.join(parts)}], 2)"


@expands("aten.column_stack.default")
def column_stack(call: Call) -> str:
    """Tensors side by side along the second dimension, vectors as columns."""
    kinds = call.tensors("tensors")
    parts = [
        f"tensors[{n}]" + (f".reshape([{kind.numel}, 1])" if kind.rank < 2 else "") for n, kind in enumerate(kinds)
    ]
    return f"torch.cat([{', '.join(parts)}], 1)"


@expands("aten.block_diag.default")
def block_diag(call: Call) -> str:
    """Matrices in the diagonal of a large one."""
    parts, before, width = [], 0, call.outputs[0].shape[1]
    for number, kind in enumerate(call.tensors("tensors")):
        rows, columns = kind.shape if kind.rank == 2 else (1, kind.numel)
        if not rows * columns:
            return "tensors"
        block = f"tensors[{number}]" + ("" if kind.rank == 2 else f".reshape({[rows, columns]})")
        parts.append(f"torch.constant_pad_nd({block}, {[before, width - before - columns]})")
        before += columns
    return f"torch.cat([{', '.join(parts)}], 0)"


@expands("aten.fft_fftshift.default")
def fftshift(call: Call) -> str:
    """The second half of each dimension before the first."""
    return _shifted(call, 0)


@expands("aten.fft_ifftshift.default")
def ifftshift(call: Call) -> str:
    """The first half of each dimension behind the second, which is the longer one where they differ."""
    return _shifted(call, 1)


def _shifted(call: Call, more: int) -> str:
    shape = call.tensor("self").shape
    dims = [dim % len(shape) for dim in call.integers("dim")] if call.has("dim") else list(range(len(shape)))
    return f"torch.roll(self, {[(shape[dim] + more) // 2 for dim in dims]}, {dims})"


@expands("aten.diag_embed.default")
def diag_embed(call: Call) -> str:
    """Vectors in the diagonals of matrices."""
    first, second = (call.integer(name) % call.outputs[0].rank for name in ("dim1", "dim2"))
    return _as_diagonal(call.tensor("self").shape, call.integer("offset"), (first, second))


@expands("aten.diagflat.default")
def diagflat(call: Call) -> str:
    """All elements in the diagonal of a matrix."""
    return _as_diagonal((call.tensor("self").numel,), call.integer("offset"), (0, 1))


@expands("aten.diag.default")
def diag(call: Call) -> str:
    """A vector in the diagonal of a matrix, or the diagonal of a matrix."""
    kind, offset = call.tensor("self"), call.integer("diagonal")
    return f"torch.diagonal(self, {offset}).clone()" if kind.rank == 2 else _as_diagonal(kind.shape, offset, (0, 1))


def _as_diagonal(shape: Sequence[int], offset: int, dims: tuple[int, int]) -> str:
    """Each element is followed by as many zeros as a row and one more has: so each row begins one place later."""
    *batch, length = shape
    size = length + abs(offset)
    before = offset if offset >= 0 else -offset * size
    flat = length * (size + 1)
    after = max(size * size - before - flat, 0)
    last = len(batch)
    return (
        f"rows = torch.constant_pad_nd(self.reshape({[*batch, length, 1]}), {[0, size]})\n"
        f"flat = torch.constant_pad_nd(rows.reshape({[*batch, flat]}), {[before, after]})\n"
        f"whole = flat.narrow({last}, 0, {size * size}).reshape({[*batch, size, size]})\n"
        + ("whole" if dims == (last, last + 1) else f"whole.movedim([{last}, {last + 1}], {list(dims)})")
    )


@expands("aten.sum_to_size.default")
def sum_to_size(call: Call) -> str:
    """Sums over the dimensions that a smaller shape has not."""
    shape, size = call.tensor("self").shape, call.integers("size")
    more = len(shape) - len(size)
    dims = [dim for dim, length in enumerate(shape) if dim < more or size[dim - more] != length]
    return f"torch.sum(self, {dims}, True).reshape({size})" if dims else "self"


@expands("aten.take.default")
def take(call: Call) -> str:
    """Elements of all in one row."""
    return f"self.reshape([{prod(call.tensor('self').shape)}])[index]"


@expands("aten.take_along_dim.default")
def take_along_dim(call: Call) -> str:
    """Elements along a dimension of both tensors, broadcast in the others; places beyond it count on from its start.

    Without a dimension, elements of all in one row.
    """
    if not call.has("dim"):
        return "torch.gather(self.reshape([-1]), 0, indices.reshape([-1]))"
    shape, made = call.tensor("self").shape, call.outputs[0].shape
    dim = call.dimension("dim")
    whole = [*made[:dim], shape[dim], *made[dim + 1 :]]
    wide = "self" if list(shape) == whole else f"self.expand({whole})"
    return f"torch.gather({wide}, {dim}, torch.remainder(indices, {shape[dim]}).expand({list(made)}))"


@expands("aten.index.Tensor")
def index(call: Call) -> str | None:
    """Places of neighboring dimensions that only a run knows: places in one, which those dimensions make together."""
    x, made = call.tensor("self"), call.outputs[0]
    given = _of_list(call.arguments["indices"])
    dims = [dim for dim, kind in enumerate(given) if kind is not None]
    kinds = [kind for kind in given if kind is not None]
    is_whole = WHOLE.issuperset(kind.dtype for kind in kinds)
    if len(dims) < 2 or "indices" not in call.computed or not is_whole or dims[-1] - dims[0] >= len(dims):
        return None
    first, past = dims[0], dims[-1] + 1
    picked = made.shape[first : made.rank - (x.rank - past)]
    # Of a dimension of one place, there is nothing to choose.
    terms = [
        f"torch.remainder(indices[{dim}], {x.shape[dim]}).to(torch.int64) * {prod(x.shape[dim + 1 : past])}"
        for dim in dims
        if x.shape[dim] > 1
    ]
    if not terms:
        return None
    line = [*x.shape[:first], prod(x.shape[first:past]), *x.shape[past:]]
    places = f"({' + '.join(terms)}).expand({list(picked)}).reshape([{prod(picked)}])"
    return f"torch.index_select(self.reshape({line}), {first}, {places}).reshape({list(made.shape)})"


def _of_list(item: object) -> list[TensorType | None]:
    return [part if isinstance(part, TensorType) else None for part in item] if isinstance(item, list) else []


@expands("aten.repeat_interleave.self_Tensor")
def repeat_interleave(call: Call) -> str | None:
    """Each place as often as a constant says, which is one number for all, or one for each."""
    if "repeats" in call.computed:
        return None
    kind, made = call.tensor("self"), call.outputs[0]
    line, dim = ("self", call.dimension("dim")) if call.has("dim") else ("self.reshape([-1])", 0)
    count = kind.shape[dim] if call.has("dim") else kind.numel
    times = f"repeats.reshape([-1]).expand([{count}])"
    places = f"torch.repeat_interleave({times}, output_size={made.shape[dim]})"
    return f"torch.index_select({line}, {dim}, {places})"


@expands("aten.index_select.default")
def index_select(call: Call) -> str | None:
    """The tensor itself, where all its places are taken in their order, or places of as few dimensions as it needs."""
    x, places, dim = call.tensor("self"), call.tensor("index"), call.dimension("dim")
    count = x.shape[dim] if x.rank else 0
    if places.numel == count and call.elements("index") == list(range(count)):
        return "self.clone()"
    if x.rank <= MAX_RANK:
        return None
    return f"torch.index_select(self.reshape({around(x.shape, dim)}), 1, index).reshape({list(call.outputs[0].shape)})"
