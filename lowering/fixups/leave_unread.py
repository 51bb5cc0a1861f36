"""Leave out what was written in case that something reads it, and nothing does."""

from __future__ import annotations

from nnapi_check.lowering.emission.model_draft import Draft


def leave_unread(draft: Draft) -> None:
    """Remove the operations that make ``draft.optional`` operands which nothing reads. Linear in the operations."""
    if not draft.optional:
        return
    times = draft.times_read()
    for slot, operation in reversed(list(draft.live())):
        if draft.optional.issuperset(operation.outputs) and not any(times[made] for made in operation.outputs):
            draft.operations[slot] = None
            times.subtract(operation.inputs)
