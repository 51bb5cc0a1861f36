"""Files that hold ops of another library than PyTorch."""

from pathlib import Path

import pytest
import torch

from tests.nnapi_check.conftest import in_process
from tests.nnapi_check.models import SHAPE, Tiny

pytest.importorskip("torchvision", reason="torchvision is not installed")


class Detector(torch.nn.Module):
    """The small network, and the boxes that torchvision keeps of it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Tiny()

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        from torchvision.ops import nms

        corners = torch.relu(self.net(photo)).flatten(1)[:, :60].reshape(15, 4)
        boxes = torch.cat((corners[:, :2], corners[:, :2] + corners[:, 2:] + 1), 1)
        return boxes[nms(boxes, corners[:, 0], 0.5)]


def test_a_file_with_ops_of_torchvision_converts_and_verifies_in_processes_that_did_not_import_it(
    tmp_path: Path,
) -> None:
    model, made = tmp_path / "detector.pt", tmp_path / "made.pt"
    torch.manual_seed(3)
    traced = torch.jit.trace(Detector().eval(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(traced, str(model))

    converted = in_process("convert", model, "-o", made, "--api-level", "29", "-v")
    verified = in_process("verify", made, "--against", model)

    assert converted.returncode == 0, converted.stderr
    assert "torchvision.nms.default" in converted.stdout
    assert verified.returncode == 0, verified.stderr
    assert "Within tolerance" in verified.stdout
