"""Files with ops of a library that the user imports."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from tests.nnapi_check.conftest import Run, in_process
from tests.torch_releases import since

LIBRARY = """
import torch

library = torch.library.Library("of_a_user", "DEF")
library.define("whiten(Tensor x) -> Tensor")
torch.library.impl(library, "whiten", "CompositeExplicitAutograd")(lambda x: x - x.mean())
torch.library.register_fake("of_a_user::whiten")(torch.empty_like)
library.define("both(Tensor[] xs, float by, int[]? dims=None, *, bool flag=False) -> (Tensor, Tensor[])")
both = lambda xs, by, dims=None, *, flag=False: (xs[0] * by, [xs[1] + 1, xs[0] + 0])
torch.library.impl(library, "both", "CompositeExplicitAutograd")(both)
torch.library.register_fake("of_a_user::both")(both)
"""
MODEL = """
import of_a_user, torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(torch.ops.of_a_user.whiten(x))

class Parts(torch.nn.Module):
    def __init__(self, read=False):
        super().__init__()
        self.read = read
        self.before, self.after = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 5, 3)

    def forward(self, x):
        y = torch.relu(self.before(x))
        first, (second, third) = torch.ops.of_a_user.both([y, torch.ops.of_a_user.whiten(y)], 1, [0, 1])
        first, more = torch.ops.of_a_user.both([first + third, second], 0.5, flag=True)
        return (torch.relu(self.after(first)), *more) if self.read else torch.relu(self.after(first))

class Scripted(Parts):
    def forward(self, x):
        y = torch.relu(self.before(x))
        first, rest = torch.ops.of_a_user.both([y, torch.ops.of_a_user.whiten(y)], 1.0, [0, 1])
        first, _ = torch.ops.of_a_user.both([first + rest[1], rest[0]], 0.5, flag=True)
        return torch.relu(self.after(first))

def save():
    torch.export.save(torch.export.export(Model(), (torch.rand(2, 3),)), "model.pt2")
    torch.jit.trace(Model(), torch.rand(2, 3)).save("model.pt")
    torch.jit.trace(Parts().eval(), torch.rand(1, 3, 20, 24)).save("parts.pt")
    torch.jit.script(Scripted().eval()).save("scripted.pt")

def save_program(read):
    torch.export.save(torch.export.export(Parts(read).eval(), (torch.rand(1, 3, 20, 24),)), "parts.pt2")
"""

_OF_A_USER = ("of_a_user.whiten.default", "of_a_user.both.default")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library and files of models that need it."""
    found = tmp_path_factory.mktemp("library")
    (found / "of_a_user.py").write_text(LIBRARY)
    (found / "making.py").write_text(MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        made = in_process(code="import making; making.save()")
    assert made.returncode == 0, made.stderr
    return found


@pytest.mark.parametrize("name", ["model.pt2", "model.pt"])
def test_a_missing_op_is_told_by_name_with_what_brings_it(
    folder: Path, name: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    found = run("convert", name, "-o", "made.pt", "--api-level", 29)

    assert found.exit_code == 2
    assert found.stderr == (
        f"nnapi-check: {name} needs ops that this PyTorch does not have (of_a_user::whiten); import their library "
        "(--import MODULE).\n"
    )


@pytest.mark.parametrize("name", ["model.pt2", "model.pt"])
def test_an_op_of_a_library_that_is_imported_is_reported_as_unknown(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    found = in_process(name, "--api-level", 29, "--import", "of_a_user")

    assert found.returncode == 1, found.stderr
    assert "of_a_user.whiten.default: NNC103" in found.stdout


@pytest.mark.parametrize(
    "read", [True, pytest.param(False, marks=since("2.14", "it saves a program that leaves a list of tensors unread"))]
)
def test_a_program_is_reported_without_the_library_of_its_ops_as_with_it(
    read: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    made = in_process(code=f"import making; making.save_program({read})")
    assert made.returncode == 0, made.stderr

    alone, imported = (
        in_process("parts.pt2", "--api-level", 29, "--format", "json", *more)
        for more in ([], ["--import", "of_a_user"])
    )

    assert alone.returncode == imported.returncode == 0, alone.stderr
    without, with_library = json.loads(alone.stdout), json.loads(imported.stdout)
    assert without["nodes"] == with_library["nodes"]
    assert len(without["parts"]) == len(with_library["parts"]) == 2
    (note,) = set(without["notes"]) - set(with_library["notes"])
    assert "does not have of_a_user::both, of_a_user::whiten" in note
    assert "(--import MODULE)" in note


@pytest.mark.parametrize("name", ["parts.pt", "scripted.pt"])
def test_a_script_is_reported_without_the_library_of_its_ops_up_to_the_shapes_that_they_give(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    asked = (name, "--api-level", 29, "--input", "f32[1,3,20,24]", "--format", "json")

    alone, imported = (in_process(*asked, *more) for more in ([], ["--import", "of_a_user"]))

    assert alone.returncode == imported.returncode == 0, alone.stderr
    without, with_library = json.loads(alone.stdout), json.loads(imported.stdout)
    ops, told = (Counter(node["op"] for node in found["nodes"]) for found in (without, with_library))
    assert all(ops[op] == told[op] for op in (*_OF_A_USER, "aten.conv2d.default", "aten.add.Tensor"))
    assert len(without["parts"]) == 1
    assert without["parts"][0] == with_library["parts"][0]
    (note,) = (note for note in without["notes"] if "--import MODULE" in note)
    assert "does not have of_a_user::both, of_a_user::whiten: the file does not tell what they give" in note


def test_a_module_that_is_not_there_is_told(folder: Path, run: Run) -> None:
    found = run(folder / "model.pt", "--api-level", 29, "--import", "not_there_at_all")

    assert found.exit_code == 2
    assert found.stderr == "nnapi-check: --import not_there_at_all: No module named 'not_there_at_all'.\n"


def test_no_library_is_imported_unless_the_user_says_so(folder: Path) -> None:
    assert not hasattr(torch.ops.of_a_user, "whiten")
