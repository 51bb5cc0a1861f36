"""NNAPI is asked once, by the first call that is for it: refusals are not met again, and other shapes do without it."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.ao import quantization

import nnapi_check
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.saving import Form, save_package
from tests.lowering.hand_made_parts import elementwise_part, nodes_of, packaged, random_tensor
from tests.lowering.running_packages import FORMS, Reopen, captured_module, load_scripted, runs_in_nnapi

BEFORE_SPLIT = 2
"""The last feature level without SPLIT."""


class Halves(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = torch.chunk(x, 2, 1)
        return left - torch.cumsum(right, 1)


@FORMS
def test_a_refusal_is_met_once(form: Form, nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    captured = captured_module(Halves(), x)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "chunk"))), form)

    with nnapi.at_level(BEFORE_SPLIT):
        with pytest.raises(RuntimeError):
            artifact.run(x)
        nnapi.forget_faults()
        again, executions = runs_in_nnapi(nnapi, artifact, x)

    assert (executions, nnapi.recent_faults) == (0, ())
    torch.testing.assert_close(again, Halves()(x))


def test_nnapi_is_asked_again_where_the_app_wants_it(nnapi: HostRuntime, reopen: Reopen) -> None:
    x = random_tensor(2, 6)
    captured = captured_module(Halves(), x)
    artifact = reopen(packaged(captured, elementwise_part(captured, nodes_of(captured, "chunk"))))
    with nnapi.at_level(BEFORE_SPLIT), pytest.raises(RuntimeError):
        artifact.run(x)

    artifact.use_nnapi()
    found, executions = runs_in_nnapi(nnapi, artifact, x)

    assert executions == 1
    torch.testing.assert_close(found, Halves()(x))


@FORMS
def test_where_nnapi_is_absent_only_the_first_call_that_is_for_it_raises(form: Form, tmp_path: Path) -> None:
    captured = captured_module(Halves(), random_tensor(2, 6))
    path = tmp_path / "model.pt"
    save_package(packaged(captured, elementwise_part(captured, nodes_of(captured, "chunk"))), path, form=form)
    script = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from nnapi_check.lowering.packaging.artifact import open_artifact\n"
        "artifact = open_artifact(Path(sys.argv[1]))\n"
        "def tried(x):\n"
        "    left, right = x.chunk(2, 1)\n"
        "    try:\n"
        "        print(torch.equal(artifact.run(x), left - right.cumsum(1)))\n"
        "    except RuntimeError as error:\n"
        "        print('absent' if 'libneuralnetworks' in str(error) else error)\n"
        "other, own = torch.rand(3, 8), torch.rand(2, 6)\n"
        "for x in (other, own, own, other):\n"
        "    tried(x)\n"
        "artifact.use_nnapi()\n"
        "tried(other)\n"
        "tried(own)\n"
    )

    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "absent", "True", "True", "True", "absent"], done.stderr


@pytest.fixture(scope="module")
def quantized_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of packed weights, and beside it the original."""
    folder = tmp_path_factory.mktemp("quantized")
    torch.manual_seed(0)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(torch.backends.quantized, "engine", "qnnpack")
        module = quantization.QuantWrapper(nn.Conv2d(3, 4, (3, 2))).eval()
        module.qconfig = quantization.QConfig(quantization.HistogramObserver, quantization.default_weight_observer)  # type: ignore[no-untyped-call,assignment]  # it has no types
        quantization.prepare(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
        module(torch.randn(4, 3, 7, 9))
        quantization.convert(module, inplace=True)  # type: ignore[no-untyped-call]  # it has no types
        traced = torch.jit.trace(module, torch.randn(1, 3, 7, 9))  # type: ignore[no-untyped-call]  # it has no types
        torch.jit.save(traced, str(folder / "model.pt"))
        nnapi_check.convert(folder / "model.pt", folder / "out.pt", feature_level=4, verify=False)
    return folder / "out.pt"


def test_packed_weights_are_read_before_the_cpu_may_release_them(quantized_package: Path, nnapi: HostRuntime) -> None:
    module = load_scripted(quantized_package)
    original = load_scripted(quantized_package.with_name("model.pt"))
    other, own = torch.rand(1, 3, 8, 9), torch.rand(1, 3, 7, 9)

    with torch.no_grad(), nnapi.at_level(4):
        before = nnapi.executions
        torch.testing.assert_close(module(other), original(other))
        assert (nnapi.executions - before, len(module.model.nnapi_kept)) == (0, 1)
        module(own)

    assert (nnapi.executions - before, len(module.model.nnapi_kept)) == (1, 0)
