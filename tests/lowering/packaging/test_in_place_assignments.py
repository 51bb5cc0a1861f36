"""What is assigned to a part of a tensor is put into it on NNAPI, where nobody else sees the storage."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import convert

Assigned = Callable[[torch.Tensor], torch.Tensor]


class Head(nn.Module):
    """A convolution, and an assignment into its output."""

    def __init__(self, assigned: Assigned) -> None:
        super().__init__()
        self.assigned = assigned
        self.convolution = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.assigned(self.convolution(x) * 2)


def pose(points: torch.Tensor) -> torch.Tensor:
    points[..., 2] = torch.sigmoid(points[..., 1])
    return points * 2


def broadcast(x: torch.Tensor) -> torch.Tensor:
    x[:, 1:7:2, :, -3:] = x.mean(1, keepdim=True)[..., :1]
    return torch.relu(x)


def twice(x: torch.Tensor) -> torch.Tensor:
    x[:, 0] = torch.relu(x[:, 1])
    x[:, :, 1] = x[:, :, 2] * x[:, :, 0]
    return x + x[:, :1]


def seen_elsewhere(x: torch.Tensor) -> torch.Tensor:
    column = x[..., 2]
    x[..., 1:4] = torch.relu(x[..., :3])
    return x + column.unsqueeze(-1)


def overlapping(x: torch.Tensor) -> torch.Tensor:
    x[:, 1:] = x[:, :-1]
    return x * 2


def through_a_view(x: torch.Tensor) -> torch.Tensor:
    x.view(2, -1)[:, 3:9] = torch.relu(x.view(2, -1)[:, :6])
    return x * 2


def expanded(x: torch.Tensor) -> torch.Tensor:
    wide = x[:, :1].expand(2, 8, 5, 7)
    wide[:, 0] = torch.relu(x[:, 1])
    return wide * 2


def packaged(assigned: Assigned, folder: Path) -> tuple[bool, list[str]]:
    """Whether the numbers agree, and the ops that stay on the CPU."""
    torch.manual_seed(3)
    report = convert(Head(assigned).eval(), folder / "out.pt", [torch.rand(2, 3, 5, 7)], feature_level=8)
    assert report.verification is not None
    return report.verification.is_within_tolerance, [node.op for node in report.nodes if node.part is None]


@pytest.mark.parametrize("assigned", [pose, broadcast, twice, through_a_view])
def test_assignment_to_a_part_runs_on_nnapi(assigned: Assigned, tmp_path: Path) -> None:
    assert packaged(assigned, tmp_path) == (True, [])


@pytest.mark.parametrize("assigned", [seen_elsewhere, overlapping, expanded])
def test_assignment_that_others_see_stays_in_place_and_right(assigned: Assigned, tmp_path: Path) -> None:
    is_right, on_the_cpu = packaged(assigned, tmp_path)

    assert is_right
    assert "aten.copy_.default" in on_the_cpu


# What NNAPI computes lies in the order of its dimensions; PyTorch's own may lie in another one, of which `flatten`,
# `reshape` and `contiguous` make copies where others would be views, and views where others would be copies.


def written_copy(x: torch.Tensor, copied: Assigned) -> torch.Tensor:
    y = torch.swapaxes(x, 1, 2) / 0.7 + 0.5
    flat = copied(y)
    flat.add_(1.0)
    return torch.cat([y.flatten(), flat.flatten()])


def written_view(x: torch.Tensor, viewed: Assigned) -> torch.Tensor:
    y = (torch.swapaxes(x, 1, 2) / 0.7 + 0.5).swapaxes(1, 2)
    flat = viewed(y)
    flat.add_(1.0)
    return torch.cat([y.flatten(), flat.flatten()])


def written_after_copying(x: torch.Tensor, copied: Assigned) -> torch.Tensor:
    y = torch.swapaxes(x, 1, 2) / 0.7 + 0.5
    flat = copied(y)
    y.add_(1.0)
    return torch.cat([y.flatten(), flat.flatten()])


MAYBE_COPIES: list[Assigned] = [
    lambda y: y.flatten(),
    lambda y: y.reshape(-1),
    lambda y: y.reshape(y.shape[0], -1),
    lambda y: y.contiguous(),
    lambda y: y.ravel(),
]


@pytest.mark.parametrize("number", range(len(MAYBE_COPIES)))
@pytest.mark.parametrize("program", [written_copy, written_view, written_after_copying])
def test_what_a_write_reaches_does_not_hang_on_where_nnapi_puts_elements(
    program: Callable[[torch.Tensor, Assigned], torch.Tensor], number: int, tmp_path: Path
) -> None:
    is_right, _ = packaged(lambda x: program(x, MAYBE_COPIES[number]), tmp_path)

    assert is_right
