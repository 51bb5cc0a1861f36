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


def test_a_loop_without_lists_stays_a_loop() -> None:
    body = "for t in range(x.size(0)):\n    x = x * 0.5 + t\nreturn x"

    assert "prim.Loop" in {node.op for node in captured_program(body, **INPUTS).graph.nodes()}
