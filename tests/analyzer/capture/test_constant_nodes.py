"""What a capture without weights calls a constant is one that a capture with weights computes."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import SampleInput

from nnapi_check import InputError, check, convert
from nnapi_check.analyzer.capture import normal_form
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import NodeOutput
from nnapi_check.analyzer.ops import allowed_ops
from nnapi_check.analyzer.ops.allowed_names import PRIVATE_OPS
from nnapi_check.analyzer.ops.bounded_calls import Bounds


class OfBuffers(torch.nn.Module):
    """Calls an op on tensors that the module holds, and adds an element of what it gives to the input."""

    def __init__(self, op: Callable[..., Any], sample: SampleInput) -> None:
        super().__init__()
        self.op = op
        self.arguments = [self._hold(item) for item in (sample.input, *sample.args)]
        self.options = {name: self._hold(item) for name, item in sample.kwargs.items()}

    def _hold(self, item: object) -> Callable[[], object]:
        if isinstance(item, torch.Tensor):
            name = f"held{len(list(self.buffers()))}"
            self.register_buffer(name, item.detach().clone())
            return lambda: getattr(self, name)
        if isinstance(item, (list, tuple)) and not hasattr(item, "_fields"):
            parts = [self._hold(part) for part in item]
            return lambda: type(item)(part() for part in parts)
        return lambda: item

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: Any = self.op(*[item() for item in self.arguments], **{k: item() for k, item in self.options.items()})
        first = found[0] if isinstance(found, (list, tuple)) else found
        return x + torch.view_as_real(first.reshape(-1)[:1]) if first.is_complex() else x + first.reshape(-1)[:1]


def modules() -> Iterator[torch.jit.ScriptModule]:
    for op in op_db:
        # PyTorch traces neither every op nor every sample.
        with suppress(Exception):
            sample = next(iter(op.sample_inputs("cpu", torch.float32)))  # type: ignore[no-untyped-call]  # as below
            module = OfBuffers(op, sample).eval()
            yield torch.jit.trace(module, torch.ones(1), check_trace=False)  # type: ignore[no-untyped-call]


@pytest.mark.filterwarnings("ignore")
def test_every_constant_of_pytorchs_own_ops_can_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    # PyTorch would compute these small ones when it freezes the module; of large ones nobody has.
    monkeypatch.setattr(normal_form, "_WHEN_FROZEN", Bounds(0, 1 << 26))
    constants = 0
    for module in modules():
        plan = capture(module, [torch.ones(1)], weights=False).graph
        captured = capture(module, [torch.ones(1)], weights=True)
        assert [value.is_constant for value in plan.values] == [value.is_constant for value in captured.graph.values]
        for value in captured.graph.values:
            if value.is_constant:
                constants += isinstance(value.origin, NodeOutput)
                # What cannot be computed raises.
                captured.tensor(value.id)
    assert constants > 1000


class InvertedWeight(torch.nn.Module):
    """A layer whose weight is the inverse of a parameter."""

    def __init__(self, start: torch.Tensor) -> None:
        super().__init__()
        self.start = torch.nn.Parameter(start)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, torch.linalg.inv(self.start))


def test_what_a_call_of_a_refused_op_is_part_of_is_no_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowed_ops, "PRIVATE_OPS", PRIVATE_OPS - {"aten::_linalg_check_errors"})
    for weights in (False, True):
        graph = capture(InvertedWeight(torch.eye(5)), [torch.ones(2, 5)], weights=weights).graph
        assert [(node.op, node.is_constant) for node in graph.nodes()] == [
            ("aten.linalg_inv.default", False),
            ("aten.linear.default", False),
        ]


@pytest.mark.parametrize("target", ["pytorch-mobile", "ndk"])
def test_a_weight_that_linear_algebra_computes_converts(target: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, inputs = InvertedWeight(torch.randn(5, 5) + 5 * torch.eye(5)), [torch.randn(2, 5)]
    assert check(model, inputs, feature_level=3, target=target, requires_ready=True).gate.is_passed
    made = convert(model, tmp_path / "out", inputs, feature_level=3, target=target)
    assert made.verification is not None
    assert made.verification.is_within_tolerance


@pytest.mark.parametrize("target", ["pytorch-mobile", "ndk"])
def test_a_weight_that_cannot_be_computed_is_told_with_its_place(target: str, tmp_path: Path) -> None:
    model, inputs = torch.jit.script(InvertedWeight(torch.zeros(5, 5)).eval()), [torch.randn(2, 5)]
    with pytest.raises(InputError, match=r"fails in aten.linalg_inv.* at .*test_constant_nodes.*singular"):
        convert(model, tmp_path / "out", inputs, feature_level=3, target=target)


@pytest.mark.parametrize("layout", ["coo", "csr", "mkldnn"])
def test_a_constant_of_another_layout_is_left_to_pytorch(layout: str) -> None:
    class Sparse(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            dense = torch.eye(3)
            self.held: torch.Tensor
            match layout:
                case "coo":
                    self.register_buffer("held", dense.to_sparse())
                case "csr":
                    self.register_buffer("held", dense.to_sparse_csr())
                case _:
                    self.register_buffer("held", dense.to_mkldnn())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x) + self.held.to_dense()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = capture(Sparse().eval(), [torch.ones(3, 3)], weights=True).graph
    assert [node.op for node in graph.nodes()] == ["aten.sigmoid.default", "aten.to_dense.default", "aten.add.Tensor"]
    assert not any(value.is_constant for value in graph.values)
