"""Programs whose constants, or whose calls, double line by line are refused in one sentence, from Python as well."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.errors import InputError

LINES = 40
DOUBLING = {
    "list": ("[1, 2]", "torch.add($, $)", "torch.mul(x, $[0])"),
    "list of lists": ("[[1], [2]]", "torch.add($, $)", "torch.mul(x, $[0][0])"),
    "list of inputs": ("[x]", "torch.add($, $)", "torch.mul(x, torch.len($))"),
    "slices": ("[1, 2]", "torch.add(torch.slice($), torch.slice($))", "torch.mul(x, $[0])"),
    "formatted text": ('"ab"', 'torch.format("{}{}", $, $)', "torch.mul(x, torch.len($))"),
    "joined text": ('"ab"', "torch.join($, [$, $])", "torch.mul(x, torch.len($))"),
}


class Same(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def crafted(path: Path, body: Sequence[str], methods: str = "") -> Path:
    """An archive whose code no front end has compiled, for that would compute the constants already."""
    script: Callable[[nn.Module], torch.jit.ScriptModule] = torch.jit.script
    written = io.BytesIO()
    torch.jit.save(script(Same()), written)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(".py"):
                head = data.decode().partition("    return x")[0]
                data = (head + "".join(f"    {line}\n" for line in body) + methods).encode()
            if not name.endswith(".debug_pkl"):
                new.writestr(name, data)
    return path


def doubled(first: str, step: str, result: str, lines: int) -> list[str]:
    steps = [f"a{line + 1} = {step.replace('$', f'a{line}')}" for line in range(lines)]
    return [f"a0 = {first}", *steps, f"return {result.replace('$', f'a{lines}')}"]


def calling_twice(depth: int) -> str:
    head = "  def {}(self: __torch__.{},\n    x: Tensor) -> Tensor:\n    return {}\n"
    kind = f"{Same.__module__}.Same"
    methods = head.format("f0", kind, "torch.add(x, 1)")
    for level in range(1, depth + 1):
        methods += head.format(f"f{level}", kind, f"(self).f{level - 1}((self).f{level - 1}(x, ), )")
    return methods


@pytest.mark.parametrize("name", DOUBLING)
def test_what_doubles_line_by_line_is_refused(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", doubled(*DOUBLING[name], LINES))

    with pytest.raises(InputError, match=r"makes a list or text of more than 4,194,304 elements"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


def test_list_that_takes_itself_in_is_refused(tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", ["a = [1, 2]", *["torch.extend(a, a)"] * LINES, "return torch.mul(x, a[0])"])

    with pytest.raises(InputError, match="makes a list or text"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


def test_methods_that_call_twice_what_calls_twice_are_refused(tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", [f"return (self).f{LINES}(x, )"], calling_twice(LINES))

    with pytest.raises(InputError, match="calls its methods so often"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


@pytest.mark.parametrize("name", DOUBLING)
def test_what_doubles_a_few_times_is_answered(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", doubled(*DOUBLING[name], 4))

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).readiness


def test_methods_that_call_twice_a_few_times_are_answered(tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", ["return (self).f4(x, )"], calling_twice(4))

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).readiness
