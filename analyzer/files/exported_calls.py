"""Calls of an exported program that TorchScript cannot express as they stand, in words that it can."""

from __future__ import annotations

import torch

_MAKES_ITS_TYPE = "aten::full"
"""It makes a tensor of the number's own type where no other is asked for."""

_TAKES_NUMBERS = frozenset(
    f"aten::{name}"
    for name in ("full", "full_like", "new_full", "scalar_tensor", "fill", "fill_", "masked_fill", "masked_fill_")
) | {"aten::eq", "aten::ne"}
"""Ops with a number whose kind does not decide the result's type, but for the one above."""


def write_truth_values_as_numbers(module: torch.fx.GraphModule) -> None:
    """Write 1 and 0 for truth values where a schema wants a number.

    PyTorch calls such an op all the same, as decompositions of masks do; TorchScript, which tells numbers from truth
    values, has no such op.
    """
    for node in module.graph.nodes:
        target = node.target
        if not isinstance(target, torch._ops.OpOverload) or target._schema.name not in _TAKES_NUMBERS:
            continue
        for place, (argument, given) in enumerate(zip(target._schema.arguments, node.args, strict=False)):
            if not isinstance(given, bool) or str(argument.type) != "number":
                continue
            node.update_arg(place, int(given))
            if target._schema.name == _MAKES_ITS_TYPE and node.kwargs.get("dtype") is None:
                node.update_kwarg("dtype", torch.bool)
    module.recompile()
