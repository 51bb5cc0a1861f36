"""Ops of two names under the one that PyTorch's parser writes down.

A script, or a file that is loaded, has passed the parser. A module inside a traced one has not: there the tracer leaves
the name that was called.
"""

from __future__ import annotations

import torch

from nnapi_check.analyzer.torchscript import nested
from nnapi_check.coverage_db.public_names import parsed_names


def parse_names(graph: torch._C.Graph) -> None:
    """Give every op of a graph the name that PyTorch's parser gives it."""
    for node in list(nested(graph.nodes())):
        space, _, name = node.kind().partition("::")
        parsed = parsed_names().get(name.removesuffix("_")) if space == "aten" else None
        if parsed is None:
            continue
        end = "_" if name.endswith("_") else ""
        renamed = graph.create(f"aten::{parsed}{end}", list(node.inputs()), node.outputsSize())
        renamed.insertBefore(node)
        renamed.copyMetadata(node)
        for output, value in zip(node.outputs(), renamed.outputs(), strict=True):
            value.setType(output.type())
            output.replaceAllUsesWith(value)
        node.destroy()
