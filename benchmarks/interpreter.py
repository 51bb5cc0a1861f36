"""Time the interpreter on ResNet-50, against PyTorch on one thread and on the same weights.

    OMP_NUM_THREADS=1 python benchmarks/interpreter.py [rounds]

PyTorch's own converter makes the NNAPI model, at full size (1, 3, 224, 224). The interpreter and PyTorch take turns,
and the fastest runs are compared. The exit code is 1 where the outputs differ, or the interpreter takes more than
``SLOWEST`` times as long as PyTorch.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
import torchvision
from torch.backends._nnapi.prepare import convert_model_to_nnapi

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nnapi_check.coverage_db.facts import load_operations
from nnapi_check.lowering.nnapi.interpreter.execute import prepare
from nnapi_check.lowering.nnapi.model import Model
from nnapi_check.lowering.nnapi.serialize import deserialize
from nnapi_check.lowering.nnapi.validation.validate import validate

ROUNDS = 5
SLOWEST = 5.0
TOLERANCE = 1e-4

# PyTorch's own functions have no annotations.
_trace = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.trace)
_convert = cast("Callable[..., torch.jit.ScriptModule]", convert_model_to_nnapi)


class Bottleneck(torchvision.models.resnet.Bottleneck):  # type: ignore[misc]  # torchvision has no types.
    """ResNet's block without an addition in place, which the converter does not know."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute what the original block computes."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn3(self.conv3(out)) + shortcut)


def resnet50() -> torch.nn.Module:
    """ResNet-50 with random weights, and statistics that keep its activations from vanishing."""
    torch.manual_seed(5)
    net: torch.nn.Module = torchvision.models.ResNet(Bottleneck, [3, 4, 6, 3])
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    with torch.no_grad():
        net.train()(torch.rand(2, 3, 64, 96))
    return net.eval()


def best(work: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> int:
    """Convert, validate, run by turns, and tell."""
    warnings.simplefilter("ignore")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    torch.set_num_threads(1)
    net = resnet50()
    image = torch.rand(1, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    image.nnapi_nhwc = True  # type: ignore[attr-defined]  # A mark that the converter reads.
    with torch.no_grad():
        frozen = torch.jit.freeze(_trace(net, image))
        converted = _convert(_trace(net, image), [image])
    facts = load_operations()
    names = {operation.code: name for name, operation in facts.items()}
    model = deserialize(converted.mod.ser_model.numpy().tobytes(), names)
    if not isinstance(model, Model):
        raise TypeError(f"the converter's bytes are {model}")
    validating = min(best(lambda: validate(model, facts)) for _ in range(rounds))
    weights = [weight.contiguous().numpy() for weight in converted.mod.weights]
    preparing = best(lambda: prepare(model, weights))
    prepared = prepare(model, weights)
    nhwc = image.permute(0, 2, 3, 1).contiguous().numpy()
    ours: list[float] = []
    theirs: list[float] = []
    with torch.no_grad():
        wanted = net(image)
        frozen(image)
        found = torch.from_numpy(prepared.run([nhwc]).outputs[0].array)
        for _ in range(rounds):
            theirs.append(best(lambda: frozen(image)))
            ours.append(best(lambda: prepared.run([nhwc])))
    error = (found - wanted).abs().max().item() / wanted.abs().max().item()
    ratio = min(ours) / min(theirs)
    print(f"ResNet-50, {len(model.operations)} operations, {sum(weight.nbytes for weight in weights) / 1e6:.1f} MB")
    print(f"validate {validating * 1000:.1f} ms, prepare {preparing * 1000:.1f} ms")
    for name, times in (("interpreter", ours), ("PyTorch, frozen", theirs)):
        print(f"{name}: best {min(times):.3f} s, median {statistics.median(times):.3f} s of {rounds}")
    print(f"the interpreter takes {ratio:.2f} times as long as PyTorch on one thread; relative error {error:.1e}")
    return 0 if ratio <= SLOWEST and error <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
