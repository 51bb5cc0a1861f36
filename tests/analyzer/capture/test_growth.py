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
}
READ_DOUBLING = {
    "formatted text": ('"ab"', 'torch.format("{}{}", $, $)', "torch.mul(x, torch.len($))"),
    "added text": ('"ab"', "torch.add($, $)", "torch.mul(x, torch.len($))"),
    "joined text": ('"ab"', "torch.join($, [$, $])", "torch.mul(x, torch.len($))"),
    "replaced text": ('"ab"', 'torch.replace($, "b", $)', "torch.mul(x, torch.len($))"),
    "tuples": ("(x, x)", "($, $)", "torch.mul(x, 2)"),
    "tuples in lists": ("(x, x)", "([$], [$])", "torch.mul(x, 2)"),
}
"""What PyTorch's front end computes while it reads the code."""

CALLED = ("the functions of a module", "the methods of a class", "a module's own methods")


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


def calling_twice(path: Path, depth: int, kind: str) -> Path:
    """An archive in which each function or method calls the one before twice."""
    owner = f"__torch__.{Same.__module__}.Same"
    here = f"__torch__.{Same.__module__}"
    indentation, first, call, before = {
        "the functions of a module": ("", "", f"{here}.f", ""),
        "the methods of a class": ("  ", f"self: {here}.Held,\n    ", "(self).f", "class Held:\n"),
        "a module's own methods": ("  ", f"self: {owner},\n    ", "(self).f", ""),
    }[kind]
    body = "torch.add(x, 1)"
    defined = before
    for level in range(depth + 1):
        defined += f"{indentation}def f{level}({first}x: Tensor) -> Tensor:\n{indentation}  return {body}\n"
        body = f"{call}{level}({call}{level}(x, ), )"
    run = {
        "the functions of a module": [f"return {here}.f{depth}(x, )"],
        "the methods of a class": [f"c = {here}.Held.__new__({here}.Held)", f"return (c).f{depth}(x, )"],
        "a module's own methods": [f"return (self).f{depth}(x, )"],
    }[kind]
    return crafted(path, run, defined)


def looped(body: Sequence[str], counts: Sequence[int]) -> list[str]:
    heads = ["  " * depth + f"for i{depth} in range({count}):" for depth, count in enumerate(counts)]
    return [*heads, *("  " * len(counts) + line for line in body)]


@pytest.mark.parametrize("name", DOUBLING)
def test_what_doubles_line_by_line_is_refused(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", doubled(*DOUBLING[name], LINES))

    with pytest.raises(InputError, match=r"makes a list or text of more than 4,194,304 elements"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


def test_list_that_takes_itself_in_is_refused(tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", ["a = [1, 2]", *["torch.extend(a, a)"] * LINES, "return torch.mul(x, a[0])"])

    with pytest.raises(InputError, match="makes a list or text"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


@pytest.mark.parametrize("name", READ_DOUBLING)
def test_what_doubles_while_the_code_is_read_is_refused(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", doubled(*READ_DOUBLING[name], LINES))

    with pytest.raises(InputError, match=r"joins texts to more than 16,777,216|tuples in one another of more than"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


@pytest.mark.parametrize(
    "body",
    [["a = $", "return torch.mul(x, torch.len(a))"], ["return torch.mul(x, torch.len($))"]],
    ids=["a line of its own", "inside a call"],
)
@pytest.mark.parametrize("op", ["zfill", "ljust", "rjust", "center"])
def test_text_that_is_padded_is_refused(op: str, body: Sequence[str], tmp_path: Path) -> None:
    padded = f'torch.{op}("a", 3000000000)'
    path = crafted(tmp_path / "model.pt", [line.replace("$", padded) for line in body])

    with pytest.raises(InputError, match="pads texts"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


@pytest.mark.parametrize("name", DOUBLING)
def test_what_doubles_step_by_step_of_a_loop_is_refused(name: str, tmp_path: Path) -> None:
    first, step, result = DOUBLING[name]
    body = [f"a = {first}", *looped([f"a = {step.replace('$', 'a')}"], [LINES]), f"return {result.replace('$', 'a')}"]
    path = crafted(tmp_path / "model.pt", body)

    with pytest.raises(InputError, match="makes a list or text of more than"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


def test_loops_in_loops_that_are_written_down_too_often_are_refused(tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", [*looped(["x = torch.sin(x)"], [9] * 8), "return x"])

    with pytest.raises(InputError, match="functions and loops come to more than 262,144 calls"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


def test_loops_in_loops_of_a_few_steps_are_answered(tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", [*looped(["x = torch.sin(x)"], [3, 4]), "return x"])

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).nodes_total == 12


@pytest.mark.parametrize("kind", CALLED)
def test_what_calls_twice_what_calls_twice_is_refused(kind: str, tmp_path: Path) -> None:
    path = calling_twice(tmp_path / "model.pt", LINES, kind)

    with pytest.raises(InputError, match="functions and loops come to more than 262,144 calls"):
        nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)


@pytest.mark.parametrize("kind", CALLED)
def test_what_calls_twice_a_few_times_is_answered(kind: str, tmp_path: Path) -> None:
    path = calling_twice(tmp_path / "model.pt", 4, kind)

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).nodes_total == 16


@pytest.mark.parametrize("name", ["tensor_split(x, 1000000000)", "unbind(torch.ones([50000000]))"])
def test_op_that_splits_into_very_many_tensors_is_left_on_the_cpu(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", [f"a = torch.{name}", "return torch.mul(x, torch.len(a))"])

    report = nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8)

    assert report.nodes_on_nnapi < report.nodes_total


@pytest.mark.parametrize("name", DOUBLING)
def test_what_doubles_a_few_times_is_answered(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", doubled(*DOUBLING[name], 4))

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).readiness


@pytest.mark.parametrize("name", READ_DOUBLING)
def test_what_doubles_a_few_times_while_the_code_is_read_is_answered(name: str, tmp_path: Path) -> None:
    path = crafted(tmp_path / "model.pt", doubled(*READ_DOUBLING[name], 2))

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).readiness


def test_tuples_that_are_taken_apart_and_made_anew_are_answered(tmp_path: Path) -> None:
    steps = [line for k in range(LINES) for line in (f"b{k}, c{k}, = a{k}", f"a{k + 1} = (c{k}, b{k})")]
    path = crafted(tmp_path / "model.pt", ["a0 = (x, x)", *steps, f"d, e, = a{LINES}", "return torch.add(d, e)"])

    assert nnapi_check.check(path, inputs=[torch.rand(2, 3)], feature_level=8).readiness
