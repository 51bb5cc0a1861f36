"""A TRANSPOSE that turns matrices before a BATCH_MATMUL becomes its flag."""

from __future__ import annotations

from dataclasses import replace

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.model_draft import Draft
from nnapi_check.lowering.emission.moves import Links, order_of
from nnapi_check.lowering.emission.tensor_spec import TensorSpec

_FLAG = 2
"""How far behind each factor the flag stands that says whether its matrices are turned."""


def turn_products(draft: Draft) -> None:
    """Let every product read what was turned for it alone as it was before."""
    links = Links.of(draft)
    for slot, operation in list(draft.live()):
        if operation.kind != "BATCH_MATMUL":
            continue
        for place in (0, 1):
            before = links.before(draft, slot, place)
            product = draft.operations[slot]
            if before is None or product is None or before[1].kind != "TRANSPOSE":
                continue
            order = order_of(draft, before[1])
            flag = draft.numbers(product.inputs[place + _FLAG])
            if order is None or flag is None or order != (*range(len(order) - 2), len(order) - 1, len(order) - 2):
                continue
            inputs = list(product.inputs)
            inputs[place] = before[1].inputs[0]
            turned = draft.immediate(TensorSpec(OperandType.BOOL, ()), [not flag[0]])
            inputs[place + _FLAG] = turned
            draft.operations[slot] = replace(product, inputs=tuple(inputs))
            draft.operations[before[0]] = None
