"""An exported program may name ops that are not called while it is traced: they stay on the CPU, and are reported."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, cast

import pytest
import torch
from torch import nn
from torchvision.ops import roi_align

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, TensorType
from tests.analyzer.torch_models import Called
from tests.torch_releases import since

CALLS: list[str] = []
_SPACE = "nnapi_check_left"


def halves(x: torch.Tensor) -> list[torch.Tensor]:
    """The rows of a tensor in two halves, which is noted in `CALLS`."""
    CALLS.append("halves")
    return [x[:2] * 2.0, x[2:] * 3.0]


class _Library(Protocol):
    """`torch.library.Library` with the types that PyTorch leaves out."""

    def define(self, schema: str) -> None: ...

    def impl(self, name: str, function: Callable[..., object], key: str) -> None: ...

    def _destroy(self) -> None: ...


@pytest.fixture(autouse=True, scope="module")
def library() -> Iterator[None]:
    """A library of ops that somebody else wrote. PyTorch keeps handles of ops, so that it is defined once."""
    made = cast("Callable[..., _Library]", torch.library.Library)(_SPACE, "DEF")
    made.define("halves(Tensor x) -> Tensor[]")
    made.impl("halves", halves, "CPU")
    made.impl("halves", lambda x: [x.new_empty(2, x.shape[1]), x.new_empty(x.shape[0] - 2, x.shape[1])], "Meta")
    made.define("written(Tensor(a!) x) -> ()")
    made.impl("written", lambda x: CALLS.append("written"), "CompositeExplicitAutograd")
    made.define("pieces(Tensor x) -> Tensor")
    made.impl("pieces", lambda x: x.exp() + 1.0, "CompositeImplicitAutograd")
    yield
    made._destroy()


@pytest.fixture(autouse=True)
def no_calls() -> None:
    """Forget the calls of the test before."""
    CALLS.clear()


def exported(folder: Path, function: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    torch.export.save(torch.export.export(Called(function), (torch.rand(5, 3),)), folder / "model.pt2")
    CALLS.clear()
    return folder / "model.pt2"


def of_halves(x: torch.Tensor) -> torch.Tensor:
    first, second = torch.ops.nnapi_check_left.halves(torch.relu(x))
    return torch.cat([second, first]).tanh()


def captured(folder: Path) -> Captured:
    return capture(exported(folder, of_halves), None, weights=True)


def test_an_op_of_somebody_elses_library_is_noted_and_not_called(tmp_path: Path) -> None:
    found = captured(tmp_path)

    assert CALLS == []
    ops = [node.op for node in found.graph.nodes()]
    assert ops[0] == "aten.relu.default"
    assert f"{_SPACE}.halves.default" in ops
    assert found.graph.type_of(found.graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (5, 3))


def test_what_was_noted_is_called_when_the_model_runs(tmp_path: Path) -> None:
    found, x = captured(tmp_path), torch.rand(5, 3) - 0.5

    answer = found.module._get_method("forward")(x)

    assert CALLS == ["halves"]
    assert torch.equal(answer, torch.cat([x.relu()[2:] * 3.0, x.relu()[:2] * 2.0]).tanh())


@since("2.6", "such an op is exported")
def test_an_op_that_writes_to_its_arguments_is_refused(tmp_path: Path) -> None:
    def of_written(x: torch.Tensor) -> torch.Tensor:
        y = x + 1.0
        torch.ops.nnapi_check_left.written(y)
        return y

    with pytest.raises(InputError, match=f"a call of 'torch.ops.{_SPACE}.written.default'"):
        capture(exported(tmp_path, of_written), None, weights=True)

    assert CALLS == []


def test_an_op_whose_result_has_sizes_that_vary_is_refused(tmp_path: Path) -> None:
    rows = torch.export.Dim("rows", min=4, max=64)
    program = torch.export.export(Called(of_halves), (torch.rand(5, 3),), dynamic_shapes=({0: rows},))
    torch.export.save(program, tmp_path / "model.pt2")

    with pytest.raises(InputError, match=r"halves\.default gives for these inputs"):
        capture(tmp_path / "model.pt2", None, weights=True)


@since("2.6", "a number that is taken out is exported")
def test_a_number_that_is_taken_out_beside_such_an_op_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path, lambda x: torch.relu(x) * torch.ops.nnapi_check_left.halves(x)[0].max().item())

    with pytest.raises(InputError, match=r"takes numbers out of tensors, and nnapi_check_left\.halves"):
        capture(path, None, weights=True)

    assert CALLS == []


def test_an_op_that_is_made_of_others_is_not_taken_apart(tmp_path: Path) -> None:
    path = exported(tmp_path, lambda x: torch.ops.nnapi_check_left.pieces(x))

    with pytest.raises(InputError, match=r"pieces\.default, which is made of other ops.*run_decompositions"):
        capture(path, None, weights=True)


def rounded(x: torch.Tensor) -> torch.Tensor:
    importlib.import_module("torch.ao.quantization.fx._decomposed")
    ops = torch.ops.quantized_decomposed
    steps = ops.quantize_per_tensor(torch.relu(x), 0.5, 10, 0, 255, torch.uint8)
    return cast("torch.Tensor", ops.dequantize_per_tensor(steps, 0.5, 10, 0, 255, torch.uint8))


class Boxes(nn.Module):
    """A model with an op of torchvision."""

    def forward(self, x: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        return cast("torch.Tensor", roi_align(torch.relu(x), [boxes], (2, 3)))


READS = """
import sys
from pathlib import Path
from nnapi_check.analyzer.capture.capture import capture
for path in sorted(Path(sys.argv[1]).glob("*.pt2")):
    print(path.stem, *(node.op for node in capture(path, None, weights=False).graph.nodes()))
"""


@since("2.14", "it has the loss that is computed in chunks")
def test_ops_of_known_libraries_are_there_without_an_import(tmp_path: Path) -> None:
    from torch.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions

    loss = nn.LinearCrossEntropyLoss(
        8, 5, options=LinearCrossEntropyOptions(allow_retain_graph=True, batch_chunk_size=2)
    )
    inputs: dict[str, tuple[nn.Module, tuple[torch.Tensor, ...]]] = {
        "boxes": (Boxes(), (torch.rand(1, 3, 7, 9), torch.tensor([[0.0, 1.0, 5.0, 6.0]]))),
        "loss": (loss, (torch.rand(6, 8), torch.arange(6) % 5)),
        "rounded": (Called(rounded), (torch.rand(3, 5),)),
    }
    for name, (module, given) in inputs.items():
        torch.export.save(torch.export.export(module, given), tmp_path / f"{name}.pt2")

    lines = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READS, tmp_path], check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert [line.split()[0] for line in lines] == list(inputs)
    assert "torchvision.roi_align.default" in lines[0]
    assert "torch_nn._linear_cross_entropy_batch_chunked.default" in lines[1]
    assert "aten.quantize_per_tensor.default" in lines[2]
