"""A RESHAPE of a RESHAPE that nothing else reads becomes one RESHAPE."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.lowering.emission.model_draft import Draft


def merge_reshapes(draft: Draft) -> None:
    """Merge every chain of reshapes into its last one."""
    reader_of = draft.only_readers()
    producers = {made: slot for slot, operation in draft.live() for made in operation.outputs}
    for slot, reshape in list(draft.live()):
        before = producers.get(reshape.inputs[0])
        if reshape.kind != "RESHAPE" or before is None or reader_of.get(reshape.inputs[0]) != slot:
            continue
        first = draft.operations[before]
        if first is not None and first.kind == "RESHAPE":
            draft.operations[slot] = replace(reshape, inputs=(first.inputs[0], reshape.inputs[1]))
            if reader_of.get(first.inputs[0]) == before:
                reader_of[first.inputs[0]] = slot
            draft.operations[before] = None
