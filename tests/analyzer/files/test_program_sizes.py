"""Tests of `program_sizes`: what is captured of an exported program computes what the program does at other sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.errors import InputError
from tests.torch_releases import since

Tensor = torch.Tensor


class Called(torch.nn.Module):
    """A function as a module."""

    def __init__(self, call: Callable[..., object]) -> None:
        super().__init__()
        self.call = call
        self.states = torch.nn.Parameter(torch.arange(96.0).reshape(24, 4))

    def forward(self, x: Tensor) -> object:
        """The function of the input and of a table of 24 rows."""
        return self.call(x, self.states)


def halves(x: Tensor, _: Tensor) -> Tensor:
    return x.mean().expand((x.shape[1] + x.shape[0]) // 2 + 2) * x.shape[0]


def positions(x: Tensor, table: Tensor) -> Tensor:
    return x + table[: x.shape[1]]


def heads(x: Tensor, _: Tensor) -> Tensor:
    rows, length, _width = x.shape
    return x.view(rows, length, 2, 2).transpose(1, 2).reshape(rows * 2, length * 2)


def masked(x: Tensor, _: Tensor) -> Tensor:
    length = x.shape[1]
    later = torch.ones(length, length).triu(1).bool()
    return torch.softmax((x @ x.transpose(1, 2)).masked_fill(later, -1e9), -1)


def counted(x: Tensor, _: Tensor) -> Tensor:
    return x + torch.arange(x.shape[1], dtype=torch.float32)[:, None] / (x.shape[1] + 3)


def padded(x: Tensor, _: Tensor) -> Tensor:
    return torch.nn.functional.pad(x, (0, 0, 0, x.shape[1] % 4 + 1), value=0.5)


def larger(x: Tensor, _: Tensor) -> Tensor:
    return x.new_full((torch.sym_max(x.shape[0], x.shape[1]), torch.sym_min(x.shape[0], 4)), 2.0) + x.sum()


def resized(x: Tensor, _: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(x[:, None], size=(x.shape[1] * 2, 6), mode="nearest")


def two_results(x: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
    return x.expand(3, *x.shape).sum(0), x.reshape(-1)


FUNCTIONS = (
    *(halves, positions, heads, masked, padded, two_results),
    pytest.param(counted, marks=since("2.6", "such a table of positions is exported for sizes that vary")),
    pytest.param(larger, marks=since("2.7", "the greater of two sizes may vary")),
    pytest.param(resized, marks=since("2.7", "the new size of an image may vary")),
)


def exported(call: Callable[..., object], path: Path, *, is_decomposed: bool = False) -> torch.export.ExportedProgram:
    dims = {0: torch.export.Dim("rows", min=2, max=9), 1: torch.export.Dim("length", min=3, max=20)}
    program = torch.export.export(Called(call), (torch.rand(3, 8, 4),), dynamic_shapes={"x": dims})
    if is_decomposed:
        program = program.run_decompositions()
    torch.export.save(program, path)
    return program


def outputs(captured: Captured, *given: Tensor) -> list[Tensor]:
    function = torch._C._create_function_from_graph("forward", captured.original.copy())
    found = function(captured.module, *given)
    return [found] if isinstance(found, Tensor) else list(found)


@pytest.mark.parametrize("is_decomposed", [False, True])
@pytest.mark.parametrize("call", FUNCTIONS)
def test_what_is_captured_computes_the_program_at_other_sizes(
    call: Callable[..., object], is_decomposed: bool, tmp_path: Path
) -> None:
    program = exported(call, tmp_path / "model.pt2", is_decomposed=is_decomposed)

    captured = capture(tmp_path / "model.pt2", weights=True)

    assert not captured.notes
    for shape in ((3, 8, 4), (2, 11, 4), (7, 3, 4), (9, 20, 4)):
        x = torch.rand(shape)
        wanted = program.module()(x)
        for found, other in zip(outputs(captured, x), [wanted] if isinstance(wanted, Tensor) else wanted, strict=True):
            assert found.dtype == other.dtype
            torch.testing.assert_close(found, other)


@pytest.mark.parametrize("call", FUNCTIONS)
def test_sizes_of_the_inputs_that_are_given_are_those_that_are_judged(
    call: Callable[..., object], tmp_path: Path
) -> None:
    exported(call, tmp_path / "model.pt2")

    captured = capture(tmp_path / "model.pt2", ["f32[5,6,4]"], weights=False)

    assert [kind.shape for kind in captured.input_types] == [(5, 6, 4)]
    kinds = [captured.graph.tensor_type(value) for value in captured.graph.body.outputs]
    made = Called(call)(torch.rand(5, 6, 4))
    assert [kind and kind.shape for kind in kinds] == [x.shape for x in ([made] if isinstance(made, Tensor) else made)]


def test_the_user_s_line_is_told_of_ops_that_take_sizes(tmp_path: Path) -> None:
    exported(heads, tmp_path / "model.pt2")

    captured = capture(tmp_path / "model.pt2", weights=False)

    views = [node for node in captured.graph.nodes() if node.op in ("aten.view.default", "aten.reshape.default")]
    assert views
    assert {Path(node.source.file or "").name for node in views} == {Path(__file__).name}


@since("2.6", "a program keeps the names of its inputs")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("f32[1,8,4]", "x.0 is 1; the program takes 2 to 9 there"),
        ("f32[3,21,4]", "x.1 is 21; the program takes 3 to 20 there"),
        ("f32[3,8,5]", "x.2 is 5, and the program was exported for 4 alone"),
        ("f32[3,8]", "'x' has 2 dimensions; the program takes 3"),
    ],
)
def test_shapes_that_a_program_does_not_take_are_refused(given: str, told: str, tmp_path: Path) -> None:
    exported(halves, tmp_path / "model.pt2")

    with pytest.raises(InputError, match=told):
        capture(tmp_path / "model.pt2", [given], weights=False)


def test_a_program_whose_sizes_no_trace_follows_is_for_its_own_sizes_and_says_so(tmp_path: Path) -> None:
    def measured(x: Tensor, _: Tensor) -> tuple[Tensor, int]:
        return x + 1, x.shape[1]

    exported(measured, tmp_path / "model.pt2")

    captured = capture(tmp_path / "model.pt2", weights=False)

    assert any("no trace can follow" in note for note in captured.notes)
    assert [shape.sizes for shape in captured.taken] == [(3, 8, 4)]


def test_sizes_that_hang_together_are_asked_for_together() -> None:
    half = torch.export.Dim("half", min=2, max=10)
    program = torch.export.export(
        Together(), (torch.rand(3, 8), torch.rand(8)), dynamic_shapes={"x": {1: 2 * half}, "y": {0: 2 * half}}
    )
    from nnapi_check import check

    assert check(program, ["f32[3,12]", "f32[12]"], feature_level=4).score == 100
    with pytest.raises(InputError, match=r"y\.0 is 8; the program takes 12 beside the other sizes"):
        check(program, ["f32[3,12]", "f32[8]"], feature_level=4)
    with pytest.raises(InputError, match=r"x\.1 is 9; the program takes .* of whole numbers"):
        check(program, ["f32[3,9]", "f32[9]"], feature_level=4)


class Together(torch.nn.Module):
    """A sum of two tensors, of which one has a row."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum."""
        return x + y
