"""Modules that are handed to the methods of others, as a decoder is given its heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nnapi_check import check, convert
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.inputs.arguments import Call


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, heads: nn.ModuleList, place: nn.Module) -> Tensor:
        found: Tensor = self.layer(x)
        for head in heads:
            found = head(found)
        moved: Tensor = place(x)
        return found + moved


class _Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = _Decoder()
        self.heads = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4)])
        self.place = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.decoder(x, self.heads, self.place)
        return found


X = torch.rand(2, 4)


@pytest.mark.parametrize("form", ["live", "traced", "file"])
def test_a_module_that_is_handed_over_is_one_like_any_other(form: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model: nn.Module | Path = _Model().eval()
    if form != "live":
        model = torch.jit.trace(model, X)  # type: ignore[no-untyped-call]  # no types
    if form == "file":
        torch.jit.save(model, tmp_path / "model.pt")
        model = tmp_path / "model.pt"

    report = convert(model, tmp_path / "out.pt", (X,), feature_level=3)

    assert (report.readiness, report.score, len(report.parts)) == ("ready", 100.0, 1)
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert check(model, (X,), feature_level=3).score == 100.0


def test_its_ops_are_told_by_its_own_path() -> None:
    found = capture(_Model().eval(), Call((X,)), weights=False).graph
    paths = {node.op: node.source.module for node in found.nodes() if node.op == "aten.relu.default"}
    assert paths == {"aten.relu.default": "heads.0.1"}
