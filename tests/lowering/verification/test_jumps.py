"""Which outputs may jump is what the cards say."""

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.verification.compared_set import Unit
from nnapi_check.lowering.verification.jumps import jumps_of_outputs
from nnapi_check.lowering.verification.row_sets import row_sets

X = torch.rand(5, 7)


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        values, places = x.topk(3)
        copied = torch.zeros_like(x)
        copied[:, 0] = places[:, 0].float()
        return x.softmax(1), values.exp(), (x > 0.5).float() * 2, x.relu()


class InList(nn.Module):
    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [x.relu(), x.round()]


class InBranch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            x = x.sort(1)[0]
        return x.exp()


class Written(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(5, 7)
        y[:, 1].copy_(x.floor()[:, 1])
        return y + 1


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (Model(), [set(), {"aten.topk.default"}, {"aten.gt.Scalar"}, set()]),
        (InList(), [set(), {"aten.round.default"}]),
        (InBranch(), [{"aten.gt.Scalar", "aten.topk.default"}]),
        (Written(), [{"aten.floor.default"}]),
    ],
)
def test_ops_that_jump_on_the_way_to_an_output_are_those_whose_cards_say_so(
    model: nn.Module, wanted: list[set[str]]
) -> None:
    captured = capture(torch.jit.script(model), [X], weights=True)

    found = jumps_of_outputs(captured.graph, open_registry(), len(wanted))

    for expected, ops in zip(wanted, found, strict=True):
        assert expected <= ops if expected else not ops


def test_rows_of_outputs_that_no_op_jumps_to_are_compared_in_place() -> None:
    wanted = torch.rand(4, 3)
    own = [wanted.flip(0), wanted.roll(1, 0)]

    (moved,), (steady,) = (
        row_sets((wanted.roll(2, 0),), (wanted,), [0], [(draw,) for draw in own], places) for places in ((), (0,))
    )

    assert (moved.unit, steady.unit) == (Unit.ROWS, Unit.ELEMENTS)
