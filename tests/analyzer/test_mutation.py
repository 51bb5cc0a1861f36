"""In-place ops and the ops that stand for them."""

import pytest
import torch

from analyzer.canonical import op_name
from analyzer.capture import capture
from analyzer.mutation import functional_of
from analyzer.operations import operation_of
from coverage_db.cards import Card
from nnapi_check import registry

IN_PLACE = [card for card in registry().cards() if card.family == "in_place"]


@pytest.mark.parametrize("card", IN_PLACE, ids=lambda card: card.op)
def test_card_of_an_in_place_op_names_the_op_that_reading_puts_in_its_place(card: Card) -> None:
    space, name, overload = card.op.split(".")
    schemas = torch._C._jit_get_schemas_for_operator(f"{space}::{name}")
    (schema,) = [str(schema) for schema in schemas if (schema.overload_name or "default") == overload]

    functional = functional_of(operation_of(schema))

    assert functional is not None
    assert card.becomes == (op_name(functional),)


class Overwriting(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 2).pow_(3).relu_()


def test_in_place_op_whose_overload_has_another_name_is_replaced() -> None:
    graph = capture(Overwriting(), [torch.rand(2, 3)], weights=False).graph

    assert [node.op for node in graph.nodes()] == ["aten.mul.Tensor", "aten.pow.Tensor_Scalar", "aten.relu.default"]
