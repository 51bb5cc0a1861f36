"""Quantized models are read however many weights they hold: what freezing unpacks is no constant made anew."""

import pytest
import torch
from torch.ao.nn import quantized

from nnapi_check.analyzer.capture import normal_form
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.ops.bounded_calls import Bounds

CONVOLUTIONS = 3


@pytest.mark.parametrize("is_per_channel", [False, True])
def test_packed_weights_are_no_constants_to_compute(is_per_channel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.rand(64, 64, 3, 3) - 0.5
    layers = []
    for _ in range(CONVOLUTIONS):
        layer = quantized.Conv2d(64, 64, 3)  # type: ignore[no-untyped-call]  # as below
        scales = torch.full((64,), 0.01, dtype=torch.float64)
        held = (
            torch.quantize_per_channel(weight, scales, torch.zeros(64, dtype=torch.int64), 0, torch.qint8)
            if is_per_channel
            else torch.quantize_per_tensor(weight, 0.01, 0, torch.qint8)
        )
        layer.set_weight_bias(held, torch.zeros(64))
        layers.append(layer)
    x = torch.quantize_per_tensor(torch.rand(1, 64, 9, 11), 0.1, 3, torch.quint8)
    model = torch.jit.trace(torch.nn.Sequential(*layers).eval(), x)  # type: ignore[no-untyped-call]  # it has no types
    monkeypatch.setattr(normal_form, "_WHEN_FROZEN", Bounds(1 << 24, weight.numel()))
    graph = capture(model, [x], weights=False).graph
    assert [node.op for node in graph.nodes()] == ["quantized.conv2d.new"] * CONVOLUTIONS
