"""How much a node computes."""

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import DynamicType, ElementType, Ref
from nnapi_check.analyzer.planning.work import (
    multiply_adds,
    node_work,
    stored_bytes,
)
from nnapi_check.coverage_db.cards import Card
from nnapi_check.lowering.examples.modules import example_module
from tests.analyzer.hand_made_graphs import Sketch, tensor
from tests.cards import cards

CASES = [
    (torch.nn.Conv2d(3, 5, (3, 2)), (1, 3, 7, 9), 5 * 5 * 8 * 3 * 3 * 2),
    (torch.nn.Conv2d(6, 6, (3, 2), groups=6), (1, 6, 7, 9), 6 * 5 * 8 * 3 * 2),
    (torch.nn.Conv2d(6, 4, 1, groups=2), (2, 6, 7, 9), 2 * 4 * 7 * 9 * 3),
    (torch.nn.ConvTranspose2d(3, 5, (3, 2)), (1, 3, 7, 9), 3 * 7 * 9 * 5 * 3 * 2),
    (torch.nn.Linear(11, 13), (7, 11), 7 * 13 * 11),
    (torch.nn.LSTM(7, 5, num_layers=2, batch_first=True), (2, 3, 7), 2 * 3 * 4 * 5 * (7 + 5 + 5 + 5)),
    (torch.nn.GRU(7, 5, bidirectional=True), (11, 7), 11 * 2 * 3 * 5 * (7 + 5)),
    (torch.nn.ReLU(), (3, 5), 0),
]


def total(module: torch.nn.Module, *shapes: tuple[int, ...]) -> int:
    """The multiply-adds of a module whose inputs have these shapes, all of them known."""
    graph = capture(module.eval(), [torch.rand(shape) for shape in shapes], weights=False).graph
    found = [multiply_adds(node, graph) for node in graph.nodes() if not node.is_constant]
    assert None not in found
    return sum(count or 0 for count in found)


@pytest.mark.parametrize(("module", "shape", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_multiply_adds_are_those_of_the_definition(
    module: torch.nn.Module, shape: tuple[int, ...], expected: int
) -> None:
    assert total(module, shape) == expected


def test_matrix_product_counts_its_inner_dimension() -> None:
    class Product(torch.nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.matmul(left, right)

    assert total(Product(), (2, 3, 5), (2, 5, 7)) == 2 * 3 * 7 * 5


def test_sum_of_a_batch_of_products_counts_them_all() -> None:
    class Sum(torch.nn.Module):
        def forward(self, bias: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.addbmm(bias, left, right)

    assert total(Sum(), (3, 7), (2, 3, 5), (2, 5, 7)) == 2 * 3 * 7 * 5


def test_bilinear_counts_every_pair_of_features() -> None:
    assert total(torch.nn.Bilinear(3, 5, 7), (2, 3), (2, 5)) == 2 * 7 * 3 * 5


PRODUCTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"}
OPS_THAT_MULTIPLY = [
    card
    for card in cards().values()
    if any(PRODUCTS & {emission.operation for emission in way.emits} for way in card.ways)
]


@pytest.mark.parametrize("card", OPS_THAT_MULTIPLY, ids=lambda card: card.op)
def test_work_of_an_op_that_becomes_products_is_known(card: Card) -> None:
    """Of unknown work, a report says that it does not know the share on NNAPI."""
    made = example_module(card, next(example for way in card.ways for example in way.examples if not example.expect))

    graph = capture(made.module, made.inputs, weights=False).graph

    found = [multiply_adds(node, graph) for node in graph.nodes() if node.op == card.op]
    assert found
    assert None not in found


def test_sum_with_a_product_counts_the_product() -> None:
    class Sum(torch.nn.Module):
        def forward(self, bias: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.addmm(bias, left, right)

    assert total(Sum(), (7,), (3, 5), (5, 7)) == 3 * 7 * 5


@pytest.mark.parametrize("batch_first", [True, False])
def test_layer_counts_the_same_as_one_op_and_written_out(batch_first: bool) -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, activation="relu", batch_first=batch_first)

    x = total(layer, (2, 5, 8))

    tokens, pairs = 10, 2 * 5 * 5 if batch_first else 5 * 2 * 2
    assert x == tokens * (4 * 8 * 8 + 2 * 8 * 12) + 2 * pairs * 8


def test_attention_counts_both_of_its_products() -> None:
    class Attention(torch.nn.Module):
        def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.scaled_dot_product_attention(query, key, value)

    assert total(Attention(), (2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4)) == 2 * 3 * 5 * 7 * (8 + 4)


def test_einsum_counts_every_combination_of_its_labels() -> None:
    class Einsum(torch.nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.einsum("bij,bkj->bik", left, right)

    graph = capture(Einsum(), [torch.rand(2, 3, 5), torch.rand(2, 7, 5)], weights=False).graph

    assert sum(multiply_adds(node, graph) or 0 for node in graph.nodes()) == 2 * 3 * 7 * 5


def test_product_of_unknown_shape_is_not_counted_as_nothing() -> None:
    sketch = Sketch()
    x, weight = sketch.input(DynamicType("a reason")), sketch.parameter(tensor((5, 3, 3, 2)))
    sketch.node("aten.conv2d.default", x, kind=DynamicType("a reason"), weight=Ref(weight))
    graph = sketch.graph()

    assert multiply_adds(sketch.nodes[0], graph) is None
    assert node_work(sketch.nodes[0], graph) == 0


def test_quantized_convolution_counts_like_a_plain_one() -> None:
    sketch = Sketch()
    x, weight = sketch.input(tensor((1, 3, 7, 9))), sketch.parameter(tensor((5, 3, 3, 2)))
    sketch.node("quantized.conv2d.new", x, kind=tensor((1, 5, 5, 8)), weight=Ref(weight))
    graph = sketch.graph()

    assert multiply_adds(sketch.nodes[0], graph) == 5 * 5 * 8 * 3 * 3 * 2


def test_every_output_element_is_an_operation() -> None:
    sketch = Sketch()
    sketch.node("t.relu", sketch.input(tensor((3, 5))), kind=tensor((3, 5)))

    assert node_work(sketch.nodes[0], sketch.graph()) == 15


def test_values_have_the_bytes_that_nnapi_stores() -> None:
    sketch = Sketch()
    floats = sketch.input(tensor((3, 5)))
    flags = sketch.input(tensor((7,), ElementType.BOOL))

    assert stored_bytes(sketch.graph(floats), (floats, flags)) == 3 * 5 * 4 + 7
