"""Parts of a package that hold the same are of one class, which a file tells once, and hold their own tensors."""

from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.graph_copy import PackageError
from nnapi_check.lowering.packaging.package import Package
from nnapi_check.lowering.packaging.saving import Form, save_package
from tests.lowering.hand_made_parts import elementwise_part, nodes_of, packaged, random_tensor
from tests.lowering.running_packages import Reopen, captured_module, runs_in_nnapi

SIZES = (3, 5, 7, 9)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (3, 2))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.norm(self.conv(x)))


def blocks() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(*(Block(*sizes) for sizes in pairwise(SIZES))).eval()


def converted(module: nn.Module, *inputs: torch.Tensor) -> Package:
    captured = captured_module(module, *inputs)
    return packaged(captured, elementwise_part(captured, nodes_of(captured, "tanh")[-1:]))


def codes(package: Package, path: Path) -> dict[str, bytes]:
    save_package(package, path, form=Form.FULL)
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if "/code/" in name}


def classes_called(package: Package, path: Path, name: str) -> int:
    texts = [text for file, text in codes(package, path).items() if file.endswith(".py")]
    return sum(text.count(f"class {name}(Module)".encode()) for text in texts)


def test_parts_that_hold_the_same_have_one_class(tmp_path: Path) -> None:
    package = converted(blocks(), random_tensor(1, 3, 9, 11))

    found = [classes_called(package, tmp_path / "a.pt", name) for name in ("Block", "Conv2d", "BatchNorm2d")]

    assert found == [1, 1, 1]


def test_parts_that_hold_other_tensors_have_classes_of_their_own(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 7, 1, bias=False), nn.Conv2d(7, 9, 1), nn.Tanh())

    assert classes_called(converted(module, random_tensor(1, 3, 9, 11)), tmp_path / "a.pt", "Conv2d") == 2


def test_every_part_keeps_the_names_and_elements_of_its_tensors(reopen: Reopen, nnapi: HostRuntime) -> None:
    module = blocks()
    x = random_tensor(1, 3, 9, 11)

    package = converted(module, x)

    held = {name.removeprefix("model."): found for name, found in package.module.named_parameters()}
    assert held.keys() == dict(module.named_parameters()).keys()
    assert all(torch.equal(held[name], wanted) for name, wanted in module.named_parameters())
    torch.testing.assert_close(runs_in_nnapi(nnapi, reopen(package), x)[0], module(x))


def test_module_that_stands_in_two_places_computes_the_same(reopen: Reopen, nnapi: HostRuntime) -> None:
    shared = nn.Conv2d(3, 3, 1)
    module = nn.Sequential(shared, nn.Conv2d(3, 3, 1), nn.Tanh(), shared)
    x = random_tensor(1, 3, 5, 7)

    package = converted(module, x)

    torch.testing.assert_close(runs_in_nnapi(nnapi, reopen(package), x)[0], module(x))
    assert len({held.data_ptr() for held in package.module.parameters()}) == 4


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * self.calls


def test_parts_that_keep_a_state_keep_their_own(reopen: Reopen, nnapi: HostRuntime) -> None:
    x = random_tensor(2, 3)

    artifact = reopen(converted(torch.jit.script(nn.Sequential(Counting(), Counting(), nn.Tanh()).eval()), x))

    for calls in (1, 2):
        torch.testing.assert_close(runs_in_nnapi(nnapi, artifact, x)[0], torch.tanh(x * calls * calls))


def test_module_that_keeps_a_state_is_packaged_only_once() -> None:
    captured = captured_module(torch.jit.script(nn.Sequential(Counting(), nn.Tanh()).eval()), random_tensor(2, 3))
    part = elementwise_part(captured, nodes_of(captured, "tanh"))
    packaged(captured, part)

    with pytest.raises(PackageError, match="packaged already"):
        packaged(captured, part)


def test_parts_of_scripted_modules_have_one_class(tmp_path: Path) -> None:
    package = converted(torch.jit.script(blocks()), random_tensor(1, 3, 9, 11))

    assert classes_called(package, tmp_path / "a.pt", "Conv2d") == 1


def test_captured_module_can_be_packaged_again(reopen: Reopen, nnapi: HostRuntime) -> None:
    module = blocks()
    x = random_tensor(1, 3, 9, 11)
    captured = captured_module(module, x)
    part = elementwise_part(captured, nodes_of(captured, "tanh")[-1:])
    packaged(captured, part)

    torch.testing.assert_close(runs_in_nnapi(nnapi, reopen(packaged(captured, part)), x)[0], module(x))
