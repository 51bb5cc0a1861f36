"""Small models that tests of the command line run on."""

from pathlib import Path

import torch
from torch import nn


class Tiny(nn.Module):
    """Two layers that NNAPI has at every level, and enough work to be worth a part."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, (3, 2))
        self.second = nn.Conv2d(8, 6, 1)

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(torch.relu(self.first(photo)))
        return found


SHAPE = (1, 3, 17, 19)
SPEC = "f32[1,3,17,19]"


def tiny() -> Tiny:
    """The same small network every time, in evaluation mode."""
    torch.manual_seed(5)
    return Tiny().eval()


def traced(path: Path) -> Path:
    """Saves the small network with its example input."""
    torch.manual_seed(5)
    with torch.no_grad():
        module = torch.jit.trace(tiny(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(module, str(path))
    return path


def scripted(path: Path) -> Path:
    """Saves the small network without any example input."""
    torch.jit.save(torch.jit.script(tiny()), str(path))
    return path
