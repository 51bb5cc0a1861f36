"""Live models as people hold them: wrapped for training, compiled, without numbers, with outputs of any kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import InputError, check, convert
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.reports.views import ModelReport

X = torch.rand(1, 3, 8, 8)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))


def converted(
    model: nn.Module | torch.export.ExportedProgram, folder: Path, inputs: list[object] | dict[str, object] | None
) -> ModelReport:
    made = convert(model, folder / "out.pt", inputs, feature_level=3)
    assert made.gate.is_passed, made.gate.reasons
    assert made.verification is not None
    assert made.verification.is_within_tolerance
    return made


class Inner(nn.Module):
    """Calls a model that stands in it."""

    def __init__(self, model: object) -> None:
        super().__init__()
        self.inner = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inner(x * 2)  # type: ignore[operator]  # a module, or what stands for one
        return found


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile()
    model[0].compile()  # type: ignore[index]  # a sequence of modules
    return model


class WithConvolution(nn.Module):
    """Holds what is worth the way to NNAPI."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 16, 3, padding=1)


class Marked(WithConvolution):
    """Marks what a profiler is to show by name."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autograd.profiler.record_function("head"):
            return torch.relu(self.convolution(x))


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda model: torch.compile(model),
        lambda model: torch.compile(nn.DataParallel(model)),
        lambda model: Inner(nn.DataParallel(model)),
        lambda model: Inner(torch.compile(model)),
        compiled_in_place,
        torch.optim.swa_utils.AveragedModel,
    ],
    ids=[
        "parallel",
        "compiled",
        "compiled-parallel",
        "parallel-inside",
        "compiled-inside",
        "compiled-in-place",
        "averaged",
    ],
)
def test_a_wrapped_model_converts_as_the_model_in_it(wrap: Callable[[nn.Module], nn.Module], tmp_path: Path) -> None:
    model = wrap(network())
    before = [*model.modules()]

    assert len(converted(model, tmp_path, [X]).parts) == 1
    assert [*model.modules()] == before


def test_marks_for_a_profiler_are_left_out(tmp_path: Path) -> None:
    assert [node.op for node in converted(Marked(), tmp_path, [X]).nodes] == [
        "aten.conv2d.default",
        "aten.relu.default",
    ]


class WithNone(WithConvolution):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> object:
        return {"sum": (self.convolution(x) + y, None)}, [x * y]


@dataclass
class Answer:
    """What some model gives."""

    total: torch.Tensor
    label: str
    parts: list[torch.Tensor]


class WithObject(WithConvolution):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> object:
        return Answer(self.convolution(x) + y, "sum", [x * y])


@pytest.mark.parametrize("module", [WithNone(), WithObject()], ids=["none", "dataclass"])
@pytest.mark.parametrize("inputs", [[X, X[:, :1]], {"y": X[:, :1], "x": X + 2}], ids=["by-place", "by-name"])
def test_outputs_that_no_trace_gives_come_as_their_tensors(
    module: nn.Module, inputs: list[object] | dict[str, object], tmp_path: Path
) -> None:
    made = converted(module, tmp_path, inputs)

    assert capture(module, inputs, weights=False).input_layout.names == ("x", "y")
    assert made.inputs == ("f32[1,3,8,8]", "f32[1,1,8,8]")
    assert made.outputs == ("f32[1,16,8,8]", "f32[1,3,8,8]")
    assert any("gives its tensors alone" in note for note in made.notes)


def test_an_exported_program_in_memory_brings_its_inputs(tmp_path: Path) -> None:
    program = torch.export.export(network().eval(), (X,))

    assert converted(program, tmp_path, None).outputs == check(network(), [X], feature_level=3).outputs


def test_a_model_whose_parameters_have_no_shape_yet_is_told_so() -> None:
    with pytest.raises(InputError, match=r"1\.weight, whose shape is not known before its first run"):
        check(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), [X], feature_level=3)


def test_a_model_whose_parameters_have_no_numbers_is_told_so() -> None:
    with pytest.raises(InputError, match=r"0\.weight on the device meta"):
        check(network().to("meta"), [X], feature_level=3)


class OfAFile(WithConvolution):
    """Calls an op that files may not hold."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(self.convolution(x), torch.from_file(self.path, False, 8))


def test_what_is_made_of_a_live_model_is_trusted_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(torch.arange(8.0).numpy().tobytes())
    model = torch.jit.script(OfAFile(str(tmp_path / "numbers")))

    assert converted(model, tmp_path, [X]).parts


class Branches(nn.Module):
    """Branches by an operator of PyTorch's compiler."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))
        return found


class Own(WithConvolution):
    """Gives a parameter of its own."""

    def forward(self, x: torch.Tensor) -> object:
        return self.convolution.bias


class Nothing(WithConvolution):
    """Gives nothing."""

    def forward(self, x: torch.Tensor) -> object:
        return None


@pytest.mark.parametrize(
    ("model", "words"),
    [(Branches(), "such as torch.cond"), (Own(), "gives nothing that it computes"), (Nothing(), "gives nothing that")],
)
def test_what_no_trace_can_hold_is_said_in_words_of_the_model(model: nn.Module, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check(model.eval(), [X], feature_level=3)


def test_a_program_with_a_branch_of_the_compilers_is_refused_in_words_of_the_model() -> None:
    with pytest.raises(InputError, match=r"such as torch\.cond"):
        check(torch.export.export(Branches().eval(), (X,)), None, feature_level=3)


def test_inputs_that_are_no_tensors_are_named() -> None:
    with pytest.raises(InputError, match=r"tensors, not of ndarray alone, which torch\.as_tensor makes one"):
        check(network().eval(), [X.numpy()], feature_level=3)


class Streams(nn.Module):
    """Has a method for a step of a stream beside ``forward``, marked to be compiled with it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(5, 7, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(x)[0]
        return found

    @torch.jit.export
    def step(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(x, h)[0]
        return found


def test_methods_that_are_exported_beside_forward_are_no_part_of_a_trace(tmp_path: Path) -> None:
    converted(Streams().eval(), tmp_path, [torch.randn(2, 3, 5)])
