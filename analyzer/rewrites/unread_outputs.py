"""Ops of several outputs that mean another op where nothing but the first output is read.

Decompositions write ``native_layer_norm`` for ``layer_norm``, and give the mean and the deviation with the result. Who
reads an output is known once the whole graph is captured; what another spelling of the same call means, before
(``analyzer/capture/spellings.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nnapi_check.analyzer.graph import ABSENT, Node, Ref
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Rewrite, Surroundings


def _match(first: Node, around: Surroundings) -> Match | None:
    """The node as a call of the op that makes its first output, where no other is read and the call means the same."""
    call = around.known.first_outputs[first.op]
    means_it = _ONLY_WHERE.get(first.op)
    if any(around.readers[value] for value in first.outputs[1:]):
        return None
    if means_it is not None and not means_it(first, around):
        return None
    arguments = call.arguments(first.arguments, lambda value: ABSENT if value is None else value)
    return Match(call.op, arguments, nodes=(), at=first, outputs=first.outputs[:1])


def _is_one_image_in_training(node: Node, around: Surroundings) -> bool:
    """The statistics of a batch of one are those of its one image, which decompositions make of all images."""
    source = node.arguments["input"]
    shape = around.shape(source.value) if isinstance(source, Ref) else ()
    return shape[:1] == (1,) and node.arguments["training"] is True


def _says_whether_it_trains(node: Node, around: Surroundings) -> bool:
    # Without a word on training it drops.
    return isinstance(node.arguments["train"], bool)


_ONLY_WHERE: Mapping[str, Callable[[Node, Surroundings], bool]] = {
    "aten._native_batch_norm_legit.no_stats": _is_one_image_in_training,
    "aten.native_dropout.default": _says_whether_it_trains,
}
"""What else decides than that no other output is read, in the words of the card's ``when``."""

UNREAD_OUTPUTS = Rewrite(
    name="unread-outputs",
    title="an op of which only the first output is read",
    begins=ByCard.FIRST_OUTPUT,
    makes=ByCard.FIRST_OUTPUT,
    match=_match,
)
