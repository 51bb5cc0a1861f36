"""The form every TorchScript module is brought into before it is typed.

Calls are inlined, attributes that are no tensors become constants, lists of constant tensors hold values, and in-place
ops become functional where PyTorch can prove that nobody sees the difference. Tensors stay attributes, reached from the
module by their path, so that the form is the same whether or not their elements were read.
"""

from __future__ import annotations

import torch

from analyzer.constant_lists import unpack_constant_lists
from analyzer.errors import InputError
from analyzer.torchscript import has_method


def normalize(module: torch._C.ScriptModule) -> torch._C.ScriptModule:
    """A copy of the module in normal form. The module must be in evaluation mode and have a ``forward``."""
    if not has_method(module, "forward"):
        raise InputError("The model has no method 'forward'; nothing can be said about what it computes.")
    with torch.no_grad():
        frozen: torch._C.ScriptModule = torch._C._freeze_module(module, [], True, True)
        graph = frozen._get_method("forward").graph
        unpack_constant_lists(graph)
        torch._C._jit_pass_remove_mutation(graph)
        torch._C._jit_pass_dce(graph)
    return frozen
