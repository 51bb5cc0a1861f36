"""Tables of tensors by name in scripts, whose tensors NNAPI computes now."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nnapi_check import convert

Tensor = torch.Tensor


class Pyramid(torch.nn.Module):
    """Features of two sizes by name, put together as detectors do."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.ops import FeaturePyramidNetwork

        self.first, self.second = torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.pyramid = FeaturePyramidNetwork([16, 24], 12)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The features of every size."""
        found: dict[str, Tensor] = {}
        y = torch.relu(self.first(x))
        found["fine"] = y
        found["coarse"] = torch.relu(self.second(y))
        made: dict[str, Tensor] = self.pyramid(found)
        return list(made.values())


def test_a_table_of_which_the_keys_are_read_keeps_nothing_of_a_part_on_the_cpu(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    module: torch.jit.ScriptModule = torch.jit.script(Pyramid().eval())

    report = convert(module, tmp_path / "out.pt", ["f32[1,3,32,40]"], feature_level=4)

    assert report.compute_coverage == 1.0
    assert report.verification is not None
    assert report.verification.is_within_tolerance
    found = torch.jit.load(tmp_path / "out.pt").model  # type: ignore[no-untyped-call]  # it has no types
    assert "aten::conv2d" not in str(found.nnapi_forward.graph)
