"""How much a node computes."""

import pytest
import torch

from analyzer.capture import capture
from analyzer.graph import Ref
from analyzer.work import OPERATIONS_PER_CROSSING, OPERATIONS_PER_ELEMENT, boundary_cost, multiply_adds, node_work
from tests.analyzer.hand_made_graphs import Sketch, tensor

CASES = [
    (torch.nn.Conv2d(3, 5, (3, 2)), (1, 3, 7, 9), 5 * 5 * 8 * 3 * 3 * 2),
    (torch.nn.Conv2d(6, 6, (3, 2), groups=6), (1, 6, 7, 9), 6 * 5 * 8 * 3 * 2),
    (torch.nn.Conv2d(6, 4, 1, groups=2), (2, 6, 7, 9), 2 * 4 * 7 * 9 * 3),
    (torch.nn.ConvTranspose2d(3, 5, (3, 2)), (1, 3, 7, 9), 3 * 7 * 9 * 5 * 3 * 2),
    (torch.nn.Linear(11, 13), (7, 11), 7 * 13 * 11),
    (torch.nn.ReLU(), (3, 5), 0),
]


@pytest.mark.parametrize(("module", "shape", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_multiply_adds_are_those_of_the_definition(
    module: torch.nn.Module, shape: tuple[int, ...], expected: int
) -> None:
    graph = capture(module.eval(), [torch.rand(shape)], weights=False).graph

    assert sum(multiply_adds(node, graph) for node in graph.nodes()) == expected


def test_matrix_product_counts_its_inner_dimension() -> None:
    class Product(torch.nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.matmul(left, right)

    graph = capture(Product(), [torch.rand(2, 3, 5), torch.rand(2, 5, 7)], weights=False).graph

    assert sum(multiply_adds(node, graph) for node in graph.nodes()) == 2 * 3 * 7 * 5


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


def test_boundary_costs_by_crossing_and_by_element() -> None:
    sketch = Sketch()
    x = sketch.input(tensor((3, 5)))

    assert boundary_cost(sketch.values[x]) == OPERATIONS_PER_CROSSING + 15 * OPERATIONS_PER_ELEMENT
