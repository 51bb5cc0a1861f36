"""A copy of the registry's text that imports may change."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def nnapi(text: Path) -> Path:
    """The folder of NNAPI's facts in a copy of the text, with cards of the test's own beside it."""
    return text / "nnapi"
