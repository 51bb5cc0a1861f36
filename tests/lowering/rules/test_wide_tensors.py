"""Tensors of five and six dimensions, held with the leading ones merged: attention over windows, and the like."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as nn

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.analyzer.capture.expansions.expanded_calls import ALONG_ONE, ALONG_SEVERAL
from tests.lowering.whole_graphs import runs


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def a_tensor(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


BIAS, TABLE = a_tensor(4, 5, 5), a_tensor(3, 2, 4, 5, 5)
KEYS, MATRIX = a_tensor(2, 3, 4, 7, 6), a_tensor(9, 6)

FUNCTIONS: dict[str, Callable[[torch.Tensor], object]] = {
    "permute": lambda x: x.permute(0, 2, 3, 4, 1),
    "permute and back": lambda x: (x.permute(0, 4, 1, 2, 3) * 2).permute(0, 2, 3, 4, 1),
    "swap": lambda x: x.swapaxes(-2, -1) + 1,
    "move": lambda x: x.movedim(1, 3).relu(),
    "products in pairs": lambda x: x @ x.transpose(-2, -1),
    "products with constants": lambda x: x @ KEYS.transpose(-2, -1),
    "einsum": lambda x: torch.einsum("bghid,bghjd->bghij", x, x * 2),
    "einsum to another order": lambda x: torch.einsum("bghid,bghjd->bgihj", x, x * 2),
    "attention": lambda x: torch.softmax(x @ x.transpose(-2, -1) + BIAS, -1) @ x,
    "attention with a table": lambda x: torch.softmax((x @ x.transpose(-2, -1)) + TABLE.transpose(0, 1), -1) @ x,
    "layer norm": lambda x: nn.layer_norm(x, (6,), a_row(), a_row()),
    "layer norm of two dimensions": lambda x: nn.layer_norm(x, (5, 6)),
    "linear": lambda x: nn.gelu(nn.linear(x, MATRIX, MATRIX[:, 0])),
    "part of the last dimension": lambda x: x[..., 1:4],
    "rolled": lambda x: x.roll((2, -1), (2, 3)),
    "padded": lambda x: nn.pad(x, (1, 2, 0, 1)),
    "split and joined": lambda x: torch.cat([x[..., 3:], -x[..., :3]], -1),
    "a place of every dimension": lambda x: sum(
        (x * 2).select(dim, -2).reshape(x.shape[0], -1).sum(1) for dim in range(1, 5)
    ),
    "every place of a dimension": lambda x: torch.cat([part * 3 for part in (x + 1).unbind(1)], 1),
    "some places": lambda x: (x * 2).narrow(1, 1, 2)[:, :, 1:4:2] + 1,
    "in parts": lambda x: [part * 2 for part in torch.split(x + 1, [1, 2], 1)],
    "sum with a column": lambda x: (x * 2) + x.mean(-1, keepdim=True).exp(),
    "sums with rows and columns": lambda x: x - x[..., :1, :].exp() + x[:, :1, :, :, :1].sin(),
    "product with a lower rank": lambda x: (x * 2) * x[0, 0, :, :, :1].exp(),
    "all dimensions by themselves": lambda x: x[:, :1, :, :1, :1].exp() * x[:1, :, :1, :, :1].sin(),
    "largest of a dimension": lambda x: (x * 2).max(2).values + x.min(1).values.sum(),
    "six dimensions": lambda x: x.reshape(2, 3, 2, 2, 5, 6).permute(0, 2, 1, 3, 5, 4).sigmoid(),
    "windows": lambda x: x.reshape(2, 3, 2, 2, 5, 6).permute(0, 2, 1, 4, 3, 5).reshape(-1, 5, 12),
}


def a_row() -> torch.Tensor:
    return torch.arange(6.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_computes_the_same_at_every_level(name: str, registry: Registry) -> None:
    found = runs(FUNCTIONS[name], [a_tensor(2, 3, 4, 5, 6)], registry)

    assert found, "no feature level supports it"
    assert [run.differences for run in found.values() if run.differences] == []


def test_a_permutation_to_channels_last_of_a_volume_needs_no_transpose(registry: Registry) -> None:
    weight = a_tensor(5, 3, 3, 1, 1)

    def function(x: torch.Tensor) -> torch.Tensor:
        return nn.conv3d(x.permute(0, 4, 1, 2, 3), weight).permute(0, 2, 3, 4, 1) * 2

    found = runs(function, [a_tensor(2, 4, 5, 6, 3)], registry)

    assert found
    assert {run.lowered.transposes for run in found.values()} == {0}
    assert [run.differences for run in found.values() if run.differences] == []


def along(function: Callable[..., object], dim: object) -> Callable[[torch.Tensor], object]:
    return lambda x: function(torch.tanh(x), dim=dim)


@pytest.mark.parametrize("dim", [0, 2, 3, -1])
@pytest.mark.parametrize(
    "name",
    [*ALONG_ONE, "aten.topk.default", "aten.sort.default", "aten.gather.default", "aten.index_select.default"],
)
def test_runs_along_any_of_six_dimensions(name: str, dim: int, registry: Registry) -> None:
    functions: dict[str, Callable[..., object]] = {
        **ALONG_ONE,
        "aten.topk.default": lambda x, dim: torch.topk(x, 2, dim, largest=False),
        "aten.sort.default": torch.sort,
        "aten.gather.default": lambda x, dim: torch.gather(x, dim, (x > 0).to(torch.int64)),
        "aten.index_select.default": lambda x, dim: x.index_select(dim, torch.tensor([1, 0, 1])),
    }
    found = runs(along(functions[name], dim), [a_tensor(2, 3, 4, 2, 1, 6)], registry)

    assert min(found) <= 3
    assert [run.differences for run in found.values() if run.differences] == []


@pytest.mark.parametrize("dims", [[0], [2, 3], [1, 5]])
@pytest.mark.parametrize("name", ALONG_SEVERAL)
def test_runs_along_several_of_six_dimensions(name: str, dims: list[int], registry: Registry) -> None:
    found = runs(along(ALONG_SEVERAL[name], dims), [a_tensor(2, 3, 4, 2, 1, 6)], registry)

    assert min(found) <= 3
    assert [run.differences for run in found.values() if run.differences] == []
