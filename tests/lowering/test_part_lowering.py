"""The engine keeps promises, or says which was broken."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.node_reader import NodeReader, RuleError
from nnapi_check.lowering.emission.rule_table import Rule, Rulebook, lowers, rules
from nnapi_check.lowering.nnapi.model import ModelInput
from nnapi_check.lowering.nnapi.validation.validate import validate
from nnapi_check.lowering.part_lowering import LoweredPart, PlannedGraph, lower_part, promised_level
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan

SHAPE = (1, 3, 7, 9)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def planned(function: Callable[..., object], registry: Registry, level: int = 4) -> tuple[Captured, Survey, Plan]:
    class Module(torch.nn.Module):
        def forward(self, *given: torch.Tensor) -> object:
            return function(*given)

    captured = capture(Module().eval(), [torch.rand(SHAPE)], weights=True)
    found = survey(captured.graph, registry, registry.target("pytorch-mobile"))
    return captured, found, found.at(level)


def with_rule(rule: Rule) -> Mapping[tuple[str, str], Rule]:
    return {**rules(), ("aten.relu.default", "operation"): rule}


def lower(function: Callable[..., object], registry: Registry, using: Mapping[tuple[str, str], Rule]) -> LoweredPart:
    _, found, plan = planned(function, registry)
    (part,) = plan.partition.parts
    planned_graph = PlannedGraph(found.graph, plan.verdicts, plan.layout)
    return lower_part(part, planned_graph, Rulebook(using, FactsByName(registry)))


def test_lowered_part_tells_what_its_operands_hold(registry: Registry) -> None:
    _, found, plan = planned(lambda x: torch.tanh(torch.relu(x) + 1), registry)

    (part,) = lower_plan(found, plan, FactsByName(registry))

    assert [holder.value for holder in part.inputs] == list(part.part.inputs)
    assert [holder.value for holder in part.outputs] == list(part.part.outputs)
    assert {held.value for held in part.held} >= set(part.part.outputs)
    assert len(part.node_of) == len(part.model.operations)
    assert set(part.node_of) <= set(part.part.nodes)


def test_level_is_what_the_validator_finds_and_what_was_promised(registry: Registry) -> None:
    for function in (torch.relu, lambda x: x.permute(0, 2, 3, 1), torch.exp, torch.nn.functional.hardswish):
        _, found, plan = planned(function, registry)
        (part,) = lower_plan(found, plan, FactsByName(registry))

        promised = promised_level(part.part, plan.verdicts, plan.layout)

        assert part.level == validate(part.model, FactsByName(registry)).level == promised


class PlacesAddedToTheirImage(torch.nn.Module):
    """Whole numbers of one channel, in PyTorch's order, among images in NHWC."""

    def __init__(self) -> None:
        super().__init__()
        self.up = torch.nn.ConvTranspose2d(3, 5, 2, stride=2, padding=(1, 0))

    def forward(self, x: torch.Tensor) -> object:
        pooled = torch.max_pool2d(x, (2, 2), (2, 1), (0, 1))
        return self.up(torch.maximum(pooled.argmax(-3, keepdim=True).float() + pooled, torch.ones(1, 1, 1, 1)))


@pytest.mark.parametrize("level", range(3, 9))
def test_level_of_whole_numbers_that_change_their_layout_is_promised(level: int, registry: Registry) -> None:
    captured = capture(PlacesAddedToTheirImage().eval(), [torch.rand(SHAPE)], weights=True)
    found = survey(captured.graph, registry, registry.target("pytorch-mobile"))

    (part,) = lower_plan(found, found.at(level), FactsByName(registry))

    assert len(part.part.nodes) == len(found.nodes)
    assert validate(part.model, FactsByName(registry)).level <= level


def test_rule_that_emits_what_its_card_does_not_list_is_refused(registry: Registry) -> None:
    def rule(_node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation("TANH", [emit.input("self")])

    with pytest.raises(RuleError, match=r"aten\.relu\.default: emitted TANH, which its card does not list"):
        lower(torch.relu, registry, with_rule(rule))


def test_rule_with_too_many_outputs_is_refused(registry: Registry) -> None:
    def rule(_node: NodeReader, emit: Emitter) -> Sequence[OperandId]:
        made = emit.operation("RELU", [emit.input("self")])
        return (made, made)

    with pytest.raises(RuleError, match="made 2 outputs, the node has 1"):
        lower(torch.relu, registry, with_rule(rule))


def test_rule_whose_output_has_another_shape_is_refused(registry: Registry) -> None:
    def rule(_node: NodeReader, emit: Emitter) -> OperandId:
        return emit.number(1.0, emit.input("self"))

    with pytest.raises(RuleError, match=r"its rule made .* its output is"):
        lower(torch.relu, registry, with_rule(rule))


def test_rule_that_makes_an_illegal_model_is_refused(registry: Registry) -> None:
    def rule(_node: NodeReader, emit: Emitter) -> OperandId:
        return emit.operation("RELU", [emit.input("self"), emit.int32(0)])

    with pytest.raises(RuleError, match="is not a legal model"):
        lower(torch.relu, registry, with_rule(rule))


def test_rule_that_needs_a_higher_level_than_promised_is_refused(registry: Registry) -> None:
    def rule(_node: NodeReader, emit: Emitter) -> OperandId:
        x = emit.input("self")
        (made,) = emit._emit("HARD_SWISH", [x], [emit.output_spec()])
        return made

    with pytest.raises(RuleError, match="needs feature level 4, its verdicts promised 1"):
        lower(torch.relu, registry, with_rule(rule))


def test_way_without_a_rule_is_told(registry: Registry) -> None:
    without = {key: rule for key, rule in rules().items() if key[0] != "aten.relu.default"}

    with pytest.raises(RuleError, match=r"aten\.relu\.default: no rule is registered for the way"):
        lower(torch.relu, registry, without)


def test_two_rules_for_one_way_are_refused() -> None:
    rules()
    with pytest.raises(RuleError, match="two rules are registered"):
        lowers("aten.relu.default", way="operation")(lambda _node, emit: emit.input("self"))


def test_every_way_of_every_card_has_a_rule_and_every_rule_a_way(registry: Registry) -> None:
    ways = {(card.op, way.name) for card in registry.cards() for way in card.ways}

    assert set(rules()) == ways


EACH_FAMILY_ALONE = """
import sys
from collections import defaultdict
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.lowering.emission import rule_table as registry

of_family = defaultdict(set)
for card in open_registry().cards():
    of_family[card.family] |= {(card.op, way.name) for way in card.ways}
for family, ways in of_family.items():
    registry._RULES.clear()
    for name in [name for name in sys.modules if name.startswith('nnapi_check.lowering.rules.')]:
        del sys.modules[name]
    missing = ways - set(registry.rules([family])) if ways else set()
    assert not missing, (family, missing)
"""


def test_module_of_a_family_registers_all_of_its_rules() -> None:
    done = subprocess.run([sys.executable, "-c", EACH_FAMILY_ALONE], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_output_that_is_an_input_is_copied(registry: Registry) -> None:
    _, found, plan = planned(lambda x: (torch.relu(x), torch.dropout(x, 0.5, train=False)), registry)

    for part in lower_plan(found, plan, FactsByName(registry)):
        made = [part.model.operands[holder.operand].source for holder in part.outputs]
        assert not any(isinstance(source, ModelInput) for source in made)


def test_same_value_as_two_outputs_is_two_operands(registry: Registry) -> None:
    _, found, plan = planned(lambda x: (torch.relu(x), torch.relu(x).contiguous()), registry)

    for part in lower_plan(found, plan, FactsByName(registry)):
        operands = [holder.operand for holder in part.outputs]
        assert len(operands) == len(set(operands))


def test_weights_are_not_read_to_lower(registry: Registry) -> None:
    module = torch.jit.trace(torch.nn.Conv2d(3, 5, (3, 2)).eval(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    captured = capture(module, [torch.rand(SHAPE)], weights=False)
    found = survey(captured.graph, registry, registry.target("pytorch-mobile"))

    (part,) = lower_plan(found, found.at(3), FactsByName(registry))

    assert part.buffers
    with pytest.raises(ValueError, match="without weights"):
        captured.tensor(found.graph.body.outputs[0])


LIKE: dict[str, Callable[[torch.Tensor], object]] = {
    "view_as": lambda x: (x * 2).flatten().view_as(torch.max_pool2d(x, 1)),
    "reshape_as": lambda x: (x * 2).flatten().reshape_as(torch.max_pool2d(x, 1)),
    "view_as of what is read": lambda x: (x * 2).flatten().view_as(y := torch.max_pool2d(x, 1)) + y,
    "expand_as": lambda x: x[:, :, :1, :1].expand_as(torch.max_pool2d(x, 2)),
    "full_like": lambda x: torch.full_like(torch.max_pool2d(x, 2), 2.0) + 1.0,
}


@pytest.mark.parametrize("level", [2, 3, 8])
@pytest.mark.parametrize("name", LIKE)
def test_a_layout_is_not_changed_for_a_value_that_is_read_for_its_shape(
    name: str, level: int, registry: Registry
) -> None:
    _, survey, plan = planned(LIKE[name], registry, level)

    for part in lower_plan(survey, plan, FactsByName(registry)):
        assert part.level <= promised_level(part.part, plan.verdicts, plan.layout)
