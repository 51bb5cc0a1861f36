"""Calls of each op that is written as calls of other ops: all that an expansion may be made of, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

aten = torch.ops.aten
Shape = tuple[int, ...]

IMAGE = (2, 3, 4, 5)
VOLUME = (2, 3, 4, 5, 6)
SIX = (2, 3, 4, 2, 1, 6)
ALONG_ONE: dict[str, Callable[..., object]] = {
    "aten.softmax.int": torch.softmax,
    "aten.log_softmax.int": torch.log_softmax,
    "aten.roll.default": lambda x, dim: torch.roll(x, 1, dim),
    "aten.cumsum.default": torch.cumsum,
    "aten.cumprod.default": torch.cumprod,
    "aten.prod.dim_int": torch.prod,
    "aten.argmax.default": torch.argmax,
    "aten.argmin.default": partial(torch.argmin, keepdim=True),
    "aten.glu.default": lambda x, dim: nn.functional.glu(torch.cat([x, x * 2], dim), dim),
    "aten.repeat_interleave.self_int": lambda x, dim: torch.repeat_interleave(x, 3, dim),
}
ALONG_SEVERAL: dict[str, Callable[..., object]] = {
    "aten.logsumexp.default": partial(torch.logsumexp, keepdim=True),
    "aten.linalg_vector_norm.default": torch.linalg.vector_norm,
    "aten.var.dim": partial(torch.var, unbiased=False),
    "aten.std.dim": partial(torch.std, unbiased=True),
}
BROADCASTS: dict[str, Callable[..., object]] = {
    "aten.add.Tensor": partial(torch.add, alpha=2),
    "aten.sub.Tensor": torch.sub,
    "aten.mul.Tensor": torch.mul,
    "aten.div.Tensor": torch.div,
    "aten.maximum.default": torch.maximum,
    "aten.minimum.default": torch.minimum,
}


@dataclass(frozen=True)
class Case:
    """A call of an op: of floats of ``shapes``, of which every so many are ``elements``, or of ``tensors``."""

    op: str
    function: Callable[..., object]
    shapes: Sequence[Shape] = (IMAGE,)
    elements: Sequence[float] = ()
    tensors: Sequence[torch.Tensor] = field(default=())

    def inputs(self) -> list[torch.Tensor]:
        """The tensors of the call."""
        generator = torch.Generator().manual_seed(0)
        made = [torch.rand(shape, generator=generator) * 0.98 + 0.01 for shape in self.shapes]
        for step, tensor in enumerate(made, 2):
            flat = tensor.view(-1)
            for place in range(0, flat.numel() if self.elements else 0, step):
                flat[place] = self.elements[place // step % len(self.elements)]
        return [*made, *self.tensors]


PAIR = (IMAGE, IMAGE)
INF = float("inf")
NOT_FINITE = (INF, -INF, float("nan"))
SPECIAL = (0.0, -0.0, float("inf"), float("-inf"), float("nan"), -0.5, 1.0)
FINITE = (0.0, -0.0, 0.5, -0.5, 1.0, -2.25)
WHOLE = torch.arange(-6, 6, dtype=torch.int32).reshape(3, 4)
TRUTHS = torch.arange(12).reshape(3, 4) % 5 > 1
PLACES = torch.tensor([[2, 0, 1], [1, 1, 0]])
ZERO = torch.zeros(1, dtype=torch.int64)
FIRSTS = torch.arange(288).reshape(SIX) % 2
PAST = torch.tensor([1, 0, 1])
NONE, MEAN, SUM = 0, 1, 2


attended = nn.functional.scaled_dot_product_attention


def masked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return attended(q, k, v, attn_mask=mask)


def resized(x: torch.Tensor, *, corners: bool, size: tuple[int, int, int] | None) -> torch.Tensor:
    scale = (2, 1.5, 3) if size is None else None
    return nn.functional.interpolate(x, size, scale, mode="trilinear", align_corners=corners)


def grid(theta: torch.Tensor, *, size: list[int], corners: bool) -> torch.Tensor:
    return nn.functional.affine_grid(theta, size, align_corners=corners)


def pack(x: torch.Tensor, *, length: int, batch_first: bool) -> object:
    lengths = torch.full((x.shape[0 if batch_first else 1],), length)
    return aten._pack_padded_sequence(x, lengths, batch_first)


def pad(x: torch.Tensor, *, batch: int, batch_first: bool, length: int) -> object:
    sizes = torch.full((x.shape[0] // batch,), batch)
    return aten._pad_packed_sequence(x, sizes, batch_first, -1.5, length)


def packed_layers(x: torch.Tensor, w_ih: torch.Tensor, w_hh: torch.Tensor, *, op: str) -> object:
    state = torch.full((1, 2, w_hh.shape[1]), 0.25)
    states = [state, state] if op == "lstm" else state
    layers: Callable[..., object] = getattr(aten, op).data
    return layers(x, torch.tensor([2, 2, 2, 2, 2]), states, [w_ih, w_hh], False, 1, 0.0, False, False)


CASES = [
    Case("aten.mse_loss.default", partial(aten.mse_loss, reduction=NONE), PAIR),
    Case("aten.mse_loss.default", partial(aten.mse_loss, reduction=MEAN), PAIR),
    Case("aten.mse_loss.default", partial(aten.mse_loss, reduction=SUM), PAIR),
    Case("aten.l1_loss.default", partial(aten.l1_loss, reduction=NONE), PAIR),
    Case("aten.l1_loss.default", partial(aten.l1_loss, reduction=MEAN), PAIR),
    Case("aten.l1_loss.default", partial(aten.l1_loss, reduction=SUM), PAIR),
    Case("aten.smooth_l1_loss.default", partial(aten.smooth_l1_loss, reduction=NONE, beta=0.3), PAIR),
    Case("aten.smooth_l1_loss.default", partial(aten.smooth_l1_loss, reduction=MEAN, beta=0.3), PAIR),
    Case("aten.smooth_l1_loss.default", partial(aten.smooth_l1_loss, reduction=SUM, beta=0.0), PAIR),
    Case("aten.huber_loss.default", partial(aten.huber_loss, reduction=NONE, delta=0.3), PAIR),
    Case("aten.huber_loss.default", partial(aten.huber_loss, reduction=MEAN, delta=0.3), PAIR),
    Case("aten.huber_loss.default", partial(aten.huber_loss, reduction=SUM, delta=0.3), PAIR),
    Case(
        "aten.binary_cross_entropy.default",
        lambda x, y, w: aten.binary_cross_entropy(x, y, w, NONE),
        (IMAGE, IMAGE, (4, 5)),
    ),
    Case(
        "aten.binary_cross_entropy.default",
        lambda x, y: aten.binary_cross_entropy(x, y, None, MEAN),
        PAIR,
        (0.0, 1.0),
    ),
    Case(
        "aten.binary_cross_entropy.default",
        lambda x, y: aten.binary_cross_entropy(x, y, None, SUM),
        PAIR,
    ),
    Case(
        "aten.binary_cross_entropy_with_logits.default",
        lambda x, y, w, p: aten.binary_cross_entropy_with_logits(x, y, w, p, NONE),
        (IMAGE, IMAGE, (4, 5), (5,)),
        FINITE,
    ),
    Case(
        "aten.binary_cross_entropy_with_logits.default",
        lambda x, y: aten.binary_cross_entropy_with_logits(x, y, None, None, MEAN),
        PAIR,
    ),
    Case(
        "aten.binary_cross_entropy_with_logits.default",
        lambda x, y: aten.binary_cross_entropy_with_logits(x, y, None, None, SUM),
        PAIR,
    ),
    *(
        Case("aten.soft_margin_loss.default", partial(aten.soft_margin_loss, reduction=reduction), PAIR)
        for reduction in (NONE, MEAN, SUM)
    ),
    *(
        Case(
            "aten.margin_ranking_loss.default",
            partial(aten.margin_ranking_loss, margin=0.2, reduction=reduction),
            (IMAGE, IMAGE, IMAGE),
            FINITE,
        )
        for reduction in (NONE, MEAN, SUM)
    ),
    *(
        Case(
            "aten.poisson_nll_loss.default",
            partial(aten.poisson_nll_loss, log_input=log_input, full=False, eps=1e-3, reduction=reduction),
            PAIR,
        )
        for log_input in (False, True)
        for reduction in (NONE, MEAN, SUM)
    ),
    Case("aten.hsplit.int", lambda x: tuple(aten.hsplit(x, 3))),
    Case("aten.hsplit.int", lambda x: tuple(aten.hsplit(x, 3)), ((6,),)),
    Case("aten.hsplit.array", lambda x: tuple(aten.hsplit(x, [1, 2]))),
    Case("aten.hsplit.array", lambda x: tuple(aten.hsplit(x, [2, 3])), ((6,),)),
    Case("aten.broadcast_tensors.default", lambda x, y: tuple(aten.broadcast_tensors([x, y])), ((3, 1), (4,))),
    Case("aten.broadcast_tensors.default", lambda x, y: tuple(aten.broadcast_tensors([x, y])), ((3, 4), (3, 1))),
    Case("aten.meshgrid.default", lambda x, y: tuple(aten.meshgrid([x, y])), ((3,), (4,))),
    Case("aten.meshgrid.indexing", lambda x, y: tuple(torch.meshgrid(x, y, indexing="ij")), ((3,), (4,))),
    Case("aten.meshgrid.indexing", lambda *x: tuple(torch.meshgrid(*x, indexing="xy")), ((3,), (4,), (5,))),
    Case("aten.meshgrid.indexing", lambda x: tuple(torch.meshgrid(x, indexing="xy")), ((3,),)),
    Case("aten.atleast_1d.default", torch.atleast_1d, ((),)),
    Case("aten.atleast_1d.default", torch.atleast_1d, ((3, 4),)),
    Case("aten.atleast_2d.default", torch.atleast_2d, ((),)),
    Case("aten.atleast_2d.default", torch.atleast_2d, ((3,),)),
    Case("aten.atleast_3d.default", torch.atleast_3d, ((),)),
    Case("aten.atleast_3d.default", torch.atleast_3d, ((3,),)),
    Case("aten.atleast_3d.default", torch.atleast_3d, ((3, 4),)),
    *(
        Case(op, function, shapes)
        for op, function in BROADCASTS.items()
        for shapes in ((VOLUME, (2, 1, 4, 5, 6)), ((3, 1, 1, 1), VOLUME), ((2, 1, 4, 1, 1), (1, 3, 1, 5, 1)))
    ),
    *(Case("aten.max.dim", lambda x, d=dim: tuple(x.max(d)), (VOLUME,)) for dim in (0, -4)),
    *(Case("aten.min.dim", lambda x, d=dim: tuple(x.min(d, keepdim=True)), (VOLUME,)) for dim in (0, 1)),
    *(
        Case("aten.sum.dim_IntList", lambda x, d=dims: x.sum(d), (VOLUME,))
        for dims in ([0], [-4], [0, 1], [1, 2], [0, 4])
    ),
    *(
        Case("aten.mean.dim", lambda x, d=dims: x.mean(d, keepdim=True), (VOLUME,))
        for dims in ([0], [1], [2, 3, 4], [0, 2])
    ),
    *(Case("aten.amax.default", lambda x, d=dims: x.amax(d), (VOLUME,)) for dims in ([0], [1], [1, 3])),
    *(Case("aten.amin.default", lambda x, d=dims: x.amin(d), ((1, 2, 1, 3, 2, 4),)) for dims in ([1], [3], [0, 5])),
    *(Case(op, partial(function, dim=dim), (SIX,)) for op, function in ALONG_ONE.items() for dim in (0, 2, -2, -1)),
    *(
        Case(op, partial(function, dim=dims), (SIX,))
        for op, function in ALONG_SEVERAL.items()
        for dims in ([0], [2, 3], [1, 5])
    ),
    *(Case("aten._softmax.default", lambda x, d=dim: aten._softmax(x, d, False), (SIX,)) for dim in (0, 2, -1)),
    *(Case("aten._log_softmax.default", lambda x, d=dim: aten._log_softmax(x, d, False), (SIX,)) for dim in (0, 3)),
    *(Case("aten.flip.default", lambda x, d=dims: x.flip(d), (SIX,)) for dims in ([0], [2, 3], [1, 5], [5])),
    *(Case("aten.all.dim", lambda x, d=dim: (x > 0.05).all(d), (SIX,)) for dim in (0, 2, -1)),
    *(Case("aten.any.dim", lambda x, d=dim: (x > 0.95).any(d), (SIX,)) for dim in (0, 2, -1)),
    *(Case("aten.cumsum.default", lambda x, d=dim: (x * 9).long().cumsum(d), (SIX,)) for dim in (0, 2, -1)),
    *(
        Case("aten.topk.default", lambda x, d=dim, n=largest: x.topk(2, d, n), (shape,))
        for shape in ((3, 4), (2, 3, 4), (5,), (2, 3, 4, 2, 5))
        for dim in range(-len(shape), 0)
        for largest in (True, False)
    ),
    *(
        Case("aten.gather.default", lambda x, i, d=dim: x.gather(d, i.narrow(d, 0, 1)), (SIX,), tensors=(FIRSTS,))
        for dim in (0, 2, -1)
    ),
    *(
        Case("aten.index_select.default", lambda x, i, d=dim: x.index_select(d, i), (SIX,), tensors=(PAST,))
        for dim in (0, 2, -1)
    ),
    *(Case("aten.cat.default", lambda x, y, d=dim: torch.cat([x, y], d), (SIX, SIX)) for dim in (0, 2, -1)),
    *(Case("aten.sort.default", lambda x, d=dim: x.sort(d, descending=True), (VOLUME,)) for dim in (0, 1, -1)),
    *(Case("aten.sort.stable", lambda x, d=dim: x.sort(dim=d, stable=False), (VOLUME,)) for dim in (0, 1, -1)),
    *(
        Case("aten.expand.default", lambda x: x.expand(SIX), (shape,))
        for shape in ((1, 3, 4, 2, 1, 6), (2, 3, 1, 2, 1, 6), (3, 1, 2, 1, 6), (2, 3, 4, 2, 1, 1), SIX)
    ),
    *(
        Case("aten.expand_as.default", lambda x, y: x.expand_as(y), (shape, SIX))
        for shape in ((1, 3, 4, 2, 1, 6), (3, 4, 1, 1, 1))
    ),
    *(
        Case("aten.linalg_vector_norm.default", lambda x, p=order: torch.linalg.vector_norm(x, p, dim=2), (SIX,))
        for order in (float("inf"), float("-inf"), 0, 1, 3.5)
    ),
    Case("aten.prelu.default", nn.functional.prelu, (VOLUME, (3,))),
    *(Case("aten.stack.default", lambda x, y, d=dim: torch.stack([x, y], d), PAIR) for dim in (0, 1, 2, 3, -1)),
    *(Case("aten.stack.default", lambda x, y, d=dim: torch.stack([x, y], d), (VOLUME, VOLUME)) for dim in (0, 2, 5)),
    Case("aten.dstack.default", lambda x, y: torch.dstack([x, y]), ((3, 4), (3, 4, 2))),
    Case("aten.dstack.default", lambda x, y: torch.dstack([x, y]), ((3,), (3,))),
    Case("aten.column_stack.default", lambda x, y: torch.column_stack([x, y]), ((3,), (3, 4))),
    Case("aten.block_diag.default", lambda x, y, z: aten.block_diag([x, y, z]), ((3, 2), (3, 4), (5,))),
    Case("aten.fft_fftshift.default", lambda x: torch.fft.fftshift(x, dim=(2, -1))),
    Case("aten.fft_fftshift.default", torch.fft.fftshift),
    Case("aten.fft_ifftshift.default", lambda x: torch.fft.ifftshift(x, dim=(2, -1))),
    Case("aten.fft_ifftshift.default", torch.fft.ifftshift),
    Case("aten.diag_embed.default", torch.diag_embed, ((3, 5),)),
    Case("aten.diag_embed.default", lambda x: torch.diag_embed(x, 2, 0, 2), ((3, 5),), SPECIAL),
    Case("aten.diag_embed.default", lambda x: torch.diag_embed(x, -1, -2, 0), ((3, 5),), SPECIAL),
    Case("aten.diagflat.default", lambda x: torch.diagflat(x, 1), ((3, 2),)),
    Case("aten.diagflat.default", lambda x: torch.diagflat(x, -3), ((3, 2),)),
    Case("aten.diag.default", lambda x: torch.diag(x, 1), ((5,),), SPECIAL),
    Case("aten.diag.default", lambda x: torch.diag(x, -1), ((5, 4),)),
    Case("aten.sum_to_size.default", lambda x: x.sum_to_size(3, 1, 5)),
    Case("aten.sum_to_size.default", lambda x: x.sum_to_size(2, 3, 4, 5)),
    Case("aten.scaled_dot_product_attention.default", attended, ((2, 3, 2, 5, 4),) * 3),
    Case("aten.scaled_dot_product_attention.default", partial(attended, is_causal=True), ((2, 1, 2, 5, 4),) * 3),
    Case("aten.scaled_dot_product_attention.default", masked, (*((2, 3, 2, 5, 4),) * 3, (5, 5))),
    Case("aten.scaled_dot_product_attention.default", masked, (*((2, 3, 2, 5, 4),) * 3, (2, 3, 2, 5, 5))),
    Case("aten.index.Tensor", lambda x, i: x[ZERO, i], ((1, 5, 3),), tensors=(PLACES[0],)),
    Case("aten.index.Tensor", lambda x, i: x[:, i, PLACES[:, :1]], ((2, 3, 4),), tensors=(PLACES - 3,)),
    Case("aten.index.Tensor", lambda x, i: x[i, i, i], ((3, 4, 5, 2),), tensors=(PLACES.int(),)),
    Case("aten.div.Tensor_mode", lambda x: torch.div(x, 3, rounding_mode="floor"), (), tensors=(WHOLE,)),
    Case("aten.div.Tensor_mode", lambda x, y: torch.div(x, y, rounding_mode="floor"), (), tensors=(WHOLE, WHOLE + 7)),
    Case("aten.div.Scalar_mode", lambda x: aten.div.Scalar_mode(x, -3, rounding_mode="floor"), (), tensors=(WHOLE,)),
    Case("aten.repeat_interleave.self_Tensor", lambda x: torch.repeat_interleave(x, torch.tensor([2, 0, 3]), 1)),
    Case("aten.repeat_interleave.self_Tensor", lambda x: torch.repeat_interleave(x, torch.tensor(3), -1)),
    Case("aten.repeat_interleave.self_Tensor", lambda x: torch.repeat_interleave(x, torch.tensor([2])), ((3, 4),)),
    Case("aten.take.default", lambda x: torch.take(x, torch.tensor([[0, 7], [-1, 2]]))),
    Case("aten.take_along_dim.default", lambda x, i: torch.take_along_dim(x, i, 1), ((4, 5),), tensors=(PLACES[:1],)),
    Case("aten.take_along_dim.default", lambda x: torch.take_along_dim(x, PLACES[:, :1], -1), ((1, 5),)),
    Case("aten.take_along_dim.default", lambda x: torch.take_along_dim(x, PLACES - 2, 0), ((3, 3),), SPECIAL),
    Case("aten.take_along_dim.default", torch.take_along_dim, ((4, 5),), tensors=(PLACES,)),
    Case("aten.xlogy.Tensor", torch.xlogy, PAIR, SPECIAL),
    Case("aten.special_xlog1py.default", torch.special.xlog1py, PAIR, SPECIAL),
    Case("aten.sinc.default", torch.sinc, elements=(0.0, -0.0, 0.5, -1.0, 2.5)),
    Case("aten.special_entr.default", torch.special.entr, elements=SPECIAL),
    Case("aten.fmax.default", torch.fmax, PAIR, SPECIAL),
    Case("aten.fmin.default", torch.fmin, PAIR, SPECIAL),
    Case("aten.isclose.default", lambda x, y: torch.isclose(x, y, 0.3, 0.01), PAIR, SPECIAL),
    Case("aten.isclose.default", lambda x, y: torch.isclose(x, y, 0.0, 0.2, equal_nan=True), PAIR, SPECIAL),
    Case("aten.isposinf.default", torch.isposinf, elements=SPECIAL),
    Case("aten.isneginf.default", torch.isneginf, elements=SPECIAL),
    Case("aten.heaviside.default", torch.heaviside, PAIR, SPECIAL),
    Case("aten.round.decimals", lambda x: torch.round(x, decimals=2), elements=SPECIAL),
    Case("aten.round.decimals", lambda x: torch.round(x, decimals=-1), elements=(14.0, -26.0, *SPECIAL)),
    Case("aten.round.decimals", lambda x: torch.round(x, decimals=0), elements=SPECIAL),
    Case("aten.logaddexp2.default", torch.logaddexp2, PAIR, SPECIAL),
    Case(
        "aten.masked_fill.Tensor",
        lambda x, mask: aten.masked_fill.Tensor(x, mask, torch.tensor(0.25)),
        ((2, 3, 4),),
        tensors=(TRUTHS,),
    ),
    Case("aten.one_hot.default", lambda x: nn.functional.one_hot(x, 5), (), tensors=(PLACES,)),
    Case("aten._safe_softmax.default", lambda x: aten._safe_softmax(x, 1)),
    Case("aten._safe_softmax.default", lambda x: aten._safe_softmax(x, -1), ((9, 2),), (float("-inf"),)),
    Case("aten.diff.default", lambda x: torch.diff(x, 2, 1)),
    Case("aten.diff.default", lambda x, y: torch.diff(x, 1, -1, y, y), ((3, 4), (3, 2))),
    Case("aten.diff.default", torch.diff, (), tensors=(TRUTHS,)),
    Case("aten.diff.default", lambda x: torch.diff(x, 0)),
    Case("aten.trace.default", torch.trace, ((5, 4),)),
    Case("aten.dist.default", torch.dist, (IMAGE, (4, 5))),
    Case("aten.dist.default", lambda x, y: torch.dist(x, y, float("inf")), PAIR),
    Case("aten.cdist.default", torch.cdist, ((2, 4, 5), (2, 3, 5))),
    Case("aten.cdist.default", lambda x, y: torch.cdist(x, y, 1.0), ((4, 5), (3, 5))),
    Case("aten.cdist.default", torch.cdist, ((26, 5), (3, 5))),
    Case("aten._cdist_forward.default", lambda x, y: aten._cdist_forward(x, y, 1.0, None), ((4, 5), (3, 5))),
    Case("aten._cdist_forward.default", lambda x, y: aten._cdist_forward(x, y, 2.0, 1), ((4, 5), (3, 5))),
    Case("aten.tensordot.default", lambda x, y: torch.tensordot(x, y, ([2, 0], [0, 1])), ((4, 3, 5), (5, 4, 2))),
    Case("aten.affine_grid_generator.default", partial(grid, size=[2, 3, 4, 5], corners=False), ((2, 2, 3),)),
    Case("aten.affine_grid_generator.default", partial(grid, size=[1, 3, 4, 1], corners=False), ((1, 2, 3),)),
    Case("aten.affine_grid_generator.default", partial(grid, size=[1, 3, 4, 5], corners=True), ((1, 2, 3),)),
    Case("aten.einsum.default", lambda x: torch.einsum("ijbn->bnij", x)),
    Case("aten.einsum.default", lambda x: torch.einsum("...x->...", x)),
    Case(
        "aten.einsum.default",
        lambda x, y: torch.einsum("...qhd,...khd->...hqk", x, y),
        ((2, 3, 5, 4, 6), (2, 3, 7, 4, 6)),
    ),
    Case("aten.einsum.default", lambda x, y: torch.einsum("...ij,jk", x, y), ((2, 3, 4), (4, 5))),
    Case("aten.einsum.default", lambda x, y: torch.einsum("abc,abd->acd", x, y), ((1, 3, 4), (2, 3, 5))),
    Case("aten.einsum.default", lambda x, y: torch.einsum("ijk,il->jl", x, y), ((2, 3, 4), (2, 5))),
    Case("aten.einsum.default", lambda *x: torch.einsum("bij,bjk,kl->bil", *x), ((2, 3, 4), (2, 4, 5), (5, 6))),
    Case("aten.einsum.default", lambda *x: torch.einsum("bn,anm,bm->ba", *x), ((2, 3), (4, 3, 5), (2, 5))),
    Case("aten.kron.default", torch.kron, ((4, 3), (2, 5))),
    Case("aten.kron.default", torch.kron, ((3,), (2, 5))),
    Case("aten.linalg_multi_dot.default", lambda *x: torch.linalg.multi_dot(x), ((4, 3), (3, 9), (9, 2))),
    Case("aten.linalg_multi_dot.default", lambda *x: torch.linalg.multi_dot(x), ((3,), (3, 9), (9, 2), (2,))),
    Case("aten.chain_matmul.default", lambda *x: aten.chain_matmul(x), ((4, 9), (9, 3), (3, 2), (2, 7))),
    Case("aten.linalg_matrix_power.default", lambda x: torch.linalg.matrix_power(x, 6), ((2, 4, 4),)),
    Case("aten.linalg_matrix_power.default", lambda x: torch.linalg.matrix_power(x, 1), ((4, 4),)),
    Case("aten.matrix_power.default", lambda x: aten.matrix_power(x, 3), ((4, 4),)),
    Case("aten.matrix_power.default", lambda x: aten.matrix_power(x, 1), ((4, 4),)),
    Case("aten.conv_tbc.default", lambda *x: aten.conv_tbc(*x, 1), ((5, 2, 3), (2, 3, 4), (4,))),
    Case("aten.unfold.default", lambda x: x.unfold(2, 2, 2), ((2, 3, 7),)),
    Case("aten.unfold.default", lambda x: x.unfold(1, 3, 1), ((2, 7, 3),)),
    Case("aten.unfold.default", lambda x: x.unfold(1, 4, 2), ((2, 7, 3),)),
    Case("aten.unfold_copy.default", lambda x: aten.unfold_copy(x, 2, 2, 2), ((2, 3, 6),)),
    Case("aten.unfold_copy.default", lambda x: aten.unfold_copy(x, 1, 3, 1), ((2, 7, 3),)),
    Case("aten.unfold_copy.default", lambda x: aten.unfold_copy(x, 1, 4, 2), ((2, 7, 3),)),
    Case("aten.im2col.default", lambda x: nn.functional.unfold(x, (3, 2), (1, 2), (1, 0), (2, 1)), ((2, 3, 6, 7),)),
    Case("aten.im2col.default", lambda x: nn.functional.unfold(x, (2, 5), stride=(2, 5))),
    Case("aten.im2col.default", lambda x: nn.functional.unfold(x, (2, 3), padding=(1, 0)), ((3, 4, 5),)),
    Case("aten.col2im.default", lambda x: nn.functional.fold(x, (4, 6), (2, 3)), ((2, 12, 12),)),
    Case("aten.col2im.default", lambda x: nn.functional.fold(x, (8, 7), 3, padding=1, stride=2), ((2, 18, 16),)),
    Case("aten.col2im.default", lambda x: nn.functional.fold(x, (4, 6), (2, 3), stride=(2, 3)), ((2, 12, 4),)),
    Case("aten.msort.default", torch.msort, ((3, 5),)),
    Case("aten.argsort.default", lambda x: aten.argsort(x, 1), ((3, 5),)),
    Case("aten.argsort.stable", lambda x: torch.argsort(x, dim=1, stable=False, descending=True), ((3, 5),)),
    Case("aten.reflection_pad3d.default", lambda x: aten.reflection_pad3d(x, [1, 2, 0, 3, 2, 1]), (VOLUME,)),
    Case("aten.reflection_pad3d.default", lambda x: aten.reflection_pad3d(x, [1, 2, 0, 3, 2, 1]), (IMAGE,)),
    Case("aten.replication_pad3d.default", lambda x: aten.replication_pad3d(x, [1, 2, 0, 3, 2, 1]), (VOLUME,)),
    Case("aten.upsample_nearest3d.vec", lambda x: nn.functional.interpolate(x, scale_factor=(2, 1.5, 3)), (VOLUME,)),
    Case("aten.upsample_nearest3d.vec", lambda x: nn.functional.interpolate(x, (3, 8, 7)), (VOLUME,), SPECIAL),
    *(
        Case("aten.upsample_trilinear3d.vec", partial(resized, corners=corners, size=size), (VOLUME,), SPECIAL)
        for corners in (False, True)
        for size in ((3, 8, 7), None)
    ),
    Case("aten.cat.default", lambda x: torch.cat([x[3:], x, torch.empty(0), x.flip(0)]), ((3, 5),)),
    Case("aten.cat.default", lambda x: torch.cat([x[:, 5:].relu(), x], -1), ((3, 5),)),
    Case("aten.index_select.default", lambda x: x.index_select(-1, torch.arange(5)), elements=SPECIAL),
    *(
        Case("aten._pack_padded_sequence.default", partial(pack, length=length, batch_first=batch_first), (shape,))
        for batch_first in (False, True)
        for length, shape in ((2, (2, 2, 5)), (2, (3, 4, 5, 6)), (1, (3, 4)), (3, (3, 1, 5)), (3, (3, 3)))
        if length <= shape[batch_first]
    ),
    *(
        Case(
            "aten._pad_packed_sequence.default",
            partial(pad, batch=batch, batch_first=batch_first, length=length),
            (shape,),
            SPECIAL,
        )
        for batch_first in (False, True)
        for batch, length, shape in ((2, 3, (6, 5)), (2, 7, (6, 5, 4)), (1, 3, (3,)), (1, 4, (3, 5)), (6, 2, (6, 5)))
    ),
    *(
        Case(f"aten.{op}.data", partial(packed_layers, op=op), ((10, 3), (4 * gates, 3), (4 * gates, 4)))
        for op, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1))
    ),
    Case("aten.matmul.default", torch.matmul, ((2, 3, 4, 5), (2, 1, 5, 6))),
    Case("aten.matmul.default", torch.matmul, ((2, 3, 4, 5), (1, 1, 5, 6))),
    Case("aten.matmul.default", torch.matmul, ((4, 1, 3, 5), (1, 2, 5, 6))),
    Case("aten.matmul.default", torch.matmul, ((3, 4, 5), (2, 1, 5, 6))),
    Case("aten.matmul.default", torch.matmul, ((2, 3, 4, 5), (3, 5, 6))),
    # TorchScript has names of its own for infinite and undefined numbers.
    *(Case("aten.smooth_l1_loss.default", partial(aten.smooth_l1_loss, beta=number), PAIR) for number in (INF, 1e-320)),
    *(Case("aten.huber_loss.default", partial(aten.huber_loss, delta=number), PAIR) for number in (INF, 1e308)),
    *(
        Case("aten.margin_ranking_loss.default", partial(aten.margin_ranking_loss, margin=number), (IMAGE,) * 3)
        for number in NOT_FINITE
    ),
    *(
        Case("aten.poisson_nll_loss.default", lambda x, y, e=eps: aten.poisson_nll_loss(x, y, False, False, e, 1), PAIR)
        for eps in NOT_FINITE
    ),
    *(Case("aten.isclose.default", lambda x, y, t=number: torch.isclose(x, y, t, t), PAIR) for number in (0.0, INF)),
    *(Case("aten.dist.default", partial(torch.dist, p=number), PAIR) for number in (-INF, 0.0)),
    *(Case("aten.cdist.default", partial(torch.cdist, p=number), ((3, 4), (5, 4))) for number in (INF, 0.0)),
    *(Case("aten.add.Tensor", partial(torch.add, alpha=number), ((2, 3, 4, 5, 6), (4, 1, 6))) for number in NOT_FINITE),
]
