"""Local response normalization, which PyTorch computes in rank 5: ten nodes that mean one operation."""

from __future__ import annotations

from nnapi_check.analyzer.graph import Absent, Node, Ref
from nnapi_check.analyzer.rewrites.rewrite import Match, Miss, Rewrite, Surroundings, in_place_of_last

LOCAL_RESPONSE = "nnapi_check.local_response_norm.default"
"""The input over (``k`` + ``alpha`` * the mean of squares over ``size`` channels) to the power of ``beta``."""

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


_TELLING = 4
"""So many nodes are of no other op: squares, a dimension of one, channels padded, and averaged."""


def _match(first: Node, around: Surroundings) -> Match | Miss | None:
    """The normalization that begins with squares in ``first``."""
    if first.arguments["self"] != first.arguments["other"]:
        return None
    nodes = _followed(first, around)
    if isinstance(nodes, Miss):
        return nodes if nodes.matched >= _TELLING else None
    squares, deep, padded, pooled, flat, shaped, scaled, shifted, powered, divided = nodes
    source = squares.arguments["self"]
    shape = around.shape(source.value) if isinstance(source, Ref) else ()
    size = _window(pooled)
    alpha, k, beta = (
        node.arguments[name] for node, name in ((scaled, "other"), (shifted, "other"), (powered, "exponent"))
    )
    if size is None:
        return Miss(_TELLING - 1, pooled, "it averages over more than neighboring channels")
    for holds, at, reason in (
        (len(shape) == 4, squares, "its input has another rank than 4"),
        (
            around.shape(deep.outputs[0]) == (*shape[:1], 1, *shape[1:]),
            deep,
            "it is no reshape to one image of channels",
        ),
        (_pads(padded, size), padded, "it does not pad the channels with zeros by half the window"),
        (flat.arguments["dim"] in (1, (1,)), flat, "it takes another dimension away"),
        (around.shape(shaped.outputs[0]) == shape, shaped, "it is no reshape to the shape of the input"),
        (isinstance(alpha, int | float), scaled, "its factor is no number"),
        (isinstance(k, int | float) and shifted.arguments["alpha"] == 1, shifted, "it does not add a number"),
        (isinstance(beta, int | float), powered, "its exponent is no number"),
        (divided.arguments["self"] == source, divided, "it divides another tensor than the input"),
    ):
        if not holds:
            return Miss(nodes.index(at), at, reason)
    return in_place_of_last(LOCAL_RESPONSE, {"self": source, "size": size, "alpha": alpha, "beta": beta, "k": k}, nodes)


LOCAL_RESPONSE_NORM = Rewrite(
    name="local-response",
    title="local response normalization",
    begins=frozenset(_CHAIN[0]),
    makes=frozenset({LOCAL_RESPONSE}),
    match=_match,
)


def _followed(first: Node, around: Surroundings) -> tuple[Node, ...] | Miss:
    """The nodes from ``first`` on, each of the op that stands next in the chain."""
    nodes = [first]
    for ops in _CHAIN[1:]:
        node = around.only_reader(nodes[-1].outputs[0])
        if node is None:
            return Miss(len(nodes) - 1, nodes[-1], "more than one node reads what it makes, or none")
        if node.op not in ops or node.is_constant:
            return Miss(len(nodes), node, f"{ops[0]} was wanted")
        nodes.append(node)
    if nodes[-1].arguments["other"] != Ref(nodes[-2].outputs[0]):
        return Miss(len(nodes) - 1, nodes[-1], "it does not divide by the normalization")
    return tuple(nodes)


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


def _pads(padded: Node, size: int) -> bool:
    """Whether a node puts zeros before and after the channels, half a window of them."""
    value = padded.arguments["value"]
    is_zero = padded.arguments.get("mode", "constant") == "constant" and (isinstance(value, Absent) or value == 0)
    return is_zero and padded.arguments["pad"] == (0, 0, 0, 0, size // 2, (size - 1) // 2)
