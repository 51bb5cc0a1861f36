"""Which branches and loops become IF and WHILE, and what is said of those that do not."""

import pytest

from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.analyzer.judging.judge import LEVELS, Judgement
from tests.analyzer.judging.written_programs import emitted_by, failures_of, judged_program
from tests.analyzer.told_reasons import faults

LOOP, BRANCH = "prim.Loop", "prim.If"

ACCEPTED = {
    "a branch on a sum": ("if bool(x.sum() > 0):\n    x = x * 2\nreturn x", {"IF"}),
    "both ways": ("if bool(n > 0):\n    y = x * 2\nelse:\n    y = x + 1\nreturn y", {"IF"}),
    "a loop of counted turns": ("for i in range(int(n)):\n    x = x * 2 + i\nreturn x", {"WHILE"}),
    "a loop with a condition": ("while bool(x.sum() > 1.0):\n    x = x * 0.5\nreturn x", {"WHILE"}),
    "a loop with both": (
        "i = 0\nwhile i < int(n) and bool(x.sum() > 1.0):\n    x = x * 0.5\n    i += 1\nreturn x",
        {"IF", "WHILE"},
    ),
    "a loop that stops inside": (
        "for i in range(int(n)):\n    x = x * 2\n    if bool(x.sum() > 9.0):\n        break\nreturn x",
        {"IF", "WHILE"},
    ),
    "a loop that carries nothing on": ("y = x\nfor i in range(int(n)):\n    y = x + i\nreturn y", {"WHILE"}),
    "a branch that swaps": (
        "y = x * 2\nif bool(n > 0):\n    x, y = y, x\nreturn x, y",
        {"IF"},
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_each_runs_from_level_4_on_and_not_before(name: str) -> None:
    body, kinds = ACCEPTED[name]

    found = judged_program(body)

    emitted = emitted_by(BRANCH, found) | emitted_by(LOOP, found)
    assert emitted & {"IF", "WHILE"} == kinds
    for level in LEVELS:
        verdicts = found.at(level)
        assert all(verdict.is_supported for verdict in verdicts.values()) == (level >= 4)
        assert [fault for verdict in verdicts.values() for fault in faults(verdict, level)] == []


def test_below_level_4_a_higher_one_is_the_fix() -> None:
    (failure,) = failures_of(LOOP, judged_program(ACCEPTED["a loop of counted turns"][0]), level=3)

    assert (failure.reason, failure.wanted) == ("NNC201", "feature level 4 or higher")


def test_the_level_is_that_of_what_stands_inside() -> None:
    found = judged_program(
        "for i in range(int(n)):\n    x = torch.erf(x)\n    if bool(n > 1):\n        x = x * 2\nreturn x"
    )

    inside = max(verdict.level or 0 for verdict in found.at(8).values())
    assert {verdict.level for verdict in found.at(8).values() if verdict.op == LOOP} == {inside}


def the_only(requirement: str, judgement: Judgement, *ops: str) -> Failure:
    """The only failure of this requirement that the branches and loops have."""
    (found,) = {
        failure
        for op in ops or (BRANCH, LOOP)
        for failure in failures_of(op, judgement)
        if failure.requirement == requirement
    }
    return found


def test_a_condition_that_is_no_number_of_the_model_is_refused() -> None:
    found = the_only("condition", judged_program("if float(x.sum()) > float(n) * 0.5:\n    x = x * 2\nreturn x"))

    assert found.found == "a condition that is bool known only at run time"
    assert "one-element tensors" in found.wanted
    assert "bool(x.sum() > 0)" in found.fix


def test_a_number_of_turns_that_is_no_number_of_the_model_is_refused() -> None:
    found = the_only("trip-count", judged_program("for i in range(int(float(n) * 1.5)):\n    x = x * 2\nreturn x"))

    assert found.found == "a number of turns that is int known only at run time"
    assert "one-element tensor" in found.wanted
    assert "int(n)" in found.fix


def test_a_loop_without_an_end_is_refused() -> None:
    found = the_only("end", judged_program("while x.dim() == 2:\n    x = x * 2\nreturn x"))

    assert found.found == "a loop without an end"
    assert found.fix == "Give the loop a condition."


@pytest.mark.parametrize(
    "body",
    [
        "y = x\nfor i in range(int(n)):\n    y = y * 2\nreturn x + 1",
        "y = x\nfor i in range(int(n)):\n    if bool(y.sum() > 9.0):\n        break\n    y = y * 2 + i\nreturn x + 1",
        "y = x\nfor i in range(int(n)):\n    for j in range(i):\n        y = y * 2\nreturn x + 1",
        "y = x\nfor i in range(int(n)):\n    y = y * 2\nz = x\nwhile bool(z.sum() > 1.0):\n    z = z * y\nreturn x + 1",
    ],
)
def test_a_loop_of_which_nothing_is_read_is_left_out(body: str) -> None:
    assert [found.op for found in judged_program(body).at(4).values()] == ["aten.add.Scalar"]


@pytest.mark.parametrize(
    "body",
    [
        "y = x * 2\nv = y[0]\nfor i in range(int(n)):\n    y += 1\nreturn v * 2",
        "y: list[torch.Tensor] = [x]\nfor i in range(int(n)):\n    y.append(x * i)\nreturn y[-1]",
        "for i in range(int(n)):\n    x.add_(1)\nreturn x + 1",
        "for i in range(int(n)):\n    if bool(x.sum() > 9.0):\n        raise ValueError('x')\nreturn x + 1",
    ],
)
def test_a_loop_with_an_effect_stays(body: str) -> None:
    assert LOOP in [found.op for found in judged_program(body).at(4).values()]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("y = [x]\nif bool(n > 0):\n    y.append(x * 2)\nreturn torch.stack(y)", "branch"),
        ("y = [x]\nfor i in range(int(n)):\n    y.append(x * i)\nreturn torch.stack(y)", "loop"),
    ],
)
def test_one_of_which_no_tensor_is_read_is_refused(body: str, kind: str) -> None:
    found = the_only("output", judged_program(body))

    assert found.found == f"a {kind} of which nothing is read"
    assert found.wanted == "a result that the model goes on with"
    assert kind in found.fix


def test_what_stays_on_the_cpu_inside_is_named() -> None:
    found = the_only("inside", judged_program("for i in range(int(n)):\n    x = x + torch.rand_like(x)\nreturn x"))

    assert found.found == "aten.rand_like.default inside, which stays on the CPU"
    assert found.wanted == "a body that NNAPI holds wholly"
    assert "move it out of the loop" in found.fix


def test_what_stands_deeper_inside_is_told_of_the_innermost_and_of_those_around_it() -> None:
    body = "for i in range(int(n)):\n    if bool(n > 1):\n        x = x + torch.rand_like(x)\nreturn x"

    judgement = judged_program(body)

    assert the_only("inside", judgement, BRANCH).found.startswith("aten.rand_like.default")
    assert the_only("inside", judgement, LOOP).found.startswith("prim.If")


@pytest.mark.parametrize(
    "body",
    [
        "for i in range(int(n)):\n    x = torch.cat([x, x])\nreturn x",
        "if bool(n > 0):\n    x = torch.cat([x, x])\nreturn x",
        "if bool(n > 0):\n    y = x\nelse:\n    y = x > 0\nreturn y",
    ],
)
def test_what_changes_its_type_has_no_shape_that_is_known(body: str) -> None:
    found = the_only("static-shape", judged_program(body))

    assert "has no known shape" in found.found
    assert found.wanted == "a shape known before execution"


@pytest.mark.parametrize("statement", ["x[0] = x[1]", "x += 1", "x.mul_(2)", "x[i % 2] = x[2]"])
def test_a_tensor_that_is_overwritten_inside_is_answered(statement: str) -> None:
    found = judged_program(f"y = x * 2\nfor i in range(int(n)):\n    {statement}\nreturn x + y")

    assert all(verdict.is_supported or verdict.failures for verdict in found.at(8).values())
