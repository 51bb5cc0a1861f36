"""From a PyTorch model to a C++ program that computes it: converted, built by CMake, run at each level's functions."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.coverage_db.spec import Preference
from nnapi_check.lowering.ndk.project import MODEL_NAME, PROJECT, RUNTIME, runtime_files
from nnapi_check.lowering.ndk.reading import read_program
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer
from tests.lowering.ndk.builds import runtime, sanitized
from tests.lowering.ndk.programs import NAMES

LEVELS = (1, 2, 3, 5, 8)


class Images(nn.Module):
    """Convolutions of every kind, so that images cross from NCHW, and a sum along a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, (3, 2), stride=(2, 1)), nn.ReLU6())
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.pool, self.head = nn.AvgPool2d((4, 5)), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        return torch.tanh(self.head(self.pool(y + self.depthwise(y)).flatten(1)))


class Rows(nn.Module):
    """Two inputs, one of them of another type, and three outputs: computed, passed on and constant."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 5)
        self.steps = nn.Parameter(torch.arange(3.0))

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return torch.tanh(self.linear(x)), n, self.steps


class Quantized(nn.Module):
    """A convolution of quantized images, whose weights have one scale."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.ao.nn.quantized.Conv2d(3, 4, (2, 3))  # type: ignore[no-untyped-call] # PyTorch's own
        weight = torch.quantize_per_tensor(torch.randn(4, 3, 2, 3), 0.02, 0, torch.qint8)
        self.conv.set_weight_bias(weight, torch.randn(4))
        self.conv.scale, self.conv.zero_point = 0.1, 100

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(torch.quantize_per_tensor(x, 0.03, 125, torch.quint8)).dequantize())


class PerChannel(nn.Module):
    """A convolution and a depthwise one of quantized images, whose weights have a scale for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.ao.nn.quantized.Conv2d(3, 4, (2, 3))  # type: ignore[no-untyped-call] # PyTorch's own
        self.second = torch.ao.nn.quantized.Conv2d(4, 4, (3, 2), groups=4)  # type: ignore[no-untyped-call]
        for layer, shape in ((self.first, (4, 3, 2, 3)), (self.second, (4, 1, 3, 2))):
            scales, zeros = torch.tensor([0.02, 0.01, 0.03, 0.025]), torch.zeros(4, dtype=torch.int64)
            weight = torch.quantize_per_channel(torch.randn(shape), scales, zeros, 0, torch.qint8)
            layer.set_weight_bias(weight, torch.randn(4))
            layer.scale, layer.zero_point = 0.1, 100

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(self.first(torch.quantize_per_tensor(x, 0.03, 125, torch.quint8))).dequantize())


class PerChannelLayers(nn.Module):
    """Layers of other kinds whose weights have a scale for each channel: of signals, transposed, and linear."""

    def __init__(self) -> None:
        super().__init__()
        self.signals = torch.ao.nn.quantized.Conv1d(3, 2, 3)
        self.transposed = torch.ao.nn.quantized.ConvTranspose2d(2, 3, (1, 2))  # type: ignore[no-untyped-call]
        self.linear = torch.ao.nn.quantized.Linear(24, 5)  # type: ignore[no-untyped-call]
        for layer, shape, axis in (
            (self.signals, (2, 3, 3), 0),
            (self.transposed, (2, 3, 1, 2), 1),
            (self.linear, (5, 24), 0),
        ):
            count = shape[axis]
            scales, zeros = torch.linspace(0.01, 0.03, count), torch.zeros(count, dtype=torch.int64)
            weight = torch.quantize_per_channel(torch.randn(shape) / 3, scales, zeros, axis, torch.qint8)
            layer.set_weight_bias(weight, torch.randn(count))
            layer.scale, layer.zero_point = 0.1, 100

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        signals = self.signals(torch.quantize_per_tensor(x, 0.03, 125, torch.quint8))
        made: torch.Tensor = self.linear(torch.flatten(self.transposed(signals.unsqueeze(2)), 1)).dequantize()
        return made


@pytest.fixture(scope="module")
def server() -> Iterator[HostServer]:
    with HostServer() as opened:
        yield opened


def run(server: HostServer, program: Path, folder: Path, level: int, inputs: list[torch.Tensor]) -> list[bytes]:
    """What a program gives for a project's model, as the bytes of its outputs."""
    files = [folder / f"in{index}.raw" for index in range(len(inputs))]
    for file, tensor in zip(files, inputs, strict=True):
        file.write_bytes(tensor.numpy().tobytes())
    count = len(read_program(folder / MODEL_NAME, NAMES).program.outputs)
    outputs = [folder / f"out{index}.raw" for index in range(count)]
    environment = {**os.environ, **server.environment(level)}
    words = [str(program), str(folder / MODEL_NAME), *map(str, files), "--", *map(str, outputs)]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return [file.read_bytes() for file in outputs]


@pytest.mark.parametrize("level", LEVELS)
def test_images_are_computed_at_every_level(level: int, server: HostServer, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x = Images().eval(), torch.randn(1, 3, 10, 7)
    folder = tmp_path / "out"
    report = nnapi_check.convert(model, folder, [x], feature_level=level, target="ndk", verify=False)
    assert report.artifact == str(folder)

    (found,) = run(server, runtime().program, folder, level, [x])

    with torch.no_grad():
        np.testing.assert_allclose(np.frombuffer(found, np.float32).reshape(1, 4), model(x).numpy(), atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_outputs_of_every_origin_are_given(level: int, server: HostServer, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x, n = Rows().eval(), torch.randn(2, 7), torch.tensor([[2**40, -3]])
    nnapi_check.convert(model, tmp_path / "out", [x, n], feature_level=level, target="ndk", verify=False)

    computed, passed, constant = run(server, runtime().program, tmp_path / "out", level, [x, n])

    with torch.no_grad():
        np.testing.assert_allclose(np.frombuffer(computed, np.float32).reshape(2, 5), model(x, n)[0], atol=1e-5)
    assert np.frombuffer(passed, np.int64).tolist() == [2**40, -3]
    assert np.frombuffer(constant, np.float32).tolist() == [0.0, 1.0, 2.0]


def test_a_constant_made_like_a_computed_tensor_takes_no_output_of_the_model(tmp_path: Path) -> None:
    class Like(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            y = x * 0.5
            return torch.ones_like(torch.tanh(y)), torch.relu(y)

    report = nnapi_check.convert(Like().eval(), tmp_path / "out", [torch.randn(2, 7)], feature_level=3, target="ndk")

    assert report.verification is not None
    assert report.verification.is_within_tolerance


class TwoHeads(nn.Module):
    """Two computations that share nothing but their input, an input that only one reads, and one passed unread."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return torch.tanh(x), torch.relu(x).sum(-1) + y, x.contiguous()


def test_computations_that_nothing_connects_are_one_model(server: HostServer, tmp_path: Path) -> None:
    x, y = torch.randn(2, 7), torch.randn(2)
    report = nnapi_check.convert(TwoHeads(), tmp_path / "out", [x, y], feature_level=3, target="ndk", verify=False)

    first, second, third = run(server, runtime().program, tmp_path / "out", 3, [x, y])

    assert report.readiness == "ready"
    np.testing.assert_allclose(np.frombuffer(first, np.float32).reshape(2, 7), torch.tanh(x).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.frombuffer(second, np.float32), (x.relu().sum(-1) + y).numpy(), atol=1e-5)
    assert third == x.numpy().tobytes()


class BothOrders(nn.Module):
    """Convolves its input, which NNAPI reads with channels last, and flattens it in PyTorch's order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.flat, self.head = nn.Conv2d(3, 2, 3), nn.Linear(3 * 4 * 5, 7), nn.Linear(2 * 2 * 3, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = self.flat(x.flatten(1)) + self.flat(x.flatten(1) * 2)
        made: torch.Tensor = flat + self.head(self.conv(x).relu().flatten(1))
        return made


@pytest.mark.parametrize("level", [2, 3, 8])
def test_an_input_that_is_read_in_two_orders_is_given_once(level: int, server: HostServer, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x = BothOrders().eval(), torch.randn(1, 3, 4, 5)
    report = nnapi_check.convert(model, tmp_path / "out", [x], feature_level=level, target="ndk", verify=False)

    (found,) = run(server, runtime().program, tmp_path / "out", level, [x])

    assert report.readiness == "ready"
    with torch.no_grad():
        np.testing.assert_allclose(np.frombuffer(found, np.float32).reshape(1, 7), model(x).numpy(), atol=1e-5)


def test_before_an_operation_changes_orders_such_an_input_is_refused() -> None:
    found = nnapi_check.check(BothOrders().eval(), [torch.randn(1, 3, 4, 5)], feature_level=1, target="ndk")

    assert found.readiness != "ready"
    assert found.misfit is not None
    assert "two orders of dimensions" in found.misfit.because


@pytest.mark.parametrize(("rank", "fits"), [(8, True), (9, False)])
def test_an_input_that_is_passed_on_has_as_many_dimensions_as_the_runtime_takes(rank: int, fits: bool) -> None:
    found = nnapi_check.check(Rows().eval(), [torch.randn(2, 7), torch.ones([1] * rank)], feature_level=3, target="ndk")

    assert (found.readiness == "ready") == fits


def test_a_conversion_is_verified_in_the_runtime(tmp_path: Path) -> None:
    torch.manual_seed(5)
    report = nnapi_check.convert(
        Quantized().eval(), tmp_path / "out", [torch.randn(1, 3, 8, 9)], feature_level=3, target="ndk"
    )

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    assert report.verification.ran_in == "the NDK's runtime on the host runtime"
    assert report.verification.executions == 1


def test_scales_per_channel_are_carried_as_they_are(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x = PerChannel().eval(), [torch.randn(1, 3, 8, 9)]
    report = nnapi_check.convert(model, tmp_path / "out", x, feature_level=3, target="ndk")

    program = read_program(tmp_path / "out" / MODEL_NAME, NAMES).program
    channels = [operand.channels for operand in program.model.operands if operand.channels is not None]
    assert [(found.channel_dim, len(found.scales)) for found in channels] == [(0, 4), (3, 4)]
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_layers_of_every_kind_carry_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", "qnnpack")  # Others transpose with one scale only.
    torch.manual_seed(5)
    model, x = PerChannelLayers().eval(), [torch.randn(2, 3, 9)]
    report = nnapi_check.convert(model, tmp_path / "out", x, feature_level=3, target="ndk")

    written = read_program(tmp_path / "out" / MODEL_NAME, NAMES).program.model
    channels = [operand.channels for operand in written.operands if operand.channels is not None]
    assert [(found.channel_dim, len(found.scales)) for found in channels] == [(0, 2), (0, 3), (0, 5)]
    assert not any(operation.kind == "FULLY_CONNECTED" for operation in written.operations)
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_pytorch_mobile_splits_them_or_multiplies_them_as_floats(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x = PerChannel().eval(), [torch.randn(1, 3, 8, 9)]

    split = nnapi_check.check(model, x, feature_level=3)
    found = nnapi_check.check(model, x, feature_level=3, per_channel="float")

    assert (split.readiness, found.readiness) == ("ready", "ready")
    assert (split.work.floats, found.work.integers) == (0, 0)
    assert [part.operations for part in found.parts] == [9]
    assert [part.operations for part in nnapi_check.check(model, x, feature_level=3, target="ndk").parts] == [5]


def test_float16_is_allowed_by_the_file_and_its_error_told(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x = Images().eval(), [torch.randn(1, 3, 10, 7)]
    report = nnapi_check.convert(
        model, tmp_path / "out", x, feature_level=3, target="ndk", relaxed=True, preference="low-power"
    )

    program = read_program(tmp_path / "out" / MODEL_NAME, NAMES).program
    assert (program.model.relaxed, program.preference) == (True, Preference.LOW_POWER)
    assert report.verification is not None
    assert [0 < numbers.max_relative < 0.01 for numbers in report.verification.float16] == [True]


class Standardized(nn.Module):
    """A convolution of weights that are normalized by their own mean and deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.gain = nn.Parameter(torch.randn(6, 3, 2, 3)), nn.Parameter(torch.rand(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.weight.reshape(1, 6, -1)
        weight = torch.nn.functional.batch_norm(rows, None, None, self.gain, training=True, momentum=0.0)
        return torch.nn.functional.conv2d(x, weight.reshape_as(self.weight))


def test_weights_that_a_model_normalizes_itself_are_computed_before(tmp_path: Path) -> None:
    torch.manual_seed(5)
    x = [torch.randn(1, 3, 8, 7)]

    report = nnapi_check.convert(Standardized().eval(), tmp_path / "out", x, feature_level=1, target="ndk")

    assert report.readiness == "ready"
    assert report.verification is not None
    assert report.verification.is_within_tolerance


def test_a_model_file_is_verified_again(tmp_path: Path) -> None:
    model, x = Rows().eval(), [torch.randn(2, 7), torch.tensor([5])]
    nnapi_check.convert(model, tmp_path / "out", x, feature_level=1, target="ndk", verify=False)
    moved = shutil.copy(tmp_path / "out" / MODEL_NAME, tmp_path / "moved.nnc")

    assert nnapi_check.verify(moved, model, x, layers=True).is_within_tolerance
    with torch.no_grad():
        model.linear.bias[2] += 0.1
    assert not nnapi_check.verify(tmp_path / "out", model, x).is_within_tolerance


def test_the_program_that_cmake_builds_computes_it_without_a_fault(server: HostServer, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model, x, n = Rows().eval(), torch.randn(2, 7), torch.tensor([[2**40, -3]])
    folder = tmp_path / "out"
    nnapi_check.convert(model, folder, [x, n], feature_level=3, target="ndk", verify=False)

    found = run(server, sanitized() / "run_model", folder, 3, [x, n])

    with torch.no_grad():
        np.testing.assert_allclose(np.frombuffer(found[0], np.float32).reshape(2, 5), model(x, n)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["x.raw"], "files of inputs: wanted 2, given 1"),
        (["x.raw", "n.raw", "y.raw"], "files of inputs: wanted 2, given 3"),
        (["--", "y.raw"], "files of outputs: wanted 3, given 1"),
        (["x.raw", "x.raw"], "x.raw has 56 bytes, the input has 4"),
        (["--time", "3"], "--time is no option"),
    ],
)
def test_the_program_refuses_files_that_do_not_fit(
    files: list[str], words: str, server: HostServer, tmp_path: Path
) -> None:
    model, x = Rows().eval(), torch.randn(2, 7)
    nnapi_check.convert(
        model, tmp_path / "out", [x, torch.ones(1, dtype=torch.int32)], feature_level=3, target="ndk", verify=False
    )
    x.numpy().tofile(tmp_path / "x.raw")

    found = subprocess.run(
        [sanitized() / "run_model", tmp_path / "out" / MODEL_NAME, *files],
        env={**os.environ, **server.environment(3)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (found.returncode, found.stderr) == (1, f"run_model: {words}\n")


def test_a_project_holds_what_is_built(tmp_path: Path) -> None:
    nnapi_check.convert(
        Rows().eval(), tmp_path / "out", [torch.randn(2, 7), torch.ones(1)], feature_level=3, target="ndk", verify=False
    )

    held = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}

    assert held == {*runtime_files(), Path(MODEL_NAME), Path(PROJECT.marker)}
    assert all((tmp_path / "out" / path).read_bytes() == (RUNTIME / path).read_bytes() for path in runtime_files())
