"""What TorchScript has no words for in an exported program is written in words that it has."""

from pathlib import Path

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.files.program_file import write_truth_values_as_numbers
from tests.analyzer.torch_models import Called, Function

CALLS: dict[str, Function] = {
    "full": lambda x: torch.full((3, 5), True) & (x > 0.5),
    "full of a type": lambda x: x + torch.full((3, 5), True, dtype=torch.float32),
    "full_like": lambda x: x + torch.full_like(x, True),
    "new_full": lambda x: x + x.new_full((3, 5), True),
    "scalar_tensor": lambda x: x + torch.scalar_tensor(True),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, False),
    "eq": lambda x: (x > 0.5) == False,  # noqa: E712  # a tensor is compared
    "ne": lambda x: (x > 0.5) != True,  # noqa: E712  # a tensor is compared
}


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_truth_values_for_numbers_are_captured_with_the_same_result(
    name: str, decomposed: bool, tmp_path: Path
) -> None:
    module, x = Called(CALLS[name]), torch.rand(3, 5)
    program = torch.export.export(module, (x,))
    torch.export.save(program.run_decompositions() if decomposed else program, tmp_path / "model.pt2")

    captured = capture(tmp_path / "model.pt2", weights=True)

    found = captured.module._get_method("forward")(x)
    wanted = module(x)
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)


def test_numbers_stay_what_they_are() -> None:
    module = torch.export.export(Called(lambda x: x.masked_fill(x > 0.5, 2.5)), (torch.rand(3, 5),)).module()
    before = str(module.graph)

    write_truth_values_as_numbers(module)

    assert str(module.graph) == before
