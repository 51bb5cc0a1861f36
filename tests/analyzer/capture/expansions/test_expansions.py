"""Calls that are written as calls of other ops give the same, and become what their cards say."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.capture.expansions.expansion import expansions
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.coverage_db.queries import open_registry
from tests.analyzer.capture.expansions.expanded_calls import CASES, IMAGE, PLACES, Case

NAMES = [f"{number} {case.op}" for number, case in enumerate(CASES)]


class Called(torch.nn.Module):
    def __init__(self, case: Case) -> None:
        super().__init__()
        self.function = case.function

    def forward(
        self,
        x: torch.Tensor,
        y: torch.Tensor | None = None,
        z: torch.Tensor | None = None,
        w: torch.Tensor | None = None,
    ) -> object:
        return self.function(*(item for item in (x, y, z, w) if item is not None))


def captured(case: Case) -> Captured:
    return capture(Called(case), case.inputs(), weights=True)


def run(found: Captured, inputs: list[torch.Tensor]) -> object:
    forward: Callable[..., object] = getattr(found.module, "forward")  # noqa: B009  # PyTorch's stubs leave it out
    return forward(*inputs)


def ops_of(case: Case) -> set[str]:
    return {node.op for node in captured(case).calls if not node.is_constant}


def skip_without(op: str) -> None:
    """Skip a test of an op that this release of PyTorch lacks."""
    library, name, _ = op.split(".")
    if not torch._C._jit_get_schemas_for_operator(f"{library}::{name}"):
        pytest.skip(f"PyTorch {torch.__version__} has no {op}")


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_an_expansion_gives_what_its_call_gives(case: Case) -> None:
    skip_without(case.op)
    inputs = case.inputs()
    found = captured(case)

    card = open_registry().card(case.op)
    assert card.ways or case.op not in {node.op for node in found.graph.nodes()}
    made, wanted = flat_tensors(run(found, inputs)), flat_tensors(case.function(*inputs))
    for own, theirs in zip(made, wanted, strict=True):
        torch.testing.assert_close(own, theirs, equal_nan=True)


@pytest.mark.parametrize("op", sorted({case.op for case in CASES}))
def test_a_card_names_the_ops_that_calls_become(op: str) -> None:
    skip_without(op)
    card = open_registry().card(op)
    found = {name for case in CASES if case.op == op for name in ops_of(case)}

    # What is left of the op itself becomes one of this project's, where several nodes are read as one.
    assert card.ways or {name for name in card.becomes if not name.startswith("nnapi_check.")} == found - {op}


@pytest.mark.parametrize(
    "case",
    [
        Case("aten.round.decimals", lambda x: torch.round(x, decimals=400)),
        Case("aten.diff.default", lambda x: torch.diff(x, n=65), ((2, 99),)),
    ],
    ids=lambda case: case.op,
)
def test_a_call_that_would_take_too_much_or_too_great_numbers_is_left(case: Case) -> None:
    assert case.op in ops_of(case)


def test_every_expansion_is_tried_here() -> None:
    assert {case.op for case in CASES} == set(expansions())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cat([torch.clamp(x[3:], 0, 1) @ torch.ones(5, 5), x * 2, x[:0]]),
        lambda x: (x * 2, torch.relu(x[:, 2:2]).long()),
    ],
    ids=["beside others", "as a result"],
)
def test_what_has_no_elements_is_computed_of_nothing(function: Callable[..., object]) -> None:
    case = Case("none", function, ((3, 5),))
    found = captured(case)

    assert ops_of(case) <= {"aten.mul.Tensor", "aten.cat.default"}
    registry = open_registry()
    verdicts = judge(found.graph, registry, registry.target("pytorch-mobile")).at(3).values()
    assert all(verdict.is_supported for verdict in verdicts)
    for own, theirs in zip(
        flat_tensors(run(found, case.inputs())), flat_tensors(function(*case.inputs())), strict=True
    ):
        assert own.dtype == theirs.dtype
        assert torch.equal(own, theirs)


def packed(x: torch.Tensor, lengths: torch.Tensor | list[int]) -> torch.Tensor:
    found: torch.Tensor = torch.ops.aten._pack_padded_sequence(x, torch.as_tensor(lengths), True)[0]
    return found


def padded(x: torch.Tensor, sizes: torch.Tensor | list[int]) -> torch.Tensor:
    found: torch.Tensor = torch.ops.aten._pad_packed_sequence(x, torch.as_tensor(sizes), True, 0.0, 3)[0]
    return found


def layer(x: torch.Tensor, w_ih: torch.Tensor, w_hh: torch.Tensor, sizes: torch.Tensor | list[int]) -> torch.Tensor:
    weights, state = [w_ih, w_hh], torch.zeros(1, 2, 4)
    found: torch.Tensor = torch.ops.aten.gru(x, torch.as_tensor(sizes), state, weights, False, 1, 0.0, False, False)[0]
    return found


LEFT = [
    Case("aten.one_hot.default", lambda x: torch.nn.functional.one_hot(x), (), tensors=(PLACES,)),
    Case("aten.linalg_matrix_power.default", lambda x: torch.linalg.matrix_power(x, 0) + x, ((4, 4),)),
    Case("aten.poisson_nll_loss.default", lambda x: torch.nn.functional.poisson_nll_loss(x, x, full=True)),
    Case("aten.col2im.default", lambda x: torch.nn.functional.fold(x, (4, 6), (2, 3), dilation=2), ((2, 12, 4),)),
    Case("aten.fmax.default", lambda x: torch.fmax(x.half(), x.half())),
    Case(
        "aten.affine_grid_generator.default",
        lambda x: torch.nn.functional.affine_grid(x, [1, 1, 2, 3, 4], align_corners=False),
        ((1, 3, 4),),
    ),
    Case("aten.trace.default", lambda x: torch.trace(torch.complex(x, x)), ((4, 4),)),
    Case("aten._pack_padded_sequence.default", partial(packed, lengths=[4, 2]), ((2, 4, 3),)),
    Case("aten._pack_padded_sequence.default", packed, ((2, 4, 3),), tensors=(torch.tensor([4, 4]),)),
    Case("aten._pad_packed_sequence.default", partial(padded, sizes=[2, 2, 1]), ((5, 3),)),
    Case("aten._pad_packed_sequence.default", padded, ((6, 3),), tensors=(torch.tensor([2, 2, 2]),)),
    Case("aten.gru.data", partial(layer, sizes=[2, 2, 1]), ((5, 3), (12, 3), (12, 4))),
    Case("aten.gru.data", layer, ((6, 3), (12, 3), (12, 4)), tensors=(torch.tensor([2, 2, 2]),)),
]


@pytest.mark.parametrize("case", LEFT, ids=[f"{number} {case.op}" for number, case in enumerate(LEFT)])
def test_a_call_that_means_more_keeps_its_op_and_says_why(case: Case) -> None:
    registry = open_registry()
    graph = captured(case).graph
    node = next(node for node in graph.nodes() if node.op == case.op)
    (failure,) = judge(graph, registry, registry.target("pytorch-mobile")).at(8)[node.id].failures

    assert failure.reason == "NNC104"
    assert registry.card(case.op).when in failure.wanted


def test_the_nodes_of_an_expansion_come_from_the_line_of_the_call() -> None:
    case = Case("aten.diff.default", torch.diff)
    found = captured(case)

    assert {node.source.line for node in found.graph.nodes()} == {31}
    assert len(list(found.graph.nodes())) == 3


def test_what_is_written_to_the_view_that_an_expansion_gives_is_seen_in_the_tensor() -> None:
    def write(x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        torch.hsplit(y, 3)[1].mul_(2)
        return y * 3

    case = Case("aten.hsplit.int", write)
    (made,), wanted = flat_tensors(run(captured(case), case.inputs())), write(*case.inputs())

    torch.testing.assert_close(made, wanted)
    assert made.shape == IMAGE


def written_after(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    windows = y.unfold(1, 3, 1)
    y[0].mul_(2)
    return windows * 3


def written_through(x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    y.unfold(1, 2, 1)[:, 0].mul_(2)
    return y * 3


def only_read(x: torch.Tensor) -> torch.Tensor:
    return x.unfold(1, 3, 1) * 3


@pytest.mark.parametrize("write", [written_after, written_through])
def test_windows_that_share_what_is_written_stay_views(write: Callable[[torch.Tensor], torch.Tensor]) -> None:
    case = Case("aten.unfold.default", write, ((4, 6),))
    (made,), wanted = flat_tensors(run(captured(case), case.inputs())), write(*case.inputs())

    torch.testing.assert_close(made, wanted)
    assert "aten.unfold.default" in ops_of(case)
    assert "aten.unfold.default" not in ops_of(Case("aten.unfold.default", only_read, ((4, 6),)))


@pytest.mark.parametrize(
    "case",
    [
        Case("aten.mul.Tensor", torch.mul, ((2, 1, 4, 5, 1), (1, 3, 1, 5, 6))),
        Case("aten.add.Tensor", lambda x: x + torch.ones(2, 1, 4, 5, 6), ((2, 3, 4, 5, 6),)),
    ],
    ids=["five turns", "a constant"],
)
def test_a_broadcast_stays_one_op_where_merging_does_not_help(case: Case) -> None:
    assert ops_of(case) == {case.op}
