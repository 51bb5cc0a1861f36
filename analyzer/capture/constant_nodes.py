"""Which nodes compute constants: what depends on constants and shapes alone, and may be computed before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from nnapi_check.analyzer.growing_graph import drafts_in
from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls
from nnapi_check.analyzer.ops.calls import FORM_ARGUMENT, Operation, is_refused
from nnapi_check.analyzer.ops.constant_values import MAX_CONSTANT, WHEN_READ, largest_size
from nnapi_check.analyzer.tensor_types import flat_tensors


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
