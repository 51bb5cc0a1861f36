"""Whether a plan in pieces is likely to be faster than the CPU alone: an estimate from published figures.

`docs/worth.md` has the figures with their sources, and what they leave out. It is no measurement, and no verdict hangs
on it: it is told, and the user decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.nnapi_types import operand_type
from nnapi_check.analyzer.planning.partition import Partition
from nnapi_check.analyzer.planning.work import node_work
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS

CPU_OPERATIONS_PER_SECOND = 40e9
"""MobileNet's 569 million multiply-adds in 14.0 ms on four threads of a Pixel 4."""

SPEEDUP = 1.6
"""The median of ten times on the CPU over those through NNAPI: five models of floats on two phones."""

SECONDS_PER_CALL = 0.25e-3
"""44 calls of NNAPI in 12.2 ms, of a model of 113 kB: at most so much for each."""

BYTES_PER_SECOND = 17e9
"""Half of what the memory of a Pixel 4 does at best, for a copy reads and writes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The seconds that a call of the model takes on the CPU alone, and with the parts on NNAPI."""

    cpu: float
    planned: float

    @property
    def is_slower(self) -> bool:
        """Whether NNAPI costs more than it saves."""
        return self.planned >= self.cpu


def estimate(graph: Graph, partition: Partition) -> Estimate:
    """What a call takes, each part being called once."""
    total = sum(node_work(node, graph) for node in graph.nodes() if not node.is_constant)
    inside = sum(part.work for part in partition.parts)
    crossing = sum(_bytes(graph, value) for part in partition.parts for value in (*part.inputs, *part.outputs))
    saved = inside * (1 - 1 / SPEEDUP) / CPU_OPERATIONS_PER_SECOND
    paid = len(partition.parts) * SECONDS_PER_CALL + crossing / BYTES_PER_SECOND
    alone = total / CPU_OPERATIONS_PER_SECOND
    return Estimate(alone, alone - saved + paid)


def _bytes(graph: Graph, value: int) -> int:
    tensor = graph.tensor_type(value)
    kind = None if tensor is None else operand_type(tensor)
    return 0 if tensor is None or kind is None else tensor.numel * ELEMENT_STRUCTS[kind].size
