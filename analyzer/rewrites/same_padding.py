"""Convolutions whose output is as large as their input, where an even window takes one cell more on the far sides.

Decompositions write the odd cells as a padding with zeros of its own, before a convolution that pads by the rest.
"""

from __future__ import annotations

from nnapi_check.analyzer.graph import ABSENT, Node, Ref, is_ints
from nnapi_check.analyzer.rewrites.rewrite import Match, Rewrite, Surroundings, in_place_of_last

_BY_NAME = {f"aten.conv{rank}d.default": f"aten.conv{rank}d.padding" for rank in (1, 2, 3)}


def _match(first: Node, around: Surroundings) -> Match | None:
    """The convolution that ``first``, a padding with zeros, and its only reader are together."""
    convolution = around.only_reader(first.outputs[0]) if _pads_with_zeros(first) else None
    if convolution is None or convolution.op not in _BY_NAME or convolution.arguments["input"] != Ref(first.outputs[0]):
        return None
    given = convolution.arguments
    weight, pads, padding, dilation, stride = (
        given["weight"],
        first.arguments["pad"],
        given["padding"],
        given["dilation"],
        given["stride"],
    )
    kind = around.graph.tensor_of(weight)
    if not (kind is not None and is_ints(pads) and is_ints(padding) and is_ints(dilation)):
        return None
    if not is_ints(stride) or any(step != 1 for step in stride) or len(pads) > 2 * len(padding):
        return None
    # Pads are written from the last dimension on.
    wide = (*pads, *[0] * (2 * len(padding) - len(pads)))
    totals = [step * (size - 1) for step, size in zip(dilation, kind.shape[2:], strict=True)]
    near = [around + extra for around, extra in zip(padding, wide[-2::-2], strict=True)]
    far = [around + extra for around, extra in zip(padding, wide[-1::-2], strict=True)]
    if near != [total // 2 for total in totals] or far != [total - total // 2 for total in totals]:
        return None
    arguments = {**given, "input": first.arguments["self"], "padding": "same"}
    return in_place_of_last(_BY_NAME[convolution.op], arguments, (first, convolution))


def _pads_with_zeros(node: Node) -> bool:
    if node.op == "aten.pad.default":
        return node.arguments["mode"] == "constant" and node.arguments["value"] in (0, ABSENT)
    return node.op == "aten.constant_pad_nd.default" and node.arguments["value"] == 0


SAME_PADDING = Rewrite(
    name="same-padding",
    title="a convolution whose output is as large as its input",
    begins=frozenset({"aten.pad.default", "aten.constant_pad_nd.default"}),
    makes=frozenset(_BY_NAME.values()),
    match=_match,
)
