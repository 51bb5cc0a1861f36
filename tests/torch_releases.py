"""Tests of what a release of PyTorch brought."""

import pytest
import torch

_INSTALLED = tuple(int(part) for part in torch.__version__.partition("+")[0].split(".")[:2])


def since(release: str, reason: str) -> pytest.MarkDecorator:
    """Skip a test on releases of PyTorch before this one, which lack what the reason says."""
    wanted = tuple(int(part) for part in release.split("."))
    return pytest.mark.skipif(wanted > _INSTALLED, reason=f"PyTorch {release}: {reason}")
