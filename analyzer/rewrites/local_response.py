"""Local response normalization, which PyTorch computes in rank 5: ten nodes that mean one operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnapi_check.analyzer.graph import Absent, Argument, Graph, Node, Ref, TensorType

_MULTIPLIED = ("aten.mul.Tensor", "aten.mul.Scalar")
_ADDED = ("aten.add.Tensor", "aten.add.Scalar")
_RESHAPED = ("aten.view.default", "aten.reshape.default")
_CHAIN = (
    ("aten.mul.Tensor",),
    _RESHAPED,
    ("aten.pad.default", "aten.constant_pad_nd.default"),
    ("aten.avg_pool3d.default",),
    ("aten.squeeze.dim", "aten.squeeze.dims"),
    _RESHAPED,
    _MULTIPLIED,
    _ADDED,
    ("aten.pow.Tensor_Scalar",),
    ("aten.div.Tensor",),
)


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """What the nodes compute: self / (k + alpha * mean of squares over ``size`` channels) to the power of beta."""

    nodes: tuple[Node, ...]
    arguments: Mapping[str, Argument]


def local_response_of(first: Node, graph: Graph, only_reader: Callable[[int], Node | None]) -> LocalResponse | None:
    """The normalization that begins with squares in ``first``, if there is one.

    ``only_reader`` gives the node that alone reads a value, or None.
    """
    nodes = _followed(first, only_reader)
    if nodes is None:
        return None
    squares, deep, padded, pooled, flat, shaped, scaled, shifted, powered, divided = nodes
    source = squares.arguments["self"]
    if not isinstance(source, Ref) or squares.arguments["other"] != source or divided.arguments["self"] != source:
        return None
    shape = _shape(source.value, graph)
    size = _window(pooled)
    alpha, k, beta = (
        node.arguments[name] for node, name in ((scaled, "other"), (shifted, "other"), (powered, "exponent"))
    )
    fits = (
        len(shape) == 4
        and size is not None
        and _shape(deep.outputs[0], graph) == (shape[0], 1, *shape[1:])
        and padded.arguments["pad"] == (0, 0, 0, 0, size // 2, (size - 1) // 2)
        and _pads_zeros(padded)
        and flat.arguments["dim"] in (1, (1,))
        and _shape(shaped.outputs[0], graph) == shape
        and shifted.arguments["alpha"] == 1
        and all(isinstance(number, int | float) for number in (alpha, k, beta))
    )
    if not fits or size is None:
        return None
    return LocalResponse(nodes, {"self": source, "size": size, "alpha": alpha, "beta": beta, "k": k})


def _followed(first: Node, only_reader: Callable[[int], Node | None]) -> tuple[Node, ...] | None:
    """The nodes from ``first`` on, each of the op that stands next in the chain."""
    nodes: list[Node] = []
    node: Node | None = first
    for ops in _CHAIN:
        if node is None or node.op not in ops or node.is_constant:
            return None
        nodes.append(node)
        node = only_reader(node.outputs[0])
    is_divisor = nodes[-1].arguments["other"] == Ref(nodes[-2].outputs[0])
    return tuple(nodes) if is_divisor else None


def _window(pooled: Node) -> int | None:
    """How many channels are averaged, where nothing else is."""
    window = pooled.arguments["kernel_size"]
    is_plain = (
        isinstance(window, tuple)
        and len(window) == 3
        and window[1:] == (1, 1)
        and pooled.arguments["stride"] == (1, 1, 1)
        and pooled.arguments["padding"] == (0, 0, 0)
        and isinstance(pooled.arguments["divisor_override"], Absent)
    )
    size = window[0] if isinstance(window, tuple) and window else None
    return size if is_plain and isinstance(size, int) else None


def _pads_zeros(padded: Node) -> bool:
    value = padded.arguments["value"]
    return padded.arguments.get("mode", "constant") == "constant" and (isinstance(value, Absent) or value == 0)


def _shape(value: int, graph: Graph) -> tuple[int, ...]:
    kind = graph.type_of(value)
    return kind.shape if isinstance(kind, TensorType) else ()
