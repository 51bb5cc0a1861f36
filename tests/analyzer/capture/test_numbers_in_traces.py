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


class Scalars(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x.max() * 0.5, x.min() // 2.0, x.sum() + 1, torch.maximum(x.mean(), x.max() - 0.1), x * 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int32, torch.int64])
def test_results_of_rank_0_keep_their_element_types_in_a_file(dtype: torch.dtype, tmp_path: Path) -> None:
    x = (torch.rand(3) * 9).to(dtype)
    model = Scalars().eval()
    if not dtype.is_floating_point:
        model.forward = lambda x: (x.max() * 0.5, x.max() // 2, x.sum() + 1, x * 0.5)  # type: ignore[method-assign]
    traced = torch.jit.trace(model, x)  # type: ignore[no-untyped-call]  # no types
    captured = capture(traced, [x], weights=True)
    path = tmp_path / "captured.pt"

    torch.jit.save(torch.jit._recursive.wrap_cpp_module(captured.module), path)  # type: ignore[no-untyped-call]

    found = torch.jit.load(str(path))(x)  # type: ignore[no-untyped-call]  # no types
    wanted = model(x)
    assert [item.dtype for item in found] == [item.dtype for item in wanted]
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


class Limited(torch.nn.Module):
    limit: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("limit", torch.tensor(1.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.clamp(x, self.limit - 1.0, self.limit)


def test_constants_beside_typed_numbers_are_computed() -> None:
    captured = capture(Limited().eval(), [torch.rand([])], weights=True)
    (clamp,) = (node for node in captured.graph.nodes() if not node.is_constant)

    lowest, highest = (captured.tensor(value) for value in list(clamp.inputs())[1:])

    assert (lowest.item(), highest.item()) == (0.5, 1.5)
