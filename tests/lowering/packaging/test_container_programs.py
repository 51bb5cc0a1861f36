"""Programs of lists, tables, named tuples and objects compute the same in a package, as a file of anybody's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from tests.lowering.container_programs import PROGRAMS, container_module, module_of
from tests.lowering.drawn_containers import drawn_body
from tests.lowering.packaging.test_in_place_programs import hold
from tests.lowering.running_packages import load_scripted

KNOWN = (
    *("named tuples", "a pyramid of tables", "lists written as comprehensions", "an object", "objects in a list"),
    *("an object that is an attribute", "modules counted", "lists of lists", "a table of lists", "what may be None"),
    *("a list in a list, popped", "a list held by an object", "a list grows while it is walked"),
    *("returned list and dict",),
)
"""Programs of which shapes tell what every container holds."""
SEEDS = range(16)
CONTAINERS = ("prim::CreateObject", "prim::SetAttr", "aten::append", "aten::insert", "aten::extend", "aten::pop")


def _scripted(name: str, folder: Path) -> Path:
    return _saved(container_module(name, folder), folder)


def _saved(module: nn.Module, folder: Path) -> Path:
    path = folder / "model.pt"
    script: torch.jit.ScriptModule = torch.jit.script(module)
    script.save(str(path))
    return path


def _captured(name: str, folder: Path) -> Captured:
    spec = parse_input_spec("f32[4,6]")
    return capture(_scripted(name, folder), [spec, spec], weights=True)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_containers_computes_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _scripted(name, tmp_path)
    # Objects cannot be copied.
    monkeypatch.setattr("copy.deepcopy", lambda _module: load_scripted(path))

    executions = hold(load_scripted(path), 4, tmp_path / "out.pt")

    assert executions


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_program_of_containers_computes_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(module_of(drawn_body(seed), f"drawn_containers_{seed}", tmp_path), tmp_path)
    monkeypatch.setattr("copy.deepcopy", lambda _module: load_scripted(path))

    try:
        hold(load_scripted(path), (1, 4, 8)[seed % 3], tmp_path / "out.pt")
    except InputError as error:
        # TorchScript's own run of such a program is not Python's.
        if "takes the write for dead" not in str(error):
            raise


DROPPED = {
    "an item of a list": "l = [x * 2, x]\nl[0].relu_()\nl[1].relu_()\nreturn torch.cat(l)",
    "every item of a list": "l = [x + y]\nfor i in range(2):\n    for t in l:\n        t.relu_()\nreturn torch.cat(l)",
    "an item that was appended": "l = [y]\nl.append(x * 2)\nl[1].add_(1.0)\nreturn torch.cat(l)",
    "an item of a list after a loop": (
        "l = [x * 2]\nk = [y]\nd = {'a': y}\nfor t in k:\n    t.relu_()\nl[0].relu_()\n"
        "return torch.cat(k), torch.matmul(d['a'], self.weight), torch.cat(l)"
    ),
}


@pytest.mark.parametrize("name", DROPPED)
def test_a_write_that_torchscript_drops_is_refused(name: str, tmp_path: Path) -> None:
    path = _saved(module_of(DROPPED[name], f"dropped_{len(name)}", tmp_path), tmp_path)
    spec = parse_input_spec("f32[4,6]")

    with pytest.raises(InputError, match=r"dropped_\d+\.py:\d+ overwrites a tensor that a list .* holds"):
        capture(path, [spec, spec], weights=True)


def test_a_write_to_a_tensor_that_is_read_by_its_own_name_is_seen_there(tmp_path: Path) -> None:
    body = "a = x * 2\nb = y * 3\nfor t in [a, b]:\n    t.add_(1.0)\nreturn torch.matmul(a + b, self.weight)"
    path = _saved(module_of(body, "own_names", tmp_path), tmp_path)

    assert hold(load_scripted(path), 4, tmp_path / "out.pt")


def test_a_tensor_that_a_list_is_extended_with_is_written_in_the_list(tmp_path: Path) -> None:
    body = (
        "k = [y]\ng = [[x], k]\ng[int(y.abs().sum()) % 2].insert(0, y)\nt = torch.matmul(y, self.weight)\n"
        "k.extend([t])\nt.add_(0.5)\nd = {'a': x}\nreturn torch.matmul(torch.cat(k) + d['a'].sum(), self.weight)"
    )
    path = _saved(module_of(body, "extended", tmp_path), tmp_path)

    assert hold(load_scripted(path), 4, tmp_path / "out.pt")


@pytest.mark.parametrize("name", KNOWN)
def test_what_shapes_tell_of_containers_is_read_without_them(name: str, tmp_path: Path) -> None:
    captured = _captured(name, tmp_path)

    values = captured.graph.values
    made = [values[output] for node in captured.graph.nodes() for output in node.outputs]
    assert all(isinstance(value.type, TensorType) for value in made)
    written = str(captured.torch_graph)
    kinds = CONTAINERS if name not in ("returned list and dict",) else ("prim::CreateObject", "prim::SetAttr")
    assert not [kind for kind in kinds if f"{kind}(" in written or f"{kind}[" in written]


def test_an_object_of_the_model_is_read_by_no_code_of_its_own(tmp_path: Path) -> None:
    captured = _captured("an object that is an attribute", tmp_path)

    scales = [node.arguments.get("other") for node in captured.graph.nodes()]

    assert {0.5, 2} <= {scale for scale in scales if isinstance(scale, (int, float))}
