"""A package is written whole or not at all, and never over the model it was made from."""

from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.lowering.packaging import saving
from nnapi_check.lowering.packaging.package import Package
from nnapi_check.lowering.packaging.saving import Form, save_package, tensor_bytes
from tests.file_sizes import file_sizes_up_to
from tests.lowering.hand_made_parts import elementwise_part, nodes_of, packaged, random_tensor
from tests.lowering.running_packages import FORMS, captured_module


@pytest.fixture(scope="module")
def package() -> Package:
    captured = captured_module(torch.nn.Tanh(), random_tensor(2, 3))
    return packaged(captured, elementwise_part(captured, nodes_of(captured, "tanh")))


@FORMS
def test_file_replaces_an_older_one_and_leaves_nothing_else(package: Package, form: Form, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"older")

    save_package(package, path, form=form)

    assert path.read_bytes()[:2] == b"PK"
    assert [found.name for found in tmp_path.iterdir()] == ["model.pt"]


@FORMS
def test_same_package_gives_files_that_differ_in_nothing(package: Package, form: Form, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save_package(package, tmp_path / folder / "model.pt", form=form)

    assert (tmp_path / "one" / "model.pt").read_bytes() == (tmp_path / "two" / "model.pt").read_bytes()


def test_file_may_be_read_by_those_whom_the_user_lets(package: Package, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()

    save_package(package, tmp_path / "model.pt", form=Form.FULL)

    assert (tmp_path / "model.pt").stat().st_mode == plain.stat().st_mode


def test_failure_while_writing_keeps_the_older_file(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "model.pt"
    path.write_bytes(b"older")
    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(OutputError, match="No space left on device"):
        save_package(package, path, form=Form.FULL)

    assert path.read_bytes() == b"older"
    assert [found.name for found in tmp_path.iterdir()] == ["model.pt"]


def test_input_is_never_overwritten(package: Package, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"the input")
    (tmp_path / "link.pt").symlink_to(path)

    with pytest.raises(OutputError, match="is read by this command"):
        save_package(package, tmp_path / "link.pt", form=Form.FULL, inputs=(path,))

    assert path.read_bytes() == b"the input"


@FORMS
def test_disk_without_the_room_is_told_before_pytorch_writes(
    package: Package, form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PyTorch's own writer would end the process.
    monkeypatch.setattr(saving, "_IN_MEMORY_BYTES", -1)
    monkeypatch.setattr(saving, "tensor_bytes", lambda _module: 100_000)

    with file_sizes_up_to(4096), pytest.raises(OutputError, match="File too large"):
        save_package(package, tmp_path / "model.pt", form=form)

    assert list(tmp_path.iterdir()) == []


@FORMS
def test_package_is_the_same_whether_it_was_made_in_memory(
    package: Package, form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_package(package, tmp_path / "archive.pt", form=form)
    small = (tmp_path / "archive.pt").read_bytes()
    monkeypatch.setattr(saving, "_IN_MEMORY_BYTES", -1)

    save_package(package, tmp_path / "archive.pt", form=form)

    assert (tmp_path / "archive.pt").read_bytes() == small


def test_tensors_of_every_submodule_are_counted_and_shared_ones_once() -> None:
    inner = torch.nn.Linear(30, 7)
    inner.register_buffer("shared", inner.weight.detach()[:2])
    module = torch.nn.Sequential(inner, torch.nn.Tanh())
    captured = captured_module(module, random_tensor(2, 30))

    made = packaged(captured, elementwise_part(captured, nodes_of(captured, "tanh")))

    weights = 4 * (30 * 7 + 7)
    assert weights <= tensor_bytes(made.module) < 2 * weights


class Pair:
    def __init__(self, first: torch.Tensor, second: torch.Tensor) -> None:
        self.first = first
        self.second = second


class Paired(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pair = Pair(torch.tanh(x), x)
        return torch.cumsum(pair.first + pair.second, 1)


def test_lite_form_refuses_classes_in_words_and_the_full_form_holds_them(tmp_path: Path) -> None:
    captured = captured_module(torch.jit.script(Paired().eval()), random_tensor(2, 3))
    package = packaged(captured, elementwise_part(captured, nodes_of(captured, "tanh")))

    save_package(package, tmp_path / "model.pt", form=Form.FULL)
    with pytest.raises(InputError, match=r"uses the class .*Pair; write it in the full form"):
        save_package(package, tmp_path / "model.ptl", form=Form.LITE)

    assert [found.name for found in tmp_path.iterdir()] == ["model.pt"]


def test_file_holds_no_source_text_of_methods_that_are_ours(package: Package, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_package(package, path, form=Form.FULL)

    with ZipFile(path) as archive:
        told = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".debug_pkl"))

    assert told
    assert b"def " not in told
