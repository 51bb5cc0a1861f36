"""Schemas of ops, from how the code of a TorchScript archive calls them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.analyzer.files.missing_ops.program_calls import OpName
from nnapi_check.analyzer.files.missing_ops.script_calls import called_in_code, schemas_in_code

MIX = OpName("mylib", "mix", "default")
MOVE = OpName("mylib", "move", "default")


def code(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"class M(Module):\n  def forward(self,\n    x: Tensor) -> Tensor:\n{body}"


def schema(*lines: str) -> str | None:
    found = schemas_in_code([code(*lines)], [MIX])
    return None if found is None else found[MIX]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("y = ops.mylib.mix(x)",), "Tensor"),
        (("return torch.relu(ops.mylib.mix(x))",), "Tensor"),
        (("y, z = ops.mylib.mix(x)",), "(Tensor, Tensor)"),
        (("y, z = ops.mylib.mix(x)", "a, b, = z", "return torch.add(y, a)"), "(Tensor, Tensor[])"),
        (("y, z = ops.mylib.mix(x)", "a, b = ops.mylib.mix(y)", "return b[0]"), "(Tensor, Tensor[])"),
        (("y, z, = ops.mylib.mix(x)",), "Tensor[]"),
        (("y, = ops.mylib.mix(x)",), "Tensor[]"),
        (("y = ops.mylib.mix(x)", "return torch.add(y[0], y[1])"), "Tensor[]"),
        (("return torch.relu((ops.mylib.mix((x)))[0])",), "Tensor[]"),
        (("ops.mylib.mix(x)",), "()"),
    ],
)
def test_what_an_op_gives_is_told_by_how_it_is_taken_apart(lines: tuple[str, ...], wanted: str) -> None:
    found = schema(*lines)

    assert found is not None
    assert found.partition(" -> ")[2] == wanted


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        (("ops.mylib.mix()",), ""),
        (("ops.mylib.mix(x, )",), "Any? input0=None"),
        (
            ("ops.mylib.mix(torch.add(x, x), [1, 2], (3, {4: 5}))",),
            "Any? input0=None, Any? input1=None, Any? input2=None",
        ),
        (('ops.mylib.mix(x, "),(")',), "Any? input0=None, Any? input1=None"),
        (("ops.mylib.mix(x, by=0.5)", "ops.mylib.mix(x, to=[1])"), "Any? input0=None, *, Any? by=None, Any? to=None"),
        (("ops.mylib.mix(x)", "ops.mylib.mix(x, x)"), "Any? input0=None, Any? input1=None"),
        (("ops.mylib.mix(torch.eq(x, x), x == 1)",), "Any? input0=None, Any? input1=None"),
    ],
)
def test_an_op_takes_as_much_as_any_call_gives_it(calls: tuple[str, ...], wanted: str) -> None:
    assert schema(*(f"y = {call}" for call in calls)) == f"mix({wanted}) -> Tensor"


def test_brackets_behind_the_same_name_in_another_function_are_another_value() -> None:
    other = "  def other(self, y: List[Tensor]) -> Tensor:\n    return y[0]\n"

    found = schemas_in_code([code("y = ops.mylib.mix(x)") + other], [MIX])

    assert found == {MIX: "mix(Any? input0=None) -> Tensor"}


def test_calls_that_take_results_otherwise_tell_no_schema() -> None:
    assert schema("y = ops.mylib.mix(x)", "a, b = ops.mylib.mix(y)") is None


def test_every_op_is_found_in_every_file_and_those_of_torch_are_left_out() -> None:
    first = code("y = ops.mylib.mix(ops.mylib.move(x))", "z = torch.relu(y)", "w = self.ops.mylib.other(z)")
    wanted: Mapping[OpName, str] = {MIX: "mix(Any? input0=None) -> Tensor", MOVE: "move(Any? input0=None) -> Tensor"}

    found = called_in_code([first, code("y = ops.other.op(x)")])

    assert found == {MIX, MOVE, OpName("other", "op", "default")}
    assert schemas_in_code([first], [MIX, MOVE]) == wanted


PIECES = st.sampled_from(
    [
        "ops.mylib.mix(",
        "ops.mylib.move(",
        "x",
        "y",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        '"',
        '"),("',
        "by=",
        "y, = ",
        "y, z = ",
        "[0]",
        "1",
        "None",
        ":",
        "\\",
        "'",
        "=",
        ", ",
        " = ",
        "\n    ",
        "\n  def f(",
        "\xe9",
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_whatever_stands_in_code_tells_schemas_of_the_ops_that_it_calls_or_none(text: str) -> None:
    ops = called_in_code([text])

    found = schemas_in_code([text], ops)

    assert found is None or set(found) == ops
    for op, schema in (found or {}).items():
        assert torch._C.parse_schema(f"{op.space}::{schema}").name == str(op)
