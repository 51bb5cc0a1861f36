"""How far PyTorch's own outputs move by the bounds of approximate ops."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.lowering.packaging.manifest import ManifestError
from nnapi_check.lowering.verification.approximation import (
    MARGIN,
    Approximation,
    Cause,
    approximations_document,
    read_approximations,
    tolerance_words,
)
from nnapi_check.lowering.verification.sensitivity import moved_runs, movement

X = torch.linspace(-2, 2, 15).reshape(3, 5)


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tan(x) * self.factor, torch.relu(x)


def captured_module(module: nn.Module) -> Captured:
    return capture(module.eval(), [X], weights=True)


def approximation(captured: Captured, op: str, bound: Bound) -> Approximation:
    (node,) = [node for node in captured.graph.nodes() if node.op == op]
    return Approximation(op, node.outputs, next(iter(node.inputs())), bound)


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_output_moves_by_the_bound_as_a_share_of_its_range(factor: float) -> None:
    captured = captured_module(Scaled(factor))

    found = movement(captured, [approximation(captured, "aten.tan.default", Bound(absolute=0.01))], [X])

    assert list(found.outputs) == pytest.approx([0.01 / float(X.tan().abs().max()), 0.0], rel=1e-3)


def test_share_of_the_element_moves_great_elements_more() -> None:
    captured = captured_module(Scaled(3.0))

    found = movement(captured, [approximation(captured, "aten.tan.default", Bound(relative=0.01))], [X])

    assert list(found.outputs) == pytest.approx([0.01, 0.0], rel=1e-3)


def test_error_of_the_input_goes_through_the_op_and_to_no_other_reader() -> None:
    captured = captured_module(Scaled(1.0))
    x = 0.001 * X

    found = movement(captured, [approximation(captured, "aten.tan.default", Bound(of_input=0.02))], [x])

    assert list(found.outputs) == pytest.approx([0.02 * 2, 0.0], rel=1e-2)


def test_error_of_an_input_of_small_range_has_a_least_size() -> None:
    captured = captured_module(Scaled(1.0))
    item = approximation(captured, "aten.tan.default", Bound(of_input=0.02, least_of_input=0.01))

    assert list(movement(captured, [item], [0.001 * X]).outputs) == pytest.approx([0.01 / 0.002, 0.0], rel=1e-2)


def test_bound_that_holds_for_smaller_inputs_only_promises_nothing_for_others() -> None:
    captured = captured_module(Scaled(1.0))
    items = [approximation(captured, "aten.tan.default", Bound(relative=1e-7, within=1.5))]

    assert movement(captured, items, [X]).outputs == (math.inf, 0.0)
    assert movement(captured, items, [0.5 * X]).outputs[0] < 1e-6


def test_sum_of_errors_of_one_sign_is_found() -> None:
    class Sums(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tan(x).sum(1)

    captured = captured_module(Sums())
    wide = torch.rand(2, 4000, generator=torch.Generator().manual_seed(0))

    found = movement(captured, [approximation(captured, "aten.tan.default", Bound(absolute=1e-3))], [wide])

    assert found.outputs[0] >= 3.9 / float(wide.tan().sum(1).max())


def test_values_inside_move_too_and_what_comes_before_does_not() -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 2))
    captured = captured_module(module)
    nodes = {node.op: node.outputs[0] for node in captured.graph.nodes()}
    first = next(node.outputs[0] for node in captured.graph.nodes())
    gelu = nodes["aten.gelu.default"]

    found = movement(captured, [approximation(captured, "aten.gelu.default", Bound(absolute=0.1))], [X], [first, gelu])

    assert found.values[first] == 0
    assert found.values[gelu] > 0
    assert len(found.outputs) == 1


def test_integer_that_changes_is_not_promised() -> None:
    class Greatest(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tan(x).argmax(1)

    captured = captured_module(Greatest())
    near = torch.linspace(0.1, 0.1001, 30).reshape(1, 30)

    items = [approximation(captured, "aten.tan.default", Bound(absolute=0.01))]

    assert movement(captured, items, [near]).outputs == (math.inf,)
    assert movement(captured, items, [torch.tensor([[0.1, 0.9, 0.0]])]).outputs == (0.0,)


def test_rounding_of_great_values_that_cancel_moves_what_is_left() -> None:
    class Cancels(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (torch.tan(x) + 1e5) - 1e5

    captured = captured_module(Cancels())
    values = [node.outputs[0] for node in captured.graph.nodes()]

    assert movement(captured, [], [X], rounded=values).outputs[0] > 1e-4
    assert movement(captured, [], [1e5 * torch.ones(3, 5)], rounded=values[:1]).outputs[0] < 1e-6
    assert movement(captured, [], [X]).outputs == (0.0,)


def test_place_of_the_greatest_of_equals_hangs_on_rounding() -> None:
    class Greatest(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tan(x).argmax(1)

    captured = captured_module(Greatest())
    value = next(node.outputs[0] for node in captured.graph.nodes())

    assert movement(captured, [], [torch.ones(3, 5)], rounded=[value]).outputs == (math.inf,)
    assert movement(captured, [], [X], rounded=[value]).outputs == (0.0,)


class Places(nn.Module):
    def __init__(self, op: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        places = self.op(x)
        return places, 1 - places


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (lambda x: torch.topk(x, 2)[1], "aten.topk.default"),
        (lambda x: torch.argmax(x, 1), "aten.argmax.default"),
        (lambda x: torch.argmin(x, -1, keepdim=True), "aten.argmin.default"),
        (lambda x: torch.max(x, 1)[1], "aten.max.dim"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_places_of_equal_elements_move_and_those_of_others_do_not(
    op: Callable[[torch.Tensor], torch.Tensor], name: str, dtype: torch.dtype
) -> None:
    x = torch.tensor([[0, 0, 0, 0], [3, 1, 4, 2]], dtype=dtype)
    captured = capture(Places(op).eval(), [x], weights=True)
    (node,) = [node for node in captured.graph.nodes() if node.op == name]
    item = Approximation(name, node.outputs, next(iter(node.inputs())), Bound(), cause=Cause.TIES)

    runs = list(moved_runs(captured, [item], [x]))

    places, following = (torch.stack([run.outputs[output] for run in runs]) for output in (0, 1))
    assert any(not torch.equal(run, places[0, 0]) for run in places[:, 0])
    assert bool((places[:, 1] == op(x)[1]).all())
    assert torch.equal(following, 1 - places)
    assert bool(((places >= 0) & (places < 4)).all())


def test_place_among_all_elements_is_told_of_these() -> None:
    x = torch.tensor([[1.0, 7.0, 0.0], [7.0, 2.0, 7.0]])
    captured = capture(Places(torch.argmax).eval(), [x], weights=True)
    (node,) = [node for node in captured.graph.nodes() if node.op == "aten.argmax.default"]
    item = Approximation(node.op, node.outputs, next(iter(node.inputs())), Bound(), cause=Cause.TIES)

    found = {int(run.outputs[0]) for run in moved_runs(captured, [item], [x])}

    assert found <= {1, 3, 5}
    assert len(found) > 1


def test_value_that_is_written_to_is_not_moved() -> None:
    class Writes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = torch.tan(x)
            made[:, 1:].zero_()
            return made

    captured = captured_module(Writes())
    values = [value for node in captured.graph.nodes() for value in node.outputs]

    assert movement(captured, [], [X], rounded=values).outputs[0] < 1e-6


def test_random_numbers_of_the_program_go_on_as_before() -> None:
    captured = captured_module(Scaled(1.0))
    torch.manual_seed(4)
    wanted = torch.rand(3)
    torch.manual_seed(4)

    movement(captured, [approximation(captured, "aten.tan.default", Bound(absolute=0.1))], [X])

    assert torch.equal(torch.rand(3), wanted)


ITEMS = (
    Approximation("aten.gelu.default", (7,), 4, Bound(absolute=5e-4)),
    Approximation("aten.gelu.default", (9,), 8, Bound(absolute=5e-4)),
    Approximation("aten.elu.default", (13,), 12, Bound(absolute=2e-7), cause=Cause.ROUNDING),
    Approximation("aten.topk.default", (14, 15), 13, Bound(), cause=Cause.TIES),
    Approximation("aten.tan.default", (11, 12), 10, Bound(relative=3e-7, within=6000.0, note="It grows.")),
)


ROW = {**approximations_document(ITEMS[:1])["approximations"][0], "cause": "weather"}  # type: ignore[index, dict-item]


def test_what_a_manifest_says_is_read_back() -> None:
    assert read_approximations(approximations_document(ITEMS)) == ITEMS
    assert read_approximations({}) == ()


@pytest.mark.parametrize("rows", ["many", [3], [{"op": "aten.gelu.default"}], [{"op": 1}], [ROW]])
def test_manifest_that_is_damaged_is_refused(rows: object) -> None:
    with pytest.raises(ManifestError):
        read_approximations({"approximations": rows})  # type: ignore[dict-item]  # what a damaged file may hold


def test_words_count_the_approximate_ops_and_name_their_bounds() -> None:
    assert "approximate" not in tolerance_words(())
    assert f"{MARGIN} times what PyTorch's own output changes by" in tolerance_words(ITEMS)
    assert "2 aten.gelu.default: at most 0.0005 from the true value" in tolerance_words(ITEMS)
    assert "any that PyTorch tells where these stand in another order" in tolerance_words(ITEMS)
    assert "another order" not in tolerance_words(ITEMS[:3])
    assert "elu.default: at most 2e-07" not in tolerance_words(ITEMS)


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() < 1000):
            return torch.tan(x)
        return x


class Turns(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.max() < 20):
            x = torch.tan(x * 0.1) * 100
        return x


@pytest.mark.parametrize(("module", "least"), [(Branches(), 0.0099 / float(X.tan().abs().max())), (Turns(), 0.01)])
def test_approximate_op_in_a_branch_or_a_loop_moves_what_comes_of_it(module: nn.Module, least: float) -> None:
    scripted = torch.jit.script(module.eval())
    captured = capture(scripted, [X], weights=True)
    items = [approximation(captured, "aten.tan.default", Bound(absolute=0.01))]
    values = [value for node in captured.graph.nodes() for value in node.outputs]

    assert movement(captured, items, [X]).outputs[0] >= least
    assert 0 < movement(captured, [], [X], values, rounded=values).outputs[0] < 1e-5
