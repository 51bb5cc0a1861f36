"""Local response normalization is found in what PyTorch computes it of, and nothing else is taken for it."""

import pytest
import torch
import torch.nn.functional as nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Ref
from nnapi_check.analyzer.rewrites.local_response import LOCAL_RESPONSE
from tests.analyzer.torch_models import Called, Function
from tests.torch_releases import since


def ops(function: Function, *shape: int) -> list[str]:
    return [node.op for node in capture(Called(function), [torch.rand(shape)], weights=False).graph.nodes()]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_finds_a_traced_normalization_with_its_numbers(size: int) -> None:
    module = Called(lambda x: nn.local_response_norm(x, size, alpha=0.02, beta=0.6, k=1.5))

    (node,) = capture(module, [torch.rand(2, 7, 4, 5)], weights=False).graph.nodes()

    assert node.op == LOCAL_RESPONSE
    assert node.arguments == {"self": Ref(0), "size": size, "alpha": 0.02, "beta": 0.6, "k": 1.5}


def test_finds_a_decomposed_normalization() -> None:
    inputs = (torch.rand(2, 7, 4, 5),)
    program = torch.export.export(Called(lambda x: nn.local_response_norm(x, 4, alpha=0.02, beta=0.6, k=1.5)), inputs)

    (node,) = capture(program.run_decompositions().module(), inputs, weights=False).graph.nodes()

    assert node.op == LOCAL_RESPONSE
    assert node.arguments == {"self": Ref(0), "size": 4, "alpha": 0.02, "beta": 0.6, "k": 1.5}


@since("2.13", "scripts write the normalization in this form")
def test_finds_a_scripted_normalization() -> None:
    scripted = torch.jit.script(torch.nn.Sequential(torch.nn.LocalResponseNorm(3), torch.nn.ReLU()).eval())

    graph = capture(scripted, [torch.rand(2, 7, 4, 5)], weights=False).graph

    assert [node.op for node in graph.nodes()] == [LOCAL_RESPONSE, "aten.relu.default"]


def spread(squares: torch.Tensor, before: int = 1) -> torch.Tensor:
    """The divisor, as PyTorch computes it for a window of three channels, of which ``before`` stand before."""
    padded = nn.pad(squares.view(2, 1, 7, 4, 5), (0, 0, 0, 0, before, 2 - before))
    means = nn.avg_pool3d(padded, (3, 1, 1), stride=1).squeeze(1).view(2, 7, 4, 5)
    return means.mul(0.1).add(1.0).pow(0.75)


def test_finds_the_same_written_by_hand() -> None:
    assert ops(lambda x: x / spread(x.mul(x)), 2, 7, 4, 5) == [LOCAL_RESPONSE]


DIFFERENT: dict[str, Function] = {
    "another numerator": lambda x: (x + 1) / spread(x.mul(x)),
    "the quotient upside down": lambda x: spread(x.mul(x)) / x,
    "no squares": lambda x: x / spread(x.mul(x + 1)),
    "a window that stands aside": lambda x: x / spread(x.mul(x), before=0),
    "squares that are read twice": lambda x: _twice(x, x.mul(x)),
}


def _twice(x: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    return x / spread(squares) + squares


@pytest.mark.parametrize("name", DIFFERENT)
def test_leaves_alone_what_means_something_else(name: str) -> None:
    assert LOCAL_RESPONSE not in ops(DIFFERENT[name], 2, 7, 4, 5)


MISSED = {
    "another numerator": (9, "aten.div.Tensor"),
    "the quotient upside down": (9, "aten.div.Tensor"),
    "a window that stands aside": (2, "aten.pad.default"),
}


@pytest.mark.parametrize("name", MISSED)
def test_tells_which_node_means_something_else(name: str) -> None:
    (near,) = capture(Called(DIFFERENT[name]), [torch.rand(2, 7, 4, 5)], weights=False).near_misses

    assert near.rewrite.name == "local-response"
    assert (near.miss.matched, near.miss.at.op) == MISSED[name]


def test_normalization_of_a_tensor_whose_shape_is_not_known_is_no_fault() -> None:
    def normalized(x: torch.Tensor) -> torch.Tensor:
        wide = x * 1.0
        row = wide[..., 2]
        row *= 1.5
        return nn.local_response_norm(wide, 3) + row.sum()

    assert LOCAL_RESPONSE not in ops(normalized, 1, 4, 5, 6)
