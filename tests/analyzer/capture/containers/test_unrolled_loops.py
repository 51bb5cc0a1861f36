"""Loops of a known count in which lists grow are written down turn by turn, and compute what they did."""

import pytest
import torch

from nnapi_check.analyzer.capture.containers.unrolled_loops import MAX_UNROLLED
from tests.analyzer.judging.written_programs import captured_program, judged_program, program

INPUTS = {"x": "f32[12,7]", "n": "i64[]"}
NEW = "outs: list[torch.Tensor] = []\nfor t in range(x.size(0)):\n"
GROWN = {
    "append": NEW + "    outs.append(x[t] * t)\nreturn torch.stack(outs)",
    "a state beside it": f"h = x[0]\n{NEW}    h = h * 0.5 + x[t]\n    outs.append(h)\nreturn torch.stack(outs), h",
    "sums of lists": NEW + "    outs = outs + [x[t] * t]\nreturn torch.stack(outs)",
    "added in place": NEW + "    outs += [x[t] * t, x[0]]\nreturn torch.stack(outs)",
    "pieces": "outs: list[torch.Tensor] = []\nfor v in x.unbind(0):\n    outs.append(v * 2)\nreturn torch.stack(outs)",
    "two loops": NEW + "    for k in range(t):\n        outs.append(x[t] * k)\nreturn torch.stack(outs)",
    "a branch": NEW
    + "    h = x[t]\n    if bool(h.sum() > 0):\n        h = h * 2\n    outs.append(h)\nreturn torch.stack(outs)",
    "a loop of the run": NEW
    + "    h = x[t]\n    for k in range(int(n)):\n        h = h * 0.5 + k\n    outs.append(h)\n"
    "return torch.stack(outs)",
    "places": NEW
    + "    outs.insert(0, x[t] * t)\n    outs[0] = outs[len(outs) // 2] + outs[0]\nreturn torch.stack(outs)",
    "a write": f"y = x * 2\n{NEW}    y[t] += 1\n    outs.append(y[t] * 2)\nreturn torch.stack(outs)",
}


@pytest.mark.parametrize("body", GROWN.values(), ids=GROWN)
def test_a_list_that_grows_as_often_as_shapes_say_is_known(body: str) -> None:
    captured = captured_program(body, **INPUTS)

    assert all(verdict.is_supported for verdict in judged_program(body, **INPUTS).at(8).values())
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    for turns in (0, 3):
        x, n = torch.randn(12, 7), torch.tensor(turns)
        found, wanted = run(captured.module, x.clone(), n), program(body)(x.clone(), n)
        pairs = zip(found, wanted, strict=True) if isinstance(found, tuple) else [(found, wanted)]
        assert all(torch.equal(left, right) for left, right in pairs)


@pytest.mark.parametrize(
    "body",
    [
        "outs = [x[0]]\nfor t in range(int(n)):\n    outs.append(x[t] * t)\nreturn torch.stack(outs)",
        NEW + "    if bool(x[t].sum() > 1):\n        break\n    outs.append(x[t] * t)\nreturn torch.stack(outs)",
        f"outs = [x[0]]\nfor t in range({MAX_UNROLLED}):\n    outs.append(x[0] * t)\nreturn torch.stack(outs)",
        "outs = [x[0]]\nif bool(n > 0):\n    for t in range(x.size(0)):\n        outs.append(x[t] * t)\n"
        "return torch.stack(outs)",
    ],
    ids=["a count of the run", "a break", "too many turns", "in a branch"],
)
def test_one_that_a_run_decides_or_that_is_long_stays_a_loop(body: str) -> None:
    assert "prim.Loop" in {node.op for node in captured_program(body, **INPUTS).graph.nodes()}


TURN = "    h = torch.tanh(h * 0.5 + x[t])\n"
START = "h = x[0]\nfor t in range(x.size(0)):\n"
COUNTED = {
    "every turn": f"{START}{TURN}return h",
    "a break": f"{START}    if t >= 5:\n        break\n{TURN}return h",
    "a break behind": f"{START}{TURN}    if t * 2.5 > x.size(1):\n        break\nreturn h",
    "a break by a rounded number": f"{START}    if t > int(x.size(1) * 0.5):\n        break\n{TURN}return h",
    "turns passed over": f"{START}    if t % 3 == 1:\n        continue\n{TURN}return h",
    "an early return": f"{START}{TURN}    if t == 4:\n        return h * 2\nreturn h",
    "a while": f"h = x[0]\nt = 0\nwhile t < x.size(0):\n{TURN}    t += 2\nreturn h",
    "down to a place": f"h = x[0]\nt = x.size(0) - 1\nwhile t > 3 and t != 5:\n{TURN}    t -= 1\nreturn h",
    "until a break": f"h = x[0]\nt = 0\nwhile True:\n{TURN}    t += 1\n    if t == len(x):\n        break\nreturn h",
    "a choice in a tensor": f"{START}    h = torch.where(h.sum() > 1, h, torch.tanh(h * 0.5 + x[t]))\nreturn h",
    "no turn": f"h = x[0]\nt = 20\nwhile t < x.size(0):\n{TURN}    t += 2\nreturn h",
    "loops in loops": f"{START}    for k in range(4):\n        if k > t:\n            break\n        h = h + k\n"
    f"    if t == 2:\n        continue\n{TURN}    if t > 6:\n        return h\nreturn h * 3",
    "a list and a break": f"{NEW}    if t > 7:\n        break\n    if t % 2 == 0:\n        outs.append(x[t] * t)\n"
    "return torch.stack(outs)",
}


@pytest.mark.parametrize("body", COUNTED.values(), ids=COUNTED)
def test_a_loop_whose_turns_hang_on_known_numbers_is_no_loop(body: str) -> None:
    captured = captured_program(body, x="f32[12,7]")

    assert not {"prim.Loop", "prim.If"} & {node.op for node in captured.graph.nodes()}
    assert all(verdict.is_supported for verdict in judged_program(body, x="f32[12,7]").at(3).values())
    x = torch.randn(12, 7)
    run = torch._C._create_function_from_graph("forward", captured.torch_graph)
    assert torch.equal(run(captured.module, x.clone()), program(body, ("x",))(x.clone()))


@pytest.mark.parametrize(
    "body",
    [
        f"{START}{TURN}    if bool(h.sum() > 1):\n        break\nreturn h",
        f"{START}    if bool(h.sum() > 1):\n        continue\n{TURN}return h",
        f"{START}    for k in range(3):\n        if bool(h.sum() > 1):\n            break\n        h = h * 2\n"
        f"{TURN}return h",
        f"{START}{TURN}    if t > int(n):\n        break\nreturn h",
        f"h = x[0]\nt = 0\nwhile bool(h.sum() > 1):\n{TURN}    t += 1\nreturn h",
        f"h = x[0]\nt = 0\nwhile t != {2 * MAX_UNROLLED}:\n    h = h * 0.5\n    t += 1\nreturn h",
        "h = x[0]\nt = 1\nwhile t != 0:\n    h = h * 0.5\n    t = 3 // (t - 1)\nreturn h",
    ],
    ids=[
        "a break by elements",
        "turns passed over by elements",
        "a loop inside with such a break",
        "a break by an input",
        "a while by elements",
        "many turns",
        "a number that is none",
    ],
)
def test_a_loop_that_elements_end_or_many_turns_stays_a_loop(body: str) -> None:
    assert "prim.Loop" in {node.op for node in captured_program(body, **INPUTS).graph.nodes()}


def test_a_long_loop_is_counted_by_its_ops_and_not_by_the_numbers_around_them() -> None:
    checks = "    if x.dim() != 2:\n        raise ValueError('two dimensions')\n" * 8
    body = f"h = x[0]\nfor t in range(600):\n{checks}    h = h * 0.5 + x[t % 3]\nreturn h"

    assert "prim.Loop" not in {node.op for node in captured_program(body, **INPUTS).graph.nodes()}
