"""A trace is not taken for the model where it holds what the model read of its example inputs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check import InputError
from nnapi_check.analyzer.files.model_file import open_model
from nnapi_check.analyzer.inputs.arguments import Call
from tests.torch_releases import since


class Scaled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) * x.max().item()


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if x.sum() > 0 else torch.tanh(x)


class Listed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows: list[list[float]] = x.tolist()
        return torch.relu(x) + rows[0][0]


class Written(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros(2, 3)
        kept[0] = x[0]
        return torch.relu(x) + float(kept.sum())


class WrittenByName(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros(2, 3)
        torch.add(x, x, out=kept)
        return torch.relu(x) + float(kept.sum())


class Masked(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if bool(mask.all()) else torch.relu(x) * mask


class Asserting(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.min() < -5:
            raise ValueError("numbers from -5 on")
        return torch.relu(x)


class OfShapes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 1 and bool((torch.zeros_like(x) == 0).all()):
            x = x.reshape(int(x.shape[0]) * 3)
        return torch.relu(x) * float(torch.tensor([2.0, 3.0]).max())


@torch.jit.script
def last_of_greatest(x: torch.Tensor) -> torch.Tensor:
    """The place of the row with the greatest sum, the last of equal ones, once for each element."""
    place = 0
    for row in range(x.size(0)):
        if bool(x[row].sum() >= x[place].sum()):
            place = row
    return torch.full_like(x, float(place))


class ScriptedWhereTraced(nn.Module):
    """Chooses a row in Python, and in a script while it is traced, which takes another one of equal rows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Of a size that is made a number PyTorch's tracer warns.
        x = torch.relu(x).reshape(int(x.shape[0]), 3)
        if torch._C._get_tracing_state() is not None:
            x += last_of_greatest(x)
        else:
            x += float(x.sum(1).argmax())
        return x


X = torch.tensor([[0.25, 0.5, 1.0], [1.5, 2.0, 3.0]])
READING: Sequence[tuple[nn.Module, list[torch.Tensor]]] = [
    (Scaled(), [X]),
    (Branching(), [X]),
    (Listed(), [X]),
    (Written(), [X]),
    (WrittenByName(), [X]),
    (Masked(), [X, torch.ones(2, 3, dtype=torch.bool)]),
]


@pytest.mark.parametrize(("model", "inputs"), READING, ids=lambda item: type(item).__name__)
def test_model_whose_trace_depends_on_values_is_refused_with_the_place(
    model: nn.Module, inputs: list[torch.Tensor]
) -> None:
    with pytest.raises(InputError, match=r"inputs' values, or decides by them, at \S*test_value_reads\.py:\d+: traced"):
        nnapi_check.check(model.eval(), inputs, feature_level=8)


def test_check_of_values_that_changes_nothing_is_a_note() -> None:
    report = nnapi_check.check(Asserting().eval(), [X], feature_level=8)

    assert report.readiness == "ready"
    assert any("test_value_reads.py" in note and "reads values of the inputs" in note for note in report.notes)


def test_what_a_script_inside_a_trace_reads_is_no_read_of_the_trace() -> None:
    model = ScriptedWhereTraced().eval()

    opened = open_model(model, Call((X,)), weights=True, trust=False)

    assert not opened.notes
    for other in (X, X.flip(0)):
        torch.testing.assert_close(opened.module(other), model(other))


def test_what_cannot_be_traced_while_it_is_followed_is_followed_in_a_run() -> None:
    class Normalized(nn.Module):
        """PyTorch traces it, and loses the result of the convolution where each op is followed."""

        weight: torch.Tensor

        def __init__(self, reads: bool) -> None:
            super().__init__()
            self.register_buffer("weight", torch.rand(2, 1, 1))
            self.norm = nn.LocalResponseNorm(1)
            self.reads = reads

        def forward(self, signal: torch.Tensor, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            factor = image.sum().item() if self.reads else 1.0
            return nn.functional.conv1d(signal, self.weight), self.norm(image) * factor

    inputs = [torch.rand(1, 1, 1), torch.rand(1, 1, 1, 1)]

    assert nnapi_check.check(Normalized(reads=False).eval(), inputs, feature_level=8).nodes_total > 0
    with pytest.raises(InputError, match=r"inputs' values, or decides by them, at \S*test_value_reads\.py:\d+: traced"):
        nnapi_check.check(Normalized(reads=True).eval(), inputs, feature_level=8)


def _rows(x: torch.Tensor) -> torch.Tensor:
    return x[x > 0.5]


def _by_rows(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(())
    for row in _rows(x):
        total = total + row
    return total


COUNTING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "a size as a number": lambda x: torch.relu(x) * int(_rows(x).shape[0]),
    "a length": lambda x: torch.relu(x) if len(torch.nonzero(x > 0.5)) > 3 else torch.tanh(x),
    "a size that decides": lambda x: torch.relu(x) if _rows(x).shape[0] > 3 else torch.tanh(x),
    "a count that decides": lambda x: torch.relu(x) if torch.masked_select(x, x > 0.5).numel() > 3 else torch.tanh(x),
    "a loop": _by_rows,
}


class OfFunction(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.parametrize("function", COUNTING.values(), ids=COUNTING)
def test_number_of_a_shape_that_hangs_on_elements_is_refused_with_its_place(
    function: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(7))

    with pytest.raises(InputError, match=r"inputs' values, or decides by them, at \S*test_value_reads\.py:\d+: traced"):
        nnapi_check.check(OfFunction(function).eval(), [x], feature_level=8)


def test_number_that_changes_nothing_of_the_program_is_no_read_that_counts() -> None:
    def either_way(x: torch.Tensor) -> torch.Tensor:
        kept = _rows(x)
        # As torchvision's nms does, it asks and then goes the same way.
        return torch.relu(x) + kept.sum() if kept.numel() > 3 or kept.numel() <= 3 else torch.tanh(x)

    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(7))
    report = nnapi_check.check(OfFunction(either_way).eval(), [x], feature_level=8)

    assert not any("reads values" in note for note in report.notes)


def test_number_that_is_passed_on_to_an_op_is_no_constant_of_the_trace() -> None:
    def highest(x: torch.Tensor) -> torch.Tensor:
        kept = _rows(x)
        total = torch.zeros(x.shape[1])
        for row in x:
            total = total + row
        count = torch.minimum(torch.tensor(2), torch._shape_as_tensor(kept)[0])
        return torch.relu(total) + kept.topk(count)[0].sum()  # type: ignore[arg-type]  # a trace passes tensors

    x = torch.rand(3, 5, generator=torch.Generator().manual_seed(7))
    report = nnapi_check.check(OfFunction(highest).eval(), [x], feature_level=8)

    assert not any("reads values" in note for note in report.notes)


def test_numbers_of_fixed_shapes_and_of_constants_are_none_of_values() -> None:
    scale = torch.tensor(2.0)

    def counted(x: torch.Tensor) -> torch.Tensor:
        kept = _rows(x).sum() if int(x.shape[0]) > 1 else x.sum()
        return torch.relu(x) * int(x.shape[1]) * scale.item() + kept

    report = nnapi_check.check(OfFunction(counted).eval(), [torch.rand(3, 5)], feature_level=8)

    assert not any("reads values" in note for note in report.notes)


def test_place_in_another_package_whose_name_begins_as_pytorch_s_is_told() -> None:
    source = f"{Path(torch.__file__).parent}like/scaled.py"
    forward = FunctionType(Scaled.forward.__code__.replace(co_filename=source), globals())
    model: nn.Module = type("OfAnotherPackage", (nn.Module,), {"forward": forward})()

    with pytest.raises(InputError, match=rf"at {source}:\d+: traced"):
        nnapi_check.check(model.eval(), [X], feature_level=8)


def test_what_shapes_and_constants_decide_is_no_read_of_values() -> None:
    report = nnapi_check.check(OfShapes().eval(), [X], feature_level=8)

    assert (report.readiness, report.notes) == ("ready", report.notes)
    assert not any("reads values" in note for note in report.notes)


@since("2.6", "a number that is taken out is exported")
def test_exported_program_that_takes_a_number_out_is_refused(tmp_path: Path) -> None:
    save: Callable[..., None] = torch.export.save
    path = tmp_path / "scaled.pt2"
    save(torch.export.export(Scaled().eval(), (X,), strict=False), path)

    with pytest.raises(InputError, match="at the exported program: traced, it is right for the example inputs only"):
        nnapi_check.check(path, feature_level=8)


def test_scripted_model_that_takes_a_number_out_is_answered() -> None:
    script: Callable[[nn.Module], torch.jit.ScriptModule] = torch.jit.script

    assert nnapi_check.check(script(Scaled().eval()), [X], feature_level=8).readiness
