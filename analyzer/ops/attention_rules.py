"""Output types of attention, alone and as a whole layer, without a call of PyTorch's own meta kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

from nnapi_check.analyzer.ops.window_rules import Arguments, Rule, like, meta


@cache
def _keeps_the_order() -> bool:
    """Whether this release's attention keeps the order of the query's dimensions; older ones put heads behind rows."""
    query = torch.zeros(1, 2, 3, 4)
    return torch.nn.functional.scaled_dot_product_attention(query, query, query).stride() == query.stride()


def _heads_last(query: torch.Tensor) -> torch.Tensor:
    return query.transpose(-3, -2).contiguous().transpose(-3, -2)


def _attention(arguments: Arguments) -> torch.Tensor | None:
    query, key, value = (arguments.get(name) for name in ("query", "key", "value"))
    if not isinstance(query, torch.Tensor) or not isinstance(key, torch.Tensor) or not isinstance(value, torch.Tensor):
        return None
    if any(other.dim() != query.dim() or other.shape[:-2] != query.shape[:-2] for other in (key, value)):
        return None
    lasts = {tensor.stride(-1) for tensor in (query, key, value)}
    if query.dim() in (3, 4) and lasts == {1} and query.shape[-1] == value.shape[-1]:
        # The kernel for images of heads has an order of dimensions of its own, and no other does.
        return like(query if _keeps_the_order() else _heads_last(query), query.dtype)
    return meta((*query.shape[:-1], value.shape[-1]), query.dtype)


def _attention_layer(arguments: Arguments) -> tuple[torch.Tensor, ...] | None:
    """A whole layer of attention, of which older releases cannot tell the shape."""
    x, heads = arguments.get("query"), arguments.get("num_head")
    if not isinstance(x, torch.Tensor) or not isinstance(heads, int) or not _fits_attention(x, heads, arguments):
        return None
    if any(
        not isinstance(other := arguments.get(name), torch.Tensor) or other.shape != x.shape
        for name in ("key", "value")
    ):
        return None
    batch, length, _ = x.shape
    if not arguments.get("need_weights", True):
        return meta(x.shape, x.dtype), meta((0,), x.dtype)
    maps = (batch, length, length) if arguments.get("average_attn_weights", True) else (batch, heads, length, length)
    return meta(x.shape, x.dtype), meta(maps, x.dtype)


def _encoder_layer(arguments: Arguments) -> torch.Tensor | None:
    x, heads = arguments.get("src"), arguments.get("num_heads")
    if not isinstance(x, torch.Tensor) or not isinstance(heads, int) or not _fits_attention(x, heads, arguments):
        return None
    return meta(x.shape, x.dtype)


def _fits_attention(x: torch.Tensor, heads: int, arguments: Arguments) -> bool:
    width = arguments.get("embed_dim")
    if x.dim() != 3 or not isinstance(width, int) or x.shape[-1] != width or heads < 1 or width % heads:
        return False
    shapes = {"qkv_weight": (3 * width, width), "qkv_bias": (3 * width,), "proj_weight": (width, width)}
    found = {name: arguments.get(name) for name in shapes}
    return all(
        isinstance(y, torch.Tensor) and y.shape == shapes[name] and y.dtype is x.dtype for name, y in found.items()
    )


ATTENTION_RULES: dict[str, Rule | Callable[[Arguments], tuple[torch.Tensor, ...] | None]] = {
    "aten::scaled_dot_product_attention": _attention,
    "aten::_native_multi_head_attention": _attention_layer,
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
}
"""Rules by the op's name without overload."""
