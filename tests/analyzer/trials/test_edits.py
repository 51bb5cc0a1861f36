"""Every edit, on its own examples: it is for them, keeps what it says, and brings onto NNAPI what was not there."""

from functools import cache

import pytest
import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.judging.judge import LEVELS, judge
from nnapi_check.analyzer.ops.installed_ops import installed_ops
from nnapi_check.analyzer.planning.causes import causes
from nnapi_check.analyzer.planning.gains import LEAST
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.analyzer.trials.calls import EditedCall, edited_calls
from nnapi_check.analyzer.trials.trial import Trials
from nnapi_check.analyzer.trials.written import Written
from nnapi_check.coverage_db.card_arguments import names_in, schema_arguments
from nnapi_check.coverage_db.cards import Example
from nnapi_check.coverage_db.checks import quantities
from nnapi_check.coverage_db.edits.edit import Edit, Keeps, load_edits
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.examples.modules import example_module

CASES = [
    pytest.param(edit, example, id=f"{edit.id}, {example.name}") for edit in load_edits() for example in edit.examples
]
TARGETS = ("pytorch-mobile", "ndk")
ROUNDING = 1e-5


@cache
def captured(edit: Edit, example: Example) -> Captured:
    built = example_module(open_registry().card(edit.ops[0]), example)
    return capture(built.module, built.inputs, weights=True)


@cache
def call_of(edit: Edit, example: Example) -> EditedCall:
    graph = captured(edit, example).graph
    ((_, (call,)),) = edited_calls(list(graph.nodes()), [edit], Uses(graph))
    return call


def tensors_of(edit: Edit, example: Example) -> list[torch.Tensor]:
    found, graph = captured(edit, example), captured(edit, example).graph
    given = dict(zip(graph.body.inputs, found.example_inputs, strict=True))
    return [given[value] if value in given else found.tensor(value) for value in call_of(edit, example).values]


class Model(torch.nn.Module):
    """A model whose code is that of an edit, with its constants as buffers."""

    def __init__(self, edit: Edit, example: Example, code: str) -> None:
        super().__init__()
        self.written = Written(call_of(edit, example), code)
        graph = captured(edit, example).graph
        self.order: list[str | int] = []
        for place, tensor in enumerate(tensors_of(edit, example)):
            value = call_of(edit, example).values[place]
            if value in graph.body.inputs:
                self.order.append(graph.body.inputs.index(value))
            else:
                self.register_buffer(f"constant{place}", tensor)
                self.order.append(f"constant{place}")

    def forward(self, *given: torch.Tensor) -> object:
        return self.written(*(given[item] if isinstance(item, int) else getattr(self, item) for item in self.order))


def surveyed(graph: Graph, target: str) -> Survey:
    registry = open_registry()
    return survey(graph, registry, registry.target(target), gain=0)


def results(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    found = model(*inputs)
    return (found,) if isinstance(found, torch.Tensor) else tuple(found)


@pytest.mark.parametrize("edit", load_edits(), ids=lambda edit: edit.id)
def test_edit_names_only_arguments_that_the_installed_ops_have(edit: Edit) -> None:
    when = () if edit.when is None else quantities(edit.when)
    spoken_of = (*when, *edit.before.quantities, *edit.after.quantities)
    named = {name for quantity in spoken_of for name in names_in(quantity)}

    for op, schema in installed_ops(edit.ops).schemas.items():
        if op in edit.ops:
            assert {name for name in named if not name.startswith("output")} <= schema_arguments(schema)


@pytest.mark.parametrize(("edit", "example"), CASES)
def test_code_before_is_the_call_and_code_after_keeps_what_the_edit_says(edit: Edit, example: Example) -> None:
    inputs, call = captured(edit, example).example_inputs, call_of(edit, example)
    built = example_module(open_registry().card(edit.ops[0]), example).module

    wanted = results(built, inputs)
    before, after = (results(Model(edit, example, code), inputs) for code in (call.before, call.after))

    assert all(torch.equal(x, y) for x, y in zip(wanted, before, strict=False))
    for x, y in zip(wanted, after, strict=False):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        match edit.keeps:
            case Keeps.EXACT:
                assert torch.equal(x, y)
            case Keeps.ROUNDING:
                torch.testing.assert_close(y, x, rtol=ROUNDING, atol=ROUNDING)
            case Keeps.NEAR:
                assert edit.within is not None
                assert 0 < (y - x).abs().max() <= edit.within
            case Keeps.RETRAIN:
                assert not torch.allclose(y, x, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("edit", [edit for edit in load_edits() if edit.mends], ids=lambda edit: edit.id)
def test_calls_of_an_edit_fail_what_it_mends(edit: Edit) -> None:
    registry = open_registry()
    failed: set[str] = set()
    for example in edit.examples:
        for target in TARGETS:
            judged = judge(captured(edit, example).graph, registry, registry.target(target))
            for way in judged.nodes[call_of(edit, example).node.id].ways:
                failed |= {failure.requirement for failure in way.failures}
                failed |= set() if way.raised is None else {way.raised.id}

    demanded = {requirement.id for op in edit.ops for way in registry.card(op).ways for requirement in way.requires}
    assert set(edit.mends) <= failed & demanded


@pytest.mark.parametrize(("edit", "example"), CASES)
def test_edit_gains_at_some_level_and_as_much_as_the_written_code_gets(edit: Edit, example: Example) -> None:
    inputs, call = captured(edit, example).example_inputs, call_of(edit, example)
    written = capture(Model(edit, example, call.after), inputs, weights=False).graph
    gained = False
    for target in TARGETS:
        # The call itself, which a trace of the code may write as other ops.
        before, after = (surveyed(graph, target) for graph in (captured(edit, example).graph, written))
        trials = Trials(before, open_registry(), [edit])
        for level in LEVELS[LEVELS.index(before.target.lowest_level) :]:
            plan = before.at(level)
            applied = [found for cause in causes(before, plan) for found in trials.edits_of(cause)]
            if not applied:
                continue

            promised = trials.survey_with(applied, level).plans[-1].score.points

            got = after.at(level).score.points
            assert promised == pytest.approx(got)
            gained = gained or promised >= plan.score.points + LEAST

    assert gained
