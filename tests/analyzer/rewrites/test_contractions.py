"""An einsum of two tensors as products of matrices: which equations are, and that they compute the same."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import Argument, Node, Ref
from nnapi_check.analyzer.rewrites.contractions import CONTRACT
from tests.lowering.whole_graphs import captured_function

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 1, "f": 6}


def node_of(equation: str, *shapes: tuple[int, ...]) -> Node:
    captured = captured_function(lambda *given: torch.einsum(equation, *given), [torch.rand(shape) for shape in shapes])
    (node,) = captured.graph.nodes()
    return node


def numbers(argument: Argument) -> list[int]:
    assert isinstance(argument, tuple)
    return [int(item) for item in argument]


def computed(node: Node, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    left_order, left_shape, right_order, right_shape, wide, order = (
        numbers(node.arguments[name])
        for name in ("left_order", "left_shape", "right_order", "right_shape", "wide", "output_order")
    )
    rows = left.permute(left_order).reshape(left_shape)
    columns = right.permute(right_order).reshape(right_shape)
    return (rows @ columns.transpose(1, 2)).reshape(wide).permute(order)


@st.composite
def equations(draw: st.DrawFn) -> tuple[str, str, str]:
    left = "".join(draw(st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=4, unique=True)))
    right = "".join(draw(st.lists(st.sampled_from(sorted(SIZES)), min_size=1, max_size=4, unique=True)))
    both = [label for label in left if label in right]
    summed = draw(st.lists(st.sampled_from(both), unique=True)) if both else []
    kept = [label for label in dict.fromkeys(left + right) if label not in summed]
    return left, right, "".join(draw(st.permutations(kept)))


@given(labels=equations())
@settings(max_examples=60, deadline=None)
def test_products_of_matrices_compute_what_the_equation_says(labels: tuple[str, str, str]) -> None:
    left, right, output = labels
    inputs = [torch.rand([SIZES[label] for label in term]) for term in (left, right)]
    equation = f"{left},{right}->{output}"

    node = node_of(equation, *(tuple(tensor.shape) for tensor in inputs))

    assert node.op == CONTRACT
    assert torch.allclose(computed(node, *inputs), torch.einsum(equation, *inputs), atol=1e-5)


def test_names_the_node_it_stands_for_and_keeps_its_tensors() -> None:
    node = node_of("ij,kj", (2, 3), (4, 3))

    assert node.covers == (node.id,)
    assert (node.arguments["self"], node.arguments["other"]) == (Ref(0), Ref(1))


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ii->i", [(3, 3)]),
        ("iij,jk->ik", [(2, 2, 3), (3, 4)]),
    ],
)
def test_leaves_every_other_equation_alone(equation: str, shapes: list[tuple[int, ...]]) -> None:
    captured = captured_function(lambda *given: torch.einsum(equation, *given), [torch.rand(shape) for shape in shapes])
    (node,) = captured.graph.nodes()

    assert node.op == "aten.einsum.default"
