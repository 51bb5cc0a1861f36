"""The form every TorchScript module is brought into before it is typed.

Calls are inlined, attributes that are no tensors become constants, lists of constant tensors hold values, and in-place
ops become functional where PyTorch can prove that nobody sees the difference. Tensors stay attributes, reached from the
module by their path, so that the form is the same whether or not their elements were read.
"""

from __future__ import annotations

from pathlib import Path

import torch

from analyzer.autograd_functions import inline_autograd_functions
from analyzer.bounded_calls import BoundedCalls, Bounds
from analyzer.constant_lists import unpack_constant_lists
from analyzer.errors import InputError
from analyzer.safe_ops import FILE_OPS
from analyzer.torchscript import has_method, nodes_of_kind

_WHEN_FROZEN = Bounds(1 << 24, 1 << 26)


def refuse_file_ops(module: torch._C.ScriptModule, path: Path) -> None:
    """Raise an `InputError` where ``forward`` calls an op that reads or writes files, which a stranger's must not."""
    if not has_method(module, "forward"):
        return
    graph = module._get_method("forward").graph.copy()
    torch._C._jit_pass_inline(graph)
    found = next((kind for kind in sorted(FILE_OPS) if nodes_of_kind(graph, kind)), None)
    if found is not None:
        raise InputError(
            f"{path} calls {found}, which reads or writes files; leave that to the app, or allow it for a trusted file."
        )


def normalize(module: torch._C.ScriptModule) -> torch._C.ScriptModule:
    """A copy of the module in normal form. The module must be in evaluation mode and have a ``forward``."""
    if not has_method(module, "forward"):
        raise InputError("The model has no method 'forward'; nothing can be said about what it computes.")
    with torch.no_grad():
        # Freezing computes what depends on constants alone.
        with BoundedCalls(_WHEN_FROZEN, for_torch=True):
            frozen: torch._C.ScriptModule = torch._C._freeze_module(module, [], True, True)
        graph = frozen._get_method("forward").graph
        inline_autograd_functions(graph)
        unpack_constant_lists(graph)
        torch._C._jit_pass_remove_mutation(graph)
        torch._C._jit_pass_dce(graph)
    return frozen
