"""The numbers of nodes and values."""

import pytest
import torch

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.graph import NodeOutput


class OverwrittenInALoop(torch.nn.Module):
    """Each turn reads what the turn before wrote, which the loop puts out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sums = torch.zeros(3, 5)
        for _ in range(int(x.sum())):
            sums += torch.relu(sums + x)
        return sums * 2


class SortsItsSizes(torch.nn.Module):
    """Sorts a list that no node makes, for its numbers were known until then."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sizes = [3, x.size(0), 1]
        sizes.sort()
        return x * sizes[0]


@pytest.mark.parametrize("model", [OverwrittenInALoop, SortsItsSizes])
def test_every_value_that_a_node_makes_names_that_node(model: type[torch.nn.Module]) -> None:
    module = torch.jit.script(model())
    graph = capture(module, [torch.rand(3, 5)], weights=True).graph
    outputs = {node.id: node.outputs for node in graph.nodes()}
    origins = {value.id: value.origin for value in graph.values if isinstance(value.origin, NodeOutput)}

    assert {value: outputs[origin.node][origin.index] for value, origin in origins.items()} == {
        value: value for value in origins
    }
