"""What TorchScript has no words for in an exported program, written in words that it has."""

from __future__ import annotations

from operator import attrgetter

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


def hold_inner_tensors(module: torch.fx.GraphModule) -> None:
    """Hold the plain tensors that a weight of a class of its own is made of, where the program takes them out of it.

    torchao's quantized weights are such: integers and their scales. TorchScript has plain tensors only.
    """
    outer: dict[torch.fx.Node, None] = {}
    for node in module.graph.nodes:
        if not isinstance(node.target, torch._ops.OpOverload) or node.target._schema.name != _TAKES_INNER:
            continue
        source, part = node.args
        if source.op != "get_attr":
            continue
        held = f"nnapi_check_inner_{source.target}_{part}".replace(".", "_")
        module.register_buffer(held, getattr(attrgetter(source.target)(module), part))
        with module.graph.inserting_before(node):
            inner = module.graph.get_attr(held)
        inner.meta = node.meta
        node.replace_all_uses_with(inner)
        module.graph.erase_node(node)
        outer[source] = None
    if not outer:
        return
    # What holds others inside it is met before them.
    for source in reversed(outer):
        if not source.users:
            module.graph.erase_node(source)
    module.recompile()
    read = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for path in map(str, {source.target for source in outer} - read):
        owner, _, name = path.rpartition(".")
        delattr(module.get_submodule(owner), name)


_TAKES_INNER = "export::access_subclass_inner_tensor"
