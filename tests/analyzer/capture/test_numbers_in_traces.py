"""Python's numbers, which a trace writes as tensors of rank 0, are numbers again, from a file as well."""

from pathlib import Path

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import Argument, Ref


class Numbers(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 0.5 + 3).clamp_min(2) / torch.tensor(4.0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.pt"
    traced = torch.jit.trace(Numbers().eval(), torch.rand(2, 3))  # type: ignore[no-untyped-call]  # no types
    traced.save(path)
    return path


def others(path: Path, *, weights: bool) -> dict[str, Argument]:
    nodes = capture(path, weights=weights).graph.nodes()
    return {node.op: node.arguments["other"] for node in nodes if "other" in node.arguments and not node.is_constant}


@pytest.mark.parametrize("weights", [False, True])
def test_numbers_of_a_saved_trace_are_read(saved: Path, weights: bool) -> None:
    found = others(saved, weights=weights)

    assert (found["aten.mul.Tensor"], found["aten.add.Tensor"]) == (0.5, 3)


def test_a_tensor_of_another_element_type_stays_a_tensor(saved: Path) -> None:
    found = others(saved, weights=False)

    assert isinstance(found["aten.div.Tensor"], Ref)
