"""Which nodes compute constants: what depends on constants and shapes alone, and may be computed before a run.

Where constants that are sorted have equal elements, PyTorch leaves open in which order those stand, and its kernels for
desktops put them otherwise than those for phones. What parts for NNAPI read of it is computed when a model is
converted, and what the CPU reads must be the same: such an order is told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.capture.spellings import plain_arguments
from nnapi_check.analyzer.capture.stored_values import MAX_READ_INTEGERS
from nnapi_check.analyzer.growing_graph import Draft, drafts_in
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls
from nnapi_check.analyzer.ops.calls import FORM_ARGUMENT, Operation, is_refused
from nnapi_check.analyzer.ops.constant_values import MAX_CONSTANT, WHEN_READ, largest_size
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import insert_constant

_SORTING = frozenset({"aten::sort", "aten::argsort", "aten::topk"})


@dataclass(slots=True)
class ConstantNodes:
    """Tells them apart as a walk meets them; the bound on all constants together is counted on the way."""

    _calls: BoundedCalls = field(default_factory=lambda: BoundedCalls(WHEN_READ))

    def holds(self, node: torch._C.Node, operation: Operation, items: Sequence[object], results: object) -> bool:
        """Whether what a node returns is known once the parameters are: ``results`` is what the walk typed it as.

        Parameters have no elements yet. So the calls that an op makes of others are held, on types alone, to what
        computes them later: a value that would be refused there is left to the run, like any that inputs decide.
        """
        if node.isNondeterministic() or operation.is_foreign:
            return False
        form = FORM_ARGUMENT.get(operation.name)
        read = (draft for place, item in enumerate(items) if place != form for draft in drafts_in(item))
        if not all(draft.is_constant for draft in read) or largest_size(flat_tensors(results)) > MAX_CONSTANT:
            return False
        has_elements = all(not tensor.is_meta for tensor in flat_tensors(results))
        return has_elements or not is_refused(operation, items, self._calls)


def order_told(
    graph: torch._C.Graph,
    node: torch._C.Node,
    operation: Operation,
    items: Sequence[object],
    results: Sequence[object],
) -> list[torch._C.Node]:
    """Constants that hold what a node sorts, in its place in the graph; none where nothing is left open."""
    if operation.name not in _SORTING:
        return []
    arguments = plain_arguments(operation, items)
    x = arguments.get("self")
    if arguments.get("stable") is True or not isinstance(x, Draft) or x.tensor is None or not _has_equals(x.tensor):
        return []
    graph.setInsertPoint(node)
    made = [insert_constant(graph, result) for result in results if isinstance(result, torch.Tensor)]
    graph.setInsertPoint(graph.return_node())
    for output, value in zip(node.outputs(), made, strict=True):
        output.replaceAllUsesWith(value)
    node.destroy()
    return [value.node() for value in made]


def _has_equals(tensor: torch.Tensor) -> bool:
    """Whether two elements of whole numbers that are known are equal."""
    is_whole = not (tensor.is_meta or tensor.is_quantized or tensor.is_floating_point() or tensor.is_complex())
    return is_whole and tensor.numel() <= MAX_READ_INTEGERS and len(set(tensor.flatten().tolist())) < tensor.numel()
