"""Two scales that are one float32 are equal to NNAPI, and so to what a check promises."""

from pathlib import Path

import pytest
import torch

import nnapi_check

SINGLE = float(torch.tensor(0.05))


@pytest.mark.parametrize("given", [0.05, SINGLE])
@pytest.mark.parametrize("made", [0.05, SINGLE])
@pytest.mark.parametrize(("target", "level"), [("ndk", 1), ("ndk", 3), ("pytorch-mobile", 3), ("pytorch-mobile", 4)])
def test_what_is_promised_of_nearly_equal_scales_is_kept(
    given: float, made: float, target: str, level: int, tmp_path: Path
) -> None:
    class Joined(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.ops.quantized.cat([x, y], 1, made, 3)  # type: ignore[no-any-return]

    inputs = [torch.quantize_per_tensor(torch.rand(2, 3), given, 3, torch.quint8) for _ in range(2)]
    report = nnapi_check.convert(
        Joined().eval(), tmp_path / "out", inputs, feature_level=level, target=target, min_score=0
    )
    assert report.readiness == "ready"
    assert report.verification is not None
    assert report.verification.is_within_tolerance
