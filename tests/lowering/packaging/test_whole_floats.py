"""Large whole floats are read as what they were, by PyTorch as well."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import threshold

from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.saving import Form
from tests.lowering.hand_made_parts import elementwise_part, nodes_of, packaged
from tests.lowering.running_packages import FORMS, captured_module, reopener, runs_in_nnapi


class Masked(torch.nn.Module):
    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return threshold(torch.nan_to_num(torch.tanh(x), nan=self.number), 0.5, -self.number)


@FORMS
@pytest.mark.parametrize("number", [9999999999.0, 1e10, -1e10, 12345678901.0, 1e16, 1e17, 10000000000.5])
def test_file_with_a_large_whole_float_gives_what_the_model_does(
    number: float, form: Form, nnapi: HostRuntime, tmp_path: Path
) -> None:
    model = Masked(number).eval()
    x = torch.tensor([[0.25, 0.75, float("nan")]])
    captured = captured_module(model, x)

    artifact = reopener(tmp_path)(packaged(captured, elementwise_part(captured, nodes_of(captured, "tanh"))), form)

    found, executions = runs_in_nnapi(nnapi, artifact, x)
    assert executions == 1
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found, model(x))
