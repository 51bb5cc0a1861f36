"""One file for several sizes: each runs on NNAPI, all others on the CPU, with weights that are stored once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch.jit.mobile import _load_for_lite_interpreter

import nnapi_check
from nnapi_check.cli import main
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from nnapi_check.lowering.plan_lowering import FactsByName
from nnapi_check.lowering.verification.elsewhere import compare_elsewhere

Tensor = torch.Tensor


class Net(torch.nn.Module):
    """A convolution with many weights, and a mask that is computed of sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 64, 3, padding=1)
        self.second = torch.nn.Conv2d(64, 64, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Features, the farther to the right the greater."""
        y: Tensor = self.second(torch.relu(self.first(x)))
        return y * torch.arange(1, y.shape[3] + 1, dtype=torch.float32)


SIZES = ["x.2=12,x.3=16", "x.2=16,x.3=12", "x.2=21,x.3=10"]
SHAPES = [(1, 3, 12, 16), (1, 3, 16, 12), (1, 3, 21, 10)]


@pytest.fixture(scope="module")
def program() -> torch.export.ExportedProgram:
    torch.manual_seed(5)
    sizes = {2: torch.export.Dim("height", min=8, max=40), 3: torch.export.Dim("width", min=8, max=40)}
    return torch.export.export(Net().eval(), (torch.rand(1, 3, 9, 11),), dynamic_shapes={"x": sizes})


@pytest.fixture(scope="module")
def runtime() -> HostRuntime:
    try:
        return load_host_runtime(4, FactsByName(open_registry()))
    except HostRuntimeError as error:
        pytest.skip(str(error))


def loaded(path: Path, *, lite: bool = False) -> Callable[[Tensor], Tensor]:
    load: Callable[[str], Callable[[Tensor], Tensor]] = _load_for_lite_interpreter if lite else torch.jit.load
    return load(str(path))


@pytest.mark.parametrize("lite", [False, True])
def test_each_size_runs_on_nnapi_and_every_other_on_the_cpu(
    program: torch.export.ExportedProgram, runtime: HostRuntime, tmp_path: Path, lite: bool
) -> None:
    report = nnapi_check.convert(program, tmp_path / "out.pt", feature_level=4, lite=lite, sizes=SIZES)

    assert [size.inputs for size in report.sizes] == [(f"f32[{','.join(map(str, shape))}]",) for shape in SHAPES]
    assert all(size.verification and size.verification.is_within_tolerance for size in report.sizes)
    assert report.verification is not None
    assert any("nothing is converted for" in note and "PyTorch's numbers" in note for note in report.verification.notes)
    converted, inputs = loaded(tmp_path / "out.pt", lite=lite), [*SHAPES, (1, 3, 12, 12), (1, 3, 9, 11), SHAPES[0]]
    for shape in inputs:
        before, x = runtime.executions, torch.rand(shape)
        torch.testing.assert_close(converted(x), program.module()(x), rtol=1e-5, atol=1e-4)
        assert runtime.executions - before == (1 if shape in SHAPES else 0)


def test_weights_are_stored_once(program: torch.export.ExportedProgram, tmp_path: Path) -> None:
    nnapi_check.convert(program, tmp_path / "one.pt", feature_level=4, verify=False, sizes=SIZES[:1])
    nnapi_check.convert(program, tmp_path / "three.pt", feature_level=4, verify=False, sizes=SIZES)

    weights = sum(parameter.numel() * 4 for parameter in program.parameters())
    one, three = ((tmp_path / name).stat().st_size for name in ("one.pt", "three.pt"))
    assert three - one < weights / 4


def test_states_are_shared_by_all_sizes(runtime: HostRuntime, tmp_path: Path) -> None:
    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(128, 128)
            self.calls = 0.0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1.0
            return torch.relu(self.layer(x)) + self.calls

    module = torch.jit.script(Counting().eval())
    nnapi_check.convert(module, tmp_path / "out.pt", ["f32[3,128]"], feature_level=4, verify=False, sizes=["x.0=3,5"])

    converted, before = loaded(tmp_path / "out.pt"), runtime.executions
    for rows in (3, 5, 2, 5, 3):
        x = torch.rand(rows, 128)
        torch.testing.assert_close(converted(x), module(x))
    assert runtime.executions - before == 4


class Stretched(torch.nn.Module):
    """A product that is another one for five rows."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """The product of the input and 2, or the factor."""
        return torch.tanh(x) * (self.factor if x.shape[0] == 5 else 2.0)


def test_a_fault_at_one_size_is_found(tmp_path: Path) -> None:
    nnapi_check.convert(
        torch.jit.script(Stretched(3.0)), tmp_path / "out.pt", ["f32[3,4]"], feature_level=4, sizes=["x.0=3,5"]
    )
    same, other, path = torch.jit.script(Stretched(3.0)), torch.jit.script(Stretched(3.1)), tmp_path / "out.pt"

    assert nnapi_check.verify(path, same, ["f32[5,4]"]).is_within_tolerance
    assert nnapi_check.verify(path, other, ["f32[3,4]"]).is_within_tolerance
    assert not nnapi_check.verify(path, other, ["f32[5,4]"]).is_within_tolerance


def test_a_verification_without_inputs_is_of_every_size(program: torch.export.ExportedProgram, tmp_path: Path) -> None:
    torch.export.save(program, tmp_path / "model.pt2")
    nnapi_check.convert(program, tmp_path / "out.pt", feature_level=4, verify=False, sizes=SIZES)

    found = nnapi_check.verify(tmp_path / "out.pt", tmp_path / "model.pt2")

    assert found.is_within_tolerance
    assert sum("within tolerance" in note for note in found.notes) == len(SIZES)


def test_a_file_that_is_off_at_another_size_is_found(program: torch.export.ExportedProgram, tmp_path: Path) -> None:
    from nnapi_check.analyzer.inputs.arguments import Call

    nnapi_check.convert(program, tmp_path / "out.pt", feature_level=4, verify=False, sizes=SIZES)
    torch.manual_seed(6)
    x = torch.rand(1, 3, 30, 30)
    facts = FactsByName(open_registry())

    found = compare_elsewhere(
        tmp_path / "out.pt", Net().eval(), (x,), Call((x,)), "it", level=4, facts=facts, trust=True
    )

    assert found is not None
    assert not found.is_within_tolerance
    assert "off PyTorch's" in found.said


def test_the_gate_is_held_at_every_size(program: torch.export.ExportedProgram) -> None:
    class Sorted(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(x @ x)
            return torch.linalg.inv(y) if x.shape[0] == 5 else y

    module = torch.jit.script(Sorted())

    report = nnapi_check.check(
        module, ["f32[64,64]"], feature_level=4, requires_ready=True, sizes=["x.0=64,x.1=64", "x.0=5,x.1=5"]
    )

    assert not report.gate.is_passed
    assert all(reason.startswith("f32[5,5]: ") for reason in report.gate.reasons)
    assert [size.readiness for size in report.sizes] != ["ready", "ready"]
    assert report.inputs == ("f32[5,5]",)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--size", "x.9=4"], "those that vary are x.2 (8 to 40), x.3 (8 to 40)"),
        (["--size", "x.2=4"], "x.2 is 4; the program takes 8 to 40 there"),
        (["--size", "height=4"], "names no sizes"),
        (["--size", "x.2=12,16", "--target", "ndk"], "Several sizes in one file are for PyTorch Mobile"),
    ],
)
def test_what_cannot_be_asked_for_is_told_in_a_sentence(
    program: torch.export.ExportedProgram, words: list[str], told: str, tmp_path: Path
) -> None:
    torch.export.save(program, tmp_path / "model.pt2")
    call = ["convert", str(tmp_path / "model.pt2"), "--feature-level", "4", "-o", str(tmp_path / "out"), *words]

    found = CliRunner().invoke(main, call)

    assert found.exit_code == 2
    assert told in found.output
    assert not (tmp_path / "out").exists()


def test_the_command_tells_of_each_size(program: torch.export.ExportedProgram, tmp_path: Path) -> None:
    torch.export.save(program, tmp_path / "model.pt2")

    found = CliRunner().invoke(
        main, ["check", str(tmp_path / "model.pt2"), "--feature-level", "4", "--size", "x.2=12,16"]
    )

    assert found.exit_code == 0
    assert "At f32[1,3,12,11]: ready, score 100" in found.output
    assert "At f32[1,3,16,11]: ready, score 100" in found.output
