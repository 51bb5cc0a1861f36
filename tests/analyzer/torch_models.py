"""Small modules and files that the tests of capture share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import Node, TensorType
from nnapi_check.analyzer.tensor_types import tensor_type
from nnapi_check.analyzer.torchscript import trace

Function = Callable[[torch.Tensor], torch.Tensor]


class Called(nn.Module):
    """A function of one tensor as a module."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Small(nn.Module):
    """Two convolutions with everything between them that a network has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0))
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(torch.relu(self.norm(self.first(x))))
        return y.flatten(1)


def traced_file(folder: Path, module: nn.Module, *inputs: torch.Tensor) -> Path:
    path = folder / "model.pt"
    torch.jit.save(trace(module.eval(), inputs), str(path))
    return path


def scripted_file(folder: Path, module: nn.Module) -> Path:
    path = folder / "scripted.pt"
    torch.jit.save(torch.jit.script(module.eval()), str(path))
    return path


def computed_types(captured: Captured) -> dict[int, TensorType]:
    """The types of the values at the top of a graph as a run of PyTorch's own interpreter gives them."""
    copy = captured.torch_graph.copy()
    twins: dict[int, torch._C.Value] = {}
    for node, other in zip(captured.torch_graph.nodes(), copy.nodes(), strict=True):
        twins.update((a.unique(), b) for a, b in zip(node.outputs(), other.outputs(), strict=True))
    wanted = {
        number: twins[value.unique()]
        for number, value in enumerate(captured.torch_values)
        if value.unique() in twins and value.type().kind() == "TensorType"
    }
    for _ in list(copy.outputs()):
        copy.eraseOutput(0)
    for value in wanted.values():
        copy.registerOutput(value)
    copy.makeMultiOutputIntoTuple()
    run = torch._C._create_function_from_graph("forward", copy)
    with torch.no_grad():
        found = run(captured.module, *captured.input_layout.arguments(captured.example_inputs))
    return {number: tensor_type(tensor) for number, tensor in zip(wanted, found, strict=True)}


def ops(captured: Captured) -> list[str]:
    """The ops of a graph's nodes, in order."""
    return [node.op for node in captured.graph.nodes()]


def output_types(captured: Captured) -> list[object]:
    """The types of a graph's outputs."""
    return [captured.graph.type_of(value) for value in captured.graph.body.outputs]


def node_of(captured: Captured, op: str) -> Node:
    """The first node of an op."""
    return next(node for node in captured.graph.nodes() if node.op == op)
