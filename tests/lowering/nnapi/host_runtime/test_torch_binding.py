"""PyTorch's own NNAPI binding runs models in this process: its converter's output, loaded by its loader."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
import torch
import torchvision
from torch.backends._nnapi.prepare import convert_model_to_nnapi

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from nnapi_check.lowering.nnapi.interpreter.execute import prepare
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.serialize import deserialize, serialize
from nnapi_check.lowering.nnapi.validation.validate import validate

TOLERANCE = 1e-4

# PyTorch's own functions have no annotations.
trace = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.trace)
load = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.load)
to_nnapi = cast("Callable[..., torch.jit.ScriptModule]", convert_model_to_nnapi)

FACTS = load_operations()
CODES = {name: facts.code for name, facts in FACTS.items()}
NAMES = {code: name for name, code in CODES.items()}


@pytest.fixture
def runtime() -> Iterator[HostRuntime]:
    try:
        runtime = load_host_runtime()
    except NoCompilerError as error:
        pytest.skip(str(error))
    gc.collect()
    before = (runtime.live_objects, runtime.kept_models)
    runtime.forget_faults()
    yield runtime
    # PyTorch's own threads let go of a module only some time after they were waited for.
    gc.collect()
    for _ in range(50):
        if (runtime.live_objects, runtime.kept_models) == before:
            break
        time.sleep(0.02)
    assert (runtime.live_objects, runtime.kept_models) == before


def small_net() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, (3, 2), stride=2, padding=(1, 0)),
        torch.nn.ReLU(),
        torch.nn.Conv2d(5, 8, 1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 6),
    ).eval()


def small_input() -> torch.Tensor:
    torch.manual_seed(4)
    return torch.rand(1, 3, 11, 14)


def as_nhwc(image: torch.Tensor) -> torch.Tensor:
    """The input as PyTorch's converter wants it for a network that should run in NHWC."""
    image = image.contiguous(memory_format=torch.channels_last)
    image.nnapi_nhwc = True  # type: ignore[attr-defined]  # A mark that the converter reads.
    return image


def convert(net: torch.nn.Module, image: torch.Tensor) -> torch.jit.ScriptModule:
    with torch.no_grad():
        return to_nnapi(trace(net, image), image)


def mobilenet() -> torch.nn.Module:
    """MobileNetV2 with statistics that keep its activations from vanishing, and without operations in place."""
    torch.manual_seed(5)
    net: torch.nn.Module = torchvision.models.mobilenet_v2(weights=None)
    with torch.no_grad():
        net.train()(torch.rand(4, 3, 64, 96))
        net.get_parameter("classifier.1.weight").mul_(20)
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU6):
            module.inplace = False
    return net.eval()


def serialized(converted: torch.jit.ScriptModule) -> bytes:
    return bytes(converted.mod.ser_model.numpy().tobytes())


def assert_equal(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.shape == wanted.shape
    assert wanted.abs().max() > 0.05
    torch.testing.assert_close(found, wanted, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_small_network_equals_pytorch(runtime: HostRuntime) -> None:
    net, image = small_net(), as_nhwc(small_input())
    before = runtime.executions

    found = convert(net, image)(image)

    assert_equal(found, net(image))
    assert runtime.executions == before + 1
    assert runtime.last_faults == ()


def test_mobilenet_equals_pytorch(runtime: HostRuntime) -> None:
    net = mobilenet()
    image = as_nhwc(torch.rand(1, 3, 64, 96))

    found = convert(net, image)(image)

    assert_equal(found, net(image))


@pytest.mark.parametrize("name", ["small", "mobilenet"])
def test_the_converter_s_bytes_are_read_validated_and_run_without_the_library(name: str) -> None:
    net = small_net() if name == "small" else mobilenet()
    image = as_nhwc(small_input() if name == "small" else torch.rand(1, 3, 64, 96))
    converted = convert(net, image)
    data = serialized(converted)

    model = deserialize(data, NAMES)

    assert isinstance(model, Model)
    assert validate(model, FACTS, level=8).faults == ()
    assert deserialize(serialize(model, CODES), NAMES) == model
    buffers = [weight.contiguous().numpy() for weight in converted.mod.weights]
    (output,) = prepare(model, buffers).run([image.permute(0, 2, 3, 1).contiguous().numpy()]).outputs
    assert_equal(torch.from_numpy(output.array.copy()), net(image))


def test_what_we_write_is_what_pytorch_s_loader_reads(runtime: HostRuntime) -> None:
    net, image = small_net(), as_nhwc(small_input())
    converted = convert(net, image)
    model = deserialize(serialized(converted), NAMES)
    assert isinstance(model, Model)
    words = torch.frombuffer(bytearray(serialize(model, CODES)), dtype=torch.int32)
    compilation = torch.classes._nnapi.Compilation()

    compilation.init(words, [weight.contiguous() for weight in converted.mod.weights])
    output = torch.zeros(1, 6)
    compilation.run([image.permute(0, 2, 3, 1).contiguous()], [output])

    assert_equal(output, net(image))


def test_a_saved_and_loaded_module_runs(runtime: HostRuntime, tmp_path: os.PathLike[str]) -> None:
    net, image = small_net(), as_nhwc(small_input())
    path = os.path.join(tmp_path, "net.pt")
    convert(net, image).save(path)

    found = load(path)(image)

    assert_equal(found, net(image))


def test_a_quantized_network_gives_pytorch_s_numbers(runtime: HostRuntime) -> None:
    image = torch.quantize_per_tensor(small_input(), 1 / 64, 0, torch.quint8)

    class Dequantize(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.dequantize()

    found = convert(Dequantize().eval(), image)(image)

    torch.testing.assert_close(found, image.dequantize(), rtol=0, atol=0)


def test_a_dimension_that_comes_at_loading_is_read_from_the_input(runtime: HostRuntime) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, (3, 2)), torch.nn.ReLU()).eval()
    example = as_nhwc(torch.zeros(1, 3, 0, 14))
    example.nnapi_nhwc = True  # type: ignore[attr-defined]
    converted = to_nnapi(trace(net, small_input()), example)
    image = small_input()

    assert_equal(converted(image), net(image))


def test_a_level_that_lacks_an_operation_refuses_with_words(runtime: HostRuntime) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LogSoftmax(dim=1)).eval()
    image = small_input()
    converted = convert(net, image)

    with runtime.at_level(2), pytest.raises(RuntimeError, match=r"Model_finish.*failed with error 4"):
        converted(image)

    assert "LOG_SOFTMAX" in " ".join(fault.words for fault in runtime.last_faults)


@pytest.mark.parametrize("level", [1, 2])
def test_a_level_without_the_functions_that_the_loader_calls_runs_nothing(runtime: HostRuntime, level: int) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 11 * 14, 5)).eval()
    image = small_input()

    with runtime.at_level(level), pytest.raises(RuntimeError, match=r"Execution_compute.*failed with error 6"):
        convert(net, image)(image)

    assert runtime.last_faults[0].words == f"the function came with feature level 3, and this is level {level}"


def test_an_input_of_another_shape_is_an_error_and_no_crash(runtime: HostRuntime) -> None:
    image = as_nhwc(small_input())
    converted = convert(small_net(), image)
    converted(image)

    with pytest.raises(RuntimeError, match=r"Execution_setInput.*failed with error 4"):
        converted(torch.rand(1, 3, 12, 14))

    assert "wanted 11" in runtime.last_faults[0].words


def test_python_threads_run_one_module_at_once(runtime: HostRuntime) -> None:
    net, image = small_net(), as_nhwc(small_input())
    converted = convert(net, image)
    converted(image)
    images = [torch.rand(1, 3, 11, 14) for _ in range(24)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(converted, images))

    for output, own in zip(found, images, strict=True):
        assert_equal(output, net(own))


def test_modules_are_made_and_dropped_in_many_threads(runtime: HostRuntime) -> None:
    net, image = small_net(), as_nhwc(small_input())
    wanted = net(image).detach()
    saved = io.BytesIO()
    torch.jit.save(convert(net, image), saved)

    def load_and_run(_: int) -> bool:
        module = load(io.BytesIO(saved.getvalue()))
        return torch.allclose(module(image), wanted, atol=TOLERANCE)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(load_and_run, range(12)))

    assert answers == [True] * 12


def test_torchscript_s_own_threads_run_a_module(runtime: HostRuntime) -> None:
    net, image = small_net(), as_nhwc(small_input())
    converted = convert(net, image)
    converted(image)

    class Forks(torch.nn.Module):
        def __init__(self, inner: torch.jit.ScriptModule) -> None:
            super().__init__()
            self.inner = inner

    forks = torch.jit.script(Forks(converted))
    forks.define(
        "def forward(self, image: Tensor) -> List[Tensor]:\n"
        "    parts = [torch.jit.fork(self.inner, image + float(offset)) for offset in range(3)]\n"
        "    return [torch.jit.wait(part) for part in parts]\n"
    )
    found = forks(image)

    for offset, output in enumerate(found):
        assert_equal(output, net(image + offset))


def test_pytorch_finds_the_library_after_it_failed_to() -> None:
    code = """
import torch
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
words = torch.zeros(6, dtype=torch.int32)
try:
    torch.classes._nnapi.Compilation().init(words, [])
except RuntimeError as error:
    print("absent" if "libneuralnetworks.so" in str(error) else error)
try:
    load_host_runtime()
except NoCompilerError:
    print("no compiler")
try:
    torch.classes._nnapi.Compilation().init(words, [])
except RuntimeError as error:
    print("version" if "version == 1" in str(error) else error)
"""

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)

    assert ran.returncode == 0, ran.stderr
    if "no compiler" in ran.stdout:
        pytest.skip("no C compiler")
    assert ran.stdout.split() == ["absent", "version"]


def test_a_converted_module_raises_where_the_library_lacks_what_its_loader_calls() -> None:
    code = """
import os, torch
from torch.backends._nnapi.prepare import convert_model_to_nnapi
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(15, 4)).eval()
image = torch.rand(1, 3, 5)
converted = convert_model_to_nnapi(torch.jit.trace(net, image), image)
wanted = net(image)
for level in (1, 2, 3, 8):
    if os.fork() == 0:
        try:
            load_host_runtime(level, library_level=level)
            print(level, torch.allclose(converted(image), wanted, atol=1e-5), flush=True)
        except NoCompilerError:
            print("no compiler", flush=True)
        except RuntimeError as error:
            print(level, str(error).strip().split("] ")[-1], flush=True)
        os._exit(0)
    os.wait()
"""

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)

    assert ran.returncode == 0, ran.stderr
    if "no compiler" in ran.stdout:
        pytest.skip("no C compiler")
    missing = "nnapi_.Execution_compute."
    assert ran.stdout.splitlines() == [f"1 {missing}", f"2 {missing}", "3 True", "8 True"]


def test_a_process_that_ends_with_models_alive_ends_well() -> None:
    code = """
import torch, atexit
from torch.backends._nnapi.prepare import convert_model_to_nnapi
from nnapi_check.lowering.nnapi.host_runtime.runtime import load_host_runtime
load_host_runtime()
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU()).eval()
image = torch.rand(1, 3, 5)
kept = convert_model_to_nnapi(torch.jit.trace(net, image), image)
print(tuple(kept(image).shape))
"""

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)

    assert (ran.returncode, ran.stdout.strip()) == (0, "(1, 15)"), ran.stderr
