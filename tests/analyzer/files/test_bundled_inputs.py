"""Example inputs that a file's own code makes."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils import bundled_inputs

from nnapi_check.analyzer.files.bundled_inputs import read_bundled_inputs
from nnapi_check.lowering.packaging.script_modules import define, new_module
from tests.analyzer.torch_models import Small


class Bundled(Small):
    """A class of its own, for PyTorch adds inputs to a class once only."""


def test_bundled_inputs_are_made_by_their_own_code() -> None:
    module = torch.jit.script(Bundled().eval())
    bundled_inputs.augment_model_with_bundled_inputs(module, [(torch.zeros(1).expand(2, 3, 7, 9),)])

    (x,) = read_bundled_inputs(module._c) or ()

    assert isinstance(x, torch.Tensor)
    assert x.shape == (2, 3, 7, 9)


@pytest.mark.parametrize(
    "code",
    [
        'x = torch.from_file("written", True, 4)',
        "x = torch.zeros(300000, 100000)",
        "n = 0\n    while n >= 0:\n        n = (n + 1) % 7\n    x = torch.zeros(n)",
        "x = torch.zeros(len([1] * 1000000000))",
    ],
    ids=["writes a file", "fills the memory", "loops for ever", "makes a list"],
)
def test_code_that_does_more_is_not_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = new_module("Bundles")
    define(module, f"def get_all_bundled_inputs(self) -> List[Tuple[Tensor]]:\n    {code}\n    return [(x,)]\n")
    monkeypatch.chdir(tmp_path)

    assert read_bundled_inputs(module) is None
    assert list(tmp_path.iterdir()) == []


def test_a_module_without_bundled_inputs_has_none() -> None:
    assert read_bundled_inputs(torch.jit.script(nn.ReLU())._c) is None
