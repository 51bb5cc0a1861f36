"""Writes inside branches and loops become ops that return new tensors where nobody else reads what is overwritten."""

import pytest
import torch

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import DynamicType
from tests.analyzer.judging.written_programs import captured_program, program


def made(body: str) -> str:
    """A program that computes two tensors, and writes to them as the text says."""
    return "y = x * 2\nz = x * 3\n" + body.replace("TURNS:", "for t in range(int(n)):")


CARRIED = {
    "a tensor from outside": "TURNS:\n    y.add_(x)\nreturn y",
    "one that the program assigns": "TURNS:\n    y += x\nreturn y",
    "a part at a place of the run": "TURNS:\n    y[t % 3] = x[0] * 0.5\nreturn y",
    "a part of a part": "TURNS:\n    y[:, t % 7] *= 0.5\nreturn y",
    "a part of what has no other use": "y = torch.zeros_like(x)\nTURNS:\n    y[t % 3] += x[0]\nreturn y",
    "a reshaped tensor": "TURNS:\n    y.view(-1)[t] = 0.25\nreturn y",
    "two loops": "TURNS:\n    for k in range(t):\n        y.mul_(0.5)\n    y[0] = z[1]\nreturn y",
    "a branch": "if bool(x.sum() > 0):\n    y.add_(1.0)\nelse:\n    z.mul_(0.5)\nreturn y, z",
    "branches in one another": "if bool(x.sum() > -99):\n    if bool(x.sum() > 99):\n        y.fill_(0.25)\n    else:\n"
    "        y[2] = 0.5\nreturn y",
    "a branch in a loop": "TURNS:\n    if bool(y.sum() > 0):\n        y[t % 3] = x[0]\n    else:\n"
    "        y.mul_(0.75)\n    y.add_(0.5)\nreturn y",
    "a value that each turn computes": "TURNS:\n    w = x * t\n    w[0] = 0.5\n    y = y + w\nreturn y",
    "what the turn read before": "TURNS:\n    z = z + y[1]\n    y[1] = z[0]\nreturn y, z",
    "a part that a turn reads as well": "w = torch.zeros_like(x)\nTURNS:\n    z = z + w\n    w[0][0] = 0.5\nreturn z",
    "after a loop": "TURNS:\n    y[t % 3] = 0.5\ny.mul_(2.0)\nreturn y",
    "before a loop": "y.mul_(2.0)\nTURNS:\n    z = z + y\nreturn z",
}
"""Programs whose writes nobody sees but those who read the tensor by its name."""

SEEN = {
    "a view from before": "v = y[0]\nTURNS:\n    y.add_(1.0)\nreturn y, v",
    "a view that a turn reads": "v = y[0]\nTURNS:\n    z = z + v\n    y.add_(1.0)\nreturn y, z",
    "another name in the next turn": "TURNS:\n    y.add_(1.0)\n    x = x + z\n    z = y\nreturn x, z",
    "names that are exchanged": "TURNS:\n    w = y\n    y = z\n    z = w\n    z.add_(1.0)\nreturn y, z",
    "a name from one way": "w = y if bool(x.sum() > 0) else z\nTURNS:\n    w.add_(1.0)\nreturn y, z, w",
    "what begins each turn anew": "TURNS:\n    w = y\n    for k in range(2 + t):\n        w += 1.0\n    z = z + w\n"
    "return z",
    "the caller": "TURNS:\n    x += 1\nreturn x * 1",
    "the caller, by a part": "if bool(x.sum() > 0):\n    x[0] = 0.5\nreturn x * 1",
    "what lies otherwise after a turn": "v = x.t() * 0.5\nw = x.t() * 1.0\nTURNS:\n    w = torch.maximum(v, v)\n"
    "    v = v.softmax(-1)\nw = w + 0.5\nw.flatten().mul_(0.5)\nreturn w",
    "what lies as a branch says": "w = x.t() * 1.0 if bool(x.sum() > 0) else x.t().softmax(-1)\n"
    "w.reshape(-1).mul_(0.5)\nreturn w",
    "a list": "held = [y, z]\nTURNS:\n    y.add_(1.0)\nreturn held[int(n) % 2] * 1",
}
"""Programs in which something else reads what is overwritten."""


def written(captured: Captured) -> list[str]:
    """The ops of the graph that write in place."""
    return [node.op for node in captured.graph.nodes() if node.op.split(".")[1].endswith("_")]


def outcomes(call: torch.jit.ScriptModule | Captured) -> list[torch.Tensor]:
    """What runs of several lengths and signs give, and leave in their inputs."""
    found: list[torch.Tensor] = []
    generator = torch.Generator().manual_seed(7)
    for turns in (0, 1, 2, 5):
        for sign in (1.0, -1.0):
            x, n = sign * torch.rand(3, 7, generator=generator), torch.tensor(turns)
            if isinstance(call, Captured):
                run = torch._C._create_function_from_graph("forward", call.torch_graph)
                result = run(call.module, x, n)
            else:
                result = call(x, n)
            found += [*(result if isinstance(result, tuple) else (result,)), x]
    return found


@pytest.mark.parametrize("body", CARRIED.values(), ids=CARRIED)
def test_a_write_that_nobody_else_sees_is_carried(body: str) -> None:
    captured = captured_program(made(body))

    assert written(captured) == []
    pairs = zip(outcomes(captured), outcomes(program(made(body))), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("body", SEEN.values(), ids=SEEN)
def test_a_write_that_others_see_stays_in_place(body: str) -> None:
    captured = captured_program(made(body))

    assert written(captured) != []
    pairs = zip(outcomes(captured), outcomes(program(made(body))), strict=True)
    assert all(torch.equal(left, right) for left, right in pairs)


def test_what_had_no_known_shape_before_a_write_is_told_by_that() -> None:
    captured = captured_program(made("w = x[x > 0.5]\nv = w.view(-1)\nTURNS:\n    w.add_(1.0)\nreturn v * 2, w * 3"))

    unknown = [value.type for value in captured.graph.values if isinstance(value.type, DynamicType)]
    assert written(captured) == ["aten.add_.Scalar"]
    assert {kind.op for kind in unknown} == {"aten.index.Tensor"}
