"""A package is written whole or not at all, and never over the model it was made from."""

import os
from pathlib import Path

import pytest
import torch

from analyzer.errors import InputError
from lowering.packaging.package import Package
from lowering.packaging.saving import Form, check_writable, save_package
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
    monkeypatch.setattr(os, "replace", fail)

    with pytest.raises(InputError, match="No space left on device"):
        save_package(package, path, form=Form.FULL)

    assert path.read_bytes() == b"older"
    assert [found.name for found in tmp_path.iterdir()] == ["model.pt"]


def test_input_is_never_overwritten(package: Package, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"the input")
    (tmp_path / "link.pt").symlink_to(path)

    with pytest.raises(InputError, match="is the model to convert"):
        save_package(package, tmp_path / "link.pt", form=Form.FULL, inputs=(path,))

    assert path.read_bytes() == b"the input"


def test_folder_as_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        check_writable(tmp_path / "nowhere" / "model.pt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(InputError, match="is not writable"):
        check_writable(tmp_path / "model.pt")


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
