"""The example inputs that a file brings along for benchmarks, which its own code makes (`torch.utils.bundled_inputs`).

That code is run only where it is a row of ops that are safe to call, without conditions and loops.
"""

from __future__ import annotations

import torch

from nnapi_check.analyzer.ops.bounded_calls import BoundedCalls, Bounds
from nnapi_check.analyzer.ops.calls import operation_of
from nnapi_check.analyzer.torchscript import has_method

_METHOD = "get_all_bundled_inputs"
_BOUNDS = Bounds(1 << 24, 1 << 26)
_READS = frozenset(
    f"prim::{name}" for name in ("Constant", "GetAttr", "ListConstruct", "TupleConstruct", "TupleIndex", "TupleUnpack")
) | {"aten::__getitem__"}


def read_bundled_inputs(module: torch._C.ScriptModule) -> tuple[object, ...] | None:
    """The arguments of the first row of bundled inputs; None where there are none, or none that are safe to make."""
    if not has_method(module, _METHOD):
        return None
    method = module._get_method(_METHOD)
    graph = method.graph.copy()
    torch._C._jit_pass_inline(graph)
    if not all(_is_safe(node) for node in graph.nodes()):
        return None
    try:
        with BoundedCalls(_BOUNDS, for_torch=True):
            rows = method()
    except RuntimeError:
        return None
    first = rows[0] if isinstance(rows, list) and rows else None
    return first if isinstance(first, tuple) else None


def _is_safe(node: torch._C.Node) -> bool:
    if node.kind() in _READS:
        return True
    schema = node.schema()
    return bool(schema) and schema != "(no schema)" and operation_of(schema).function is not None
