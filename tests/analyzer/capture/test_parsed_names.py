"""Ops of two names: modules inside traced ones have those that were called."""

import pytest
import torch

import nnapi_check
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.coverage_db.public_names import parsed_names
from tests.analyzer.torch_models import ops

REVERSED = {"rsub"}
"""What the parser writes with its arguments turned around, for which there is a card."""


def parsed_by_pytorch(schema: torch._C.FunctionSchema) -> list[str]:
    """The ops that PyTorch's parser makes of a call without optional arguments; none where it cannot be written."""
    given = [argument for argument in schema.arguments if not argument.has_default_value()]
    kinds = [argument.type.annotation_str for argument in given]
    taken = ", ".join(f"a{place}: {'float' if kind == 'number' else kind}" for place, kind in enumerate(kinds))
    passed = ", ".join(
        f"{argument.name}=a{place}" if argument.kwarg_only else f"a{place}" for place, argument in enumerate(given)
    )
    name = schema.name.removeprefix("aten::")
    try:
        unit = torch.jit.CompilationUnit(f"def call({taken}):\n    return torch.ops.aten.{name}({passed})\n")
    except RuntimeError:
        return []
    graph: torch._C.Graph = unit.call.graph
    return [node.kind() for node in graph.nodes() if node.kind().startswith("aten::")]


def test_names_are_those_of_pytorchs_parser() -> None:
    checked = set()
    for schema in torch._C._jit_get_all_schemas():
        name = schema.name.removeprefix("aten::")
        if not schema.name.startswith("aten::") or not name.isidentifier() or name in REVERSED:
            continue
        found = parsed_by_pytorch(schema)
        if not found:
            continue
        end = "_" if name.endswith("_") else ""
        plain = name.removesuffix("_")
        assert found == [f"aten::{parsed_names().get(plain, plain)}{end}"]
        checked.add(plain)

    assert len(checked & set(parsed_names())) > len(parsed_names()) - 5


class Inner(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.concat([x, torch.negative(x)], 1)
        y = torch.moveaxis(torch.absolute(torch.multiply(y, 2.0)), 1, 2).clip(0.1, 0.9)
        y = torch.swapdims(torch.true_divide(y, torch.special.expit(y)), 0, 1)
        return torch.subtract(y, 1).multiply_(3.0)


class Outer(torch.nn.Module):
    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + 1  # type: ignore[no-any-return]  # a module is Any


@pytest.mark.parametrize("times", [1, 2])
def test_names_inside_a_traced_module_are_those_of_the_module_alone(times: int) -> None:
    x, model = torch.rand(2, 3, 4), Inner()
    alone = ops(capture(model, [x], weights=False))
    nested: torch.nn.Module = model
    for _ in range(times):
        nested = Outer(nested)

    within = ops(capture(nested, [x], weights=False))

    assert within == [*alone, *["aten.add.Tensor"] * times]
    report = nnapi_check.check(nested, (x,), feature_level=3)
    assert (report.readiness, report.nodes_on_nnapi) == ("ready", report.nodes_total)
