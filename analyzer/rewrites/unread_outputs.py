"""Ops of several outputs that mean another op where nothing but the first output is read.

Decompositions write ``native_layer_norm`` for ``layer_norm``, and give the mean and the deviation with the result. Who
reads an output is known once the whole graph is captured; what another spelling of the same call means, before
(``analyzer/capture/spellings.py``).
"""

from __future__ import annotations

from nnapi_check.analyzer.graph import ABSENT, Node
from nnapi_check.analyzer.quantities import Uses, holds
from nnapi_check.analyzer.rewrites.rewrite import ByCard, Match, Rewrite, Surroundings


def _match(first: Node, around: Surroundings) -> Match | None:
    """The node as a call of the op that makes its first output, where no other is read and the call means the same."""
    read_as = around.known.first_outputs[first.op]
    if any(around.readers[value] for value in first.outputs[1:]):
        return None
    if read_as.where is not None and not holds(read_as.where, first, Uses(around.graph)):
        return None
    arguments = read_as.call.arguments(first.arguments, lambda value: ABSENT if value is None else value)
    return Match(read_as.call.op, arguments, nodes=(), at=first, outputs=first.outputs[:1])


UNREAD_OUTPUTS = Rewrite(
    name="unread-outputs",
    title="an op of which only the first output is read",
    begins=ByCard.FIRST_OUTPUT,
    makes=ByCard.FIRST_OUTPUT,
    match=_match,
)
