"""Pooling along one dimension as decompositions write it: of an image that is one row high, between two reshapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.graph import ABSENT, Argument, Node, Ref, is_ints
from nnapi_check.analyzer.rewrites.rewrite import Match, Rewrite, Surroundings, in_place_of_last


@dataclass(frozen=True, slots=True)
class _Pooling:
    """The op along one dimension, and the arguments that it shares with the one of images."""

    op: str
    windows: tuple[str, ...]
    others: tuple[str, ...] = ()


_LARGEST = _Pooling("aten.max_pool1d.default", ("kernel_size", "stride", "padding", "dilation"), ("ceil_mode",))
_ADAPTIVE = _Pooling("aten.adaptive_avg_pool1d.default", ("output_size",))
_POOLINGS: Mapping[str, _Pooling] = {
    "aten.avg_pool2d.default": _Pooling(
        "aten.avg_pool1d.default", ("kernel_size", "stride", "padding"), ("ceil_mode", "count_include_pad")
    ),
    "aten.max_pool2d.default": _LARGEST,
    "aten.max_pool2d_with_indices.default": _LARGEST,
    "aten.adaptive_avg_pool2d.default": _ADAPTIVE,
    "aten._adaptive_avg_pool2d.default": _ADAPTIVE,
}
_ROWS = {"kernel_size": 1, "padding": 0, "output_size": 1}
"""What a window does to the one row; how far it goes on, and how wide it is spread, does not matter there."""


def _match(first: Node, around: Surroundings) -> Match | None:
    """The pooling along one dimension that ``first``, which adds a row, and the two nodes behind it are."""
    source = first.arguments["self"]
    pooling = around.only_reader(first.outputs[0])
    if pooling is None or pooling.op not in _POOLINGS or not isinstance(source, Ref):
        return None
    last = around.only_reader(pooling.outputs[0])
    if any(around.readers[value] for value in pooling.outputs[1:]):
        return None
    if last is None or last.op not in ("aten.squeeze.dims", "aten.squeeze.dim"):
        return None
    length = around.shape(source.value)
    if around.shape(first.outputs[0]) != (*length[:-1], 1, *length[-1:]):
        return None
    # A length of 1 is no row: which of both is added and taken away is seen by the numbers of the dimensions.
    rows = (dims_of(first, len(length) + 1), dims_of(last, len(length) + 1))
    if rows != ((len(length) - 1,),) * 2 or pooling.arguments.get("divisor_override", ABSENT) != ABSENT:
        return None
    known = _POOLINGS[pooling.op]
    windows = {name: pooling.arguments[name] for name in known.windows}
    columns: dict[str, Argument] = {}
    for name, window in windows.items():
        if not is_ints(window) or len(window) != 2 or window[0] != _ROWS.get(name, window[0]):
            return None
        columns[name] = (window[1],)
    others = {name: pooling.arguments[name] for name in known.others}
    return in_place_of_last(known.op, {"self": source, **columns, **others}, (first, pooling, last))


def dims_of(node: Node, rank: int) -> tuple[int, ...]:
    """The dimensions that a node adds or takes away."""
    dims = node.arguments["dim"]
    found = dims if is_ints(dims) else [dims] if isinstance(dims, int) else []
    return tuple(dim % rank for dim in found)


ROW_POOLING = Rewrite(
    name="row-pooling",
    title="a pooling along one dimension",
    begins=frozenset({"aten.unsqueeze.default"}),
    makes=frozenset(known.op for known in _POOLINGS.values()),
    match=_match,
)
