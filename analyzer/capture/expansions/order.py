"""What is read of sorted elements."""

from __future__ import annotations

from nnapi_check.analyzer.capture.expansions.expansion import Call, expands


@expands("aten.argsort.default", "aten.argsort.stable")
def argsort(call: Call) -> str:
    """Where sorted elements stood."""
    stable = f"stable={call.truth('stable')}, " if "stable" in call.arguments else ""
    dim, falls = call.integer("dim"), call.truth("descending")
    return f"values, places = torch.sort(self, {stable}dim={dim}, descending={falls})\nplaces"


@expands("aten.msort.default")
def msort(_call: Call) -> str:
    """Sorted along the first dimension."""
    return "values, places = torch.sort(self, 0)\nvalues"
