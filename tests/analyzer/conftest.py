"""What the tests of capture share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from tests.analyzer.torch_models import scripted_file


@pytest.fixture
def captured_of(tmp_path: Path) -> Callable[..., Captured]:
    """Captures a module as a scripted file, with inputs by their specifications."""

    def make(module: nn.Module, *inputs: str, weights: bool = False) -> Captured:
        specs = [parse_input_spec(text) for text in inputs]
        return capture(scripted_file(tmp_path, module), specs, weights=weights)

    return make
