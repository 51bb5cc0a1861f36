"""What is held where PyTorch's own outputs share nothing, and of layers that jump."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nnapi_check import convert
from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.nnapi.interpreter.kernels import Array
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification import part_run, verify
from nnapi_check.lowering.verification.verify import Verification, verify_artifact
from nnapi_check.reports.verification_view import _notes

X = torch.rand(1, 24, generator=torch.Generator().manual_seed(5))


class Chaotic(nn.Module):
    """What NNAPI computes decides nothing but digits that every rounding changes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(24, 700), nn.ReLU(), nn.Linear(700, 30))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.layers(x).double() * 1e9).float()


class Best(nn.Module):
    """The places of the greatest of numbers of which most are zero."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(24, 40)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, places = torch.relu(self.linear(x) - 0.3).topk(30)
        return values, places


def verified(model: nn.Module, package: Path, *, with_layers: bool = False) -> Verification:
    facts = FactsByName(open_registry())
    return verify_artifact(package, model, [X], level=3, facts=facts, with_layers=with_layers)


def converted(model: nn.Module, folder: Path) -> Path:
    convert(model, folder / "out.pt", [X], feature_level=3, verify=False)
    return folder / "out.pt"


def test_parts_are_held_alone_where_pytorch_s_own_outputs_share_nothing(tmp_path: Path) -> None:
    model = Chaotic().eval()
    package = converted(model, tmp_path)
    right = verified(model, package)
    with torch.no_grad():
        for weight in model.layers[2].parameters():
            weight.mul_(1.001)
    wrong = verified(model, package)

    for found in (right, wrong):
        assert [(table.is_blind, table.is_within_tolerance) for table in found.rows] == [(True, True)]
    assert right.is_within_tolerance
    assert not wrong.is_within_tolerance
    assert any("of 1 outputs of parts none beyond" in note for note in _notes(right))
    assert any("of 1 outputs of parts 1 beyond" in note for note in _notes(wrong))


@pytest.mark.parametrize(("place", "number", "is_right"), [(29, None, True), (29, 0, False), (0, None, False)])
def test_layer_of_equal_elements_is_held_to_their_places(
    place: int, number: int | None, *, is_right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None exchanges a place with the one before it, or behind it."""
    model = Best().eval()
    package = converted(model, tmp_path)
    best = int(torch.relu(model.linear(X)).argmax())

    def planted(array: Array, kind: TensorType, permutation: tuple[int, ...]) -> torch.Tensor:
        found = part_run.outward(np.array(array), kind, permutation)
        if kind.dtype is ElementType.INT64:
            other = abs(place - 1)
            found[0, place], found[0, other] = (
                (found[0, other].clone(), found[0, place].clone()) if number is None else (best, found[0, other])
            )
        return found

    monkeypatch.setattr(verify, "outward", planted)
    found = verified(model, package, with_layers=True)

    (told,) = (layer.numbers for layer in found.layers if layer.numbers.dtype == "int64")
    assert told.is_within_tolerance is is_right
    assert any("1 are beyond what rounding explains" in note for note in _notes(found)) is not is_right
