"""Writes in place through views that TorchScript does not know of give the model's own numbers, or a reason."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import torch
from torch.nn import functional
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

from nnapi_check import InputError
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.ops.unseen_views import UNSEEN_VIEWS
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import constant

SAMPLES = 8
"""Of each op, others in each run."""


def traces() -> Iterator[tuple[torch._C.Graph, list[torch.Tensor]]]:
    """PyTorch's own sample calls of its ops as graphs, with the tensors that each is called with."""
    for op in op_db:
        with suppress(Exception):
            samples = list(op.sample_inputs("cpu", torch.float32))  # type: ignore[no-untyped-call]
            for sample in random.sample(samples, min(SAMPLES, len(samples))):
                leaves, spec = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
                places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
                tensors = [leaves[place] for place in places]

                def function(*given: torch.Tensor) -> tuple[torch.Tensor, ...]:
                    for place, tensor in zip(places, given, strict=True):  # noqa: B023 - called at once
                        leaves[place] = tensor  # noqa: B023 - as above
                    item, args, kwargs = pytree.tree_unflatten(leaves, spec)  # noqa: B023 - as above
                    return flat_tensors(op(item, *args, **kwargs))  # noqa: B023 - as above

                with suppress(Exception):  # PyTorch traces neither every op nor every sample
                    yield torch.jit.trace(function, tuple(tensors), check_trace=False).graph, tensors  # type: ignore[no-untyped-call]


def shared_unsaid(graph: torch._C.Graph, inputs: list[torch.Tensor]) -> Iterator[str]:
    """The ops of a graph that give a tensor where an argument, or another result, lies, and do not say so."""
    known: dict[int, object] = dict(zip([value.unique() for value in graph.inputs()], inputs, strict=True))
    for node in graph.nodes():
        given = [known[value.unique()] for value in node.inputs()]
        match node.kind():
            case "prim::Constant":
                known[node.output().unique()] = constant(node.output())
                continue
            case "prim::ListConstruct" | "prim::TupleConstruct":
                known[node.output().unique()] = given
                continue
            case "prim::ListUnpack" | "prim::TupleUnpack":
                results = given[0]
            case _:
                schema = torch._C.parse_schema(node.schema())
                call = torch._C._get_operation_overload(schema.name, schema.overload_name)[0]
                results = call(*given)
                places = [tensor.untyped_storage()._cdata for tensor in flat_tensors(given)]
                found = [tensor.untyped_storage()._cdata for tensor in flat_tensors(results)]
                shares = len(set(found)) < len(found) or set(found) & set(places)
                if shares and all(kind.alias_info is None for kind in schema.returns):
                    yield node.kind()
        outputs = list(node.outputs())
        for output, item in zip(outputs, [results] if len(outputs) == 1 else list(results), strict=True):  # type: ignore[call-overload]
            known[output.unique()] = item


@pytest.mark.filterwarnings("ignore")
def test_every_op_that_gives_a_view_unsaid_is_known() -> None:
    found: set[str] = set()
    for graph, tensors in traces():
        with suppress(Exception):  # a value that Python cannot read, or a layout without a storage
            found.update(shared_unsaid(graph, tensors))
    assert len(found) > 10
    assert found <= UNSEEN_VIEWS


def through_atleast(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    y3: torch.Tensor = torch.atleast_3d(y)  # type: ignore[no-untyped-call]
    y3.mul_(2)
    return y * 3


def through_product(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    torch.cartesian_prod(y[0]).mul_(2)
    return y * 3


def through_formula(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    z = torch.einsum("ij->ji", y)
    z.mul_(2)
    return y * 3 + z.t()


def through_pieces(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    pieces = y.unsafe_chunk(2, 0)
    pieces[0].mul_(2)
    return y * 3 + pieces[1]


def through_type(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    z = y.type_as(x)
    z.mul_(2)
    return y * 3 + z


def through_size(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    z = y.sum_to_size([2, 3])
    y.mul_(2)
    return y * 3 + z


def through_dropout(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    z = functional.dropout(y, 0.5, False)
    z.mul_(2)
    return y * 3 + z


def of_another_type(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    z = y.type_as(torch.ones(1, dtype=torch.float64))
    z.mul_(2)
    return y * 3 + z


def of_two(x: torch.Tensor) -> torch.Tensor:
    z = torch.einsum("ij,kj->ik", x, x)
    z += 1
    return z + x.sum()


def read_no_more(x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = torch.atleast_3d(x + 1)  # type: ignore[no-untyped-call]
    y.mul_(2)
    return y * 3


class Calling(torch.nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


LIVE, TRACED, SCRIPTED = "live", "traced", "scripted"
FORMS: dict[str, Callable[[Callable[[torch.Tensor], torch.Tensor], torch.Tensor], torch.nn.Module]] = {
    LIVE: lambda function, _: Calling(function),
    TRACED: lambda function, x: torch.jit.trace(Calling(function), x, check_trace=False),  # type: ignore[no-untyped-call]
    SCRIPTED: lambda function, _: torch.jit.script(Calling(function)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("function", "refused"),
    [
        # What PyTorch's own scripts and traces drop is no part of a file.
        (through_atleast, {LIVE}),
        (through_product, {LIVE}),
        # It is read as a permutation, whose result TorchScript knows for a view.
        (through_formula, set()),
        (through_pieces, {LIVE, TRACED, SCRIPTED}),
        # A trace knows a tensor that is given back as it is.
        (through_type, {SCRIPTED}),
        (through_size, set()),
        (through_dropout, set()),
        (of_another_type, set()),
        (of_two, set()),
        (read_no_more, set()),
    ],
)
def test_a_write_that_torchscript_cannot_follow_is_refused(
    function: Callable[[torch.Tensor], torch.Tensor], refused: set[str], form: str
) -> None:
    x = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])
    model = FORMS[form](function, x)
    wanted = model(x)
    if form in refused:
        with pytest.raises(InputError, match="TorchScript does not know that the two are one"):
            capture(model, [x], weights=False)
        return
    captured = capture(model, [x], weights=True)
    found = torch._C._create_function_from_graph("found", captured.torch_graph)(captured.module, x)
    assert torch.equal(found, wanted)
