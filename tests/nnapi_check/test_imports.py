"""Files with ops of a library that the user imports."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.nnapi_check.conftest import Run, in_process

LIBRARY = """
import torch

library = torch.library.Library("of_a_user", "DEF")
library.define("whiten(Tensor x) -> Tensor")
torch.library.impl(library, "whiten", "CompositeExplicitAutograd")(lambda x: x - x.mean())
torch.library.register_fake("of_a_user::whiten")(torch.empty_like)
"""
MODEL = """
import of_a_user, torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(torch.ops.of_a_user.whiten(x))

torch.export.save(torch.export.export(Model(), (torch.rand(2, 3),)), "model.pt2")
torch.jit.trace(Model(), torch.rand(2, 3)).save("model.pt")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library and two files of a model that needs it."""
    found = tmp_path_factory.mktemp("library")
    (found / "of_a_user.py").write_text(LIBRARY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        made = in_process(code=MODEL)
    assert made.returncode == 0, made.stderr
    return found


@pytest.mark.parametrize("name", ["model.pt2", "model.pt"])
def test_a_missing_op_is_told_by_name_with_what_brings_it(folder: Path, name: str, run: Run) -> None:
    found = run(folder / name, "--api-level", 29)

    assert found.exit_code == 2
    assert "of_a_user::whiten" in found.stderr
    assert "(--import MODULE)" in found.stderr


@pytest.mark.parametrize("name", ["model.pt2", "model.pt"])
def test_an_op_of_a_library_that_is_imported_is_reported_as_unknown(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    found = in_process(name, "--api-level", 29, "--import", "of_a_user")

    assert found.returncode == 1, found.stderr
    assert "of_a_user.whiten.default: NNC103" in found.stdout


def test_a_module_that_is_not_there_is_told(folder: Path, run: Run) -> None:
    found = run(folder / "model.pt", "--api-level", 29, "--import", "not_there_at_all")

    assert found.exit_code == 2
    assert found.stderr == "nnapi-check: --import not_there_at_all: No module named 'not_there_at_all'.\n"


def test_no_library_is_imported_unless_the_user_says_so(folder: Path) -> None:
    assert not hasattr(torch.ops.of_a_user, "whiten")
