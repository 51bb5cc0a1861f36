"""Verdicts on nodes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given

from nnapi_check.analyzer.graph import (
    OVERWRITTEN,
    Block,
    DynamicType,
    ElementType,
    Graph,
    OtherType,
    PerChannel,
    PerTensor,
    Quantization,
    Unknown,
    ValueType,
)
from nnapi_check.analyzer.judging.judge import LEVELS, Judgement, NodeVerdict, judge
from nnapi_check.coverage_db.cards import Card, Emission, Layout, Status, Way
from nnapi_check.coverage_db.checks import Compare, IsAbsent, IsConstant, IsKnown, Relation
from nnapi_check.coverage_db.requirements import Requirement
from nnapi_check.coverage_db.spec import OperandType
from tests.analyzer.hand_made_graphs import NO_DILATION, HandMadeKnowledge, Sketch, card, graphs, mobile, tensor, way
from tests.registry_numbers import LEVELS as REGISTRY_LEVELS


def judged(graph: Graph, *cards: Card) -> Judgement:
    knowledge = HandMadeKnowledge(cards) if cards else HandMadeKnowledge()
    return judge(graph, knowledge, mobile())


def one(op: str, kind: ValueType | None = None, level: int = 8, output: ValueType | None = None) -> NodeVerdict:
    sketch = Sketch()
    made = sketch.node(op, sketch.input(kind), kind=output or kind)
    return judged(sketch.graph(made)).at(level)[0]


def test_op_with_one_operation_is_native() -> None:
    found = one("t.relu")

    assert found.status is Status.NATIVE
    assert found.level == 1
    assert found.failures == ()


def test_composition_is_lowered() -> None:
    assert one("t.swish", level=3).status is Status.LOWERED
    assert one("t.swish", level=4).status is Status.NATIVE


def test_bounded_way_is_approximate() -> None:
    assert one("t.near").status is Status.APPROXIMATE


@pytest.mark.parametrize(("op", "level"), [("t.relu", 1), ("t.swish", 1), ("t.elu", 4)])
def test_lowest_level_is_that_of_the_operations(op: str, level: int) -> None:
    supported = [found for found in LEVELS if one(op, level=found).is_supported]

    assert supported == [found for found in REGISTRY_LEVELS if found >= level]


def test_too_low_a_level_names_the_one_that_would_do() -> None:
    (failure,) = one("t.elu", level=3).failures

    assert failure.reason == "NNC201"
    assert failure.found == "feature level 3"
    assert failure.wanted == "feature level 4 or higher"
    assert "ELU" in failure.because


def test_of_the_ways_that_a_level_opens_only_the_lowest_is_told() -> None:
    known = card("t.op", way("late", Layout.ANY, "HARD_SWISH"), way("early", Layout.ANY, "TRANSPOSE"))
    sketch = Sketch()
    made = sketch.node("t.op", sketch.input())

    failures = judged(sketch.graph(made), known).at(1)[0].failures

    assert [failure.wanted for failure in failures] == ["feature level 2 or higher"]


def test_first_way_that_fits_is_taken() -> None:
    found = one("t.swish", level=8)

    assert found.way is not None
    assert found.way.name == "operation"


def test_operations_that_keep_the_type_do_not_serve_an_op_that_changes_it() -> None:
    whole = tensor((2, 3), ElementType.INT32)
    known = card("t.op", way("operation", Layout.ANY, "ABS"))

    for output, is_supported in ((whole, True), (tensor((2, 3)), False)):
        sketch = Sketch()
        made = sketch.node("t.op", sketch.input(whole), kind=output)
        found = judged(sketch.graph(made), known).at(8)[0]
        assert found.is_supported is is_supported

    (failure,) = found.failures
    assert (failure.reason, failure.found) == ("NNC301", "ABS would give TENSOR_INT32")


def test_op_without_a_card_is_unknown() -> None:
    found = one("t.nobody")

    assert found.status is Status.UNKNOWN
    assert [failure.reason for failure in found.failures] == ["NNC103"]


def test_node_without_tensors_is_of_the_program_and_not_unknown() -> None:
    found = one("t.nobody", OtherType("int"), output=OtherType("bool"))

    assert found.status is Status.CPU
    assert [(failure.reason, failure.requirement) for failure in found.failures] == [("NNC702", "program")]


@pytest.mark.parametrize("op", ["aten.append.t", "aten.__getitem__.t", "prim.TupleIndex.default"])
def test_op_that_passes_tensors_on_is_of_the_program_and_not_unknown(op: str) -> None:
    found = one(op, OtherType("List[Tensor]"), output=tensor())

    assert found.status is Status.CPU
    assert [(failure.reason, failure.requirement) for failure in found.failures] == [("NNC702", "program")]


def test_gap_tells_why() -> None:
    (failure,) = one("t.gap").failures

    assert (failure.reason, failure.because, failure.fix) == ("NNC101", "No operation computes it.", "Do without.")


def test_unwritten_rule_names_what_could_serve() -> None:
    (failure,) = one("t.unwritten").failures

    assert failure.reason == "NNC102"
    assert "LSTM" in failure.because


def test_control_flow_stays_on_the_cpu() -> None:
    sketch = Sketch()
    x = sketch.input()
    inner, made = sketch.made("t.relu", x)
    result = sketch.node("prim.If", blocks=(Block((), (inner,), (made,)), Block((), (), (x,))))

    found = judged(sketch.graph(result)).at(8)

    assert [failure.reason for failure in found[1].failures] == ["NNC702"]
    assert found[0].is_supported


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (DynamicType("it depends"), "NNC701"),
        (DynamicType(OVERWRITTEN, "t.relu_"), "NNC105"),
        (tensor((1 << 15, 1 << 15)), "NNC303"),
        (tensor((1 << 16, 1 << 16), dtype=ElementType.BOOL), "NNC303"),
        (OtherType("int"), "NNC702"),
        (tensor((1, 2, 3, 5, 7)), "NNC302"),
        (tensor((3, 0)), "NNC303"),
        (tensor(dtype=ElementType.FLOAT64), "NNC301"),
        (tensor(dtype=ElementType.COMPLEX64), "NNC301"),
    ],
)
def test_tensor_that_nnapi_has_not_is_refused_with_its_reason(kind: ValueType, reason: str) -> None:
    found = one("t.relu", kind)

    assert found.status is Status.CPU
    assert reason in {failure.reason for failure in found.failures}


def test_step_that_opens_no_way_by_itself_is_not_told_beside_one_that_does() -> None:
    far = Requirement("far", Compare(Relation.EQUALS, "alpha", 1), "It has no factor.", "Pass alpha=1.")
    known = card(
        "t.op",
        way("near", Layout.ANY, "RELU", requires=(NO_DILATION,)),
        way("farther", Layout.ANY, "RELU", requires=(NO_DILATION, far)),
        way("late", Layout.ANY, "HARD_SWISH"),
    )
    sketch = Sketch()
    made = sketch.node("t.op", sketch.input(), dilation=2, alpha=3)
    judgement = judged(sketch.graph(made), known)

    assert [failure.way for failure in judgement.at(1)[0].failures] == ["near", "late"]
    assert {failure.fix for failure in judgement.at(1)[0].failures if failure.way == "near"} == {"Pass dilation=1."}


def test_way_for_other_calls_is_not_told() -> None:
    other = Requirement("one", Compare(Relation.EQUALS, "alpha", 1), "It has no factor.", "Nothing.", selects=True)
    known = card(
        "t.op",
        way("for others", Layout.ANY, "RELU", requires=(other,)),
        way("for this", Layout.ANY, "RELU", requires=(NO_DILATION,)),
    )
    sketch = Sketch()
    made = sketch.node("t.op", sketch.input(), dilation=2, alpha=3)

    assert [failure.way for failure in judged(sketch.graph(made), known).at(1)[0].failures] == ["for this"]


def test_advice_on_rank_does_not_go_in_a_circle() -> None:
    wide = tensor((1, 2, 3, 5, 7))
    known = card("aten.view.default", way("operation", Layout.TORCH, "RESHAPE"))
    sketch = Sketch()
    made = sketch.node("aten.view.default", sketch.input(tensor((2, 3, 35))), kind=wide)

    (failure,) = judged(sketch.graph(made), known).at(8)[0].failures

    assert (failure.reason, failure.found) == ("NNC302", "output has rank 5")
    assert "reshape" not in failure.fix


def test_every_reason_is_told_at_once() -> None:
    sketch = Sketch()
    x = sketch.input(tensor((1, 2, 3, 5, 7), ElementType.FLOAT64))
    made = sketch.node("t.pool", x, dilation=3, kind=tensor((1, 2, 3, 5, 7), ElementType.FLOAT64))

    requirements = {failure.requirement for failure in judged(sketch.graph(made)).at(8)[0].failures}

    assert {"rank", "element-type", "no-dilation"} <= requirements


def test_requirement_tells_what_was_found_and_what_is_wanted() -> None:
    sketch = Sketch()
    made = sketch.node("t.pool", sketch.input(), dilation=3)

    failure = judged(sketch.graph(made)).at(8)[0].failures[0]

    assert failure.requirement == "no-dilation"
    assert failure.found == "dilation is 3"
    assert failure.wanted == "dilation is 1"
    assert failure.fix == "Pass dilation=1."


def test_same_reason_of_two_ways_is_told_for_each_way_once() -> None:
    sketch = Sketch()
    made = sketch.node("t.pool", sketch.input(), dilation=3)

    failures = judged(sketch.graph(made)).at(8)[0].failures

    assert len(set(failures)) == len(failures)


@pytest.mark.parametrize(
    ("quant", "dtype", "is_supported"),
    [
        (PerTensor(0.5, 3), ElementType.QUINT8, True),
        (PerChannel((0.5, 0.25, 1.0, 2.0, 0.1, 0.2), (0,) * 6, 1), ElementType.QINT8, False),
    ],
)
def test_quantization_per_channel_is_refused_for_the_loader(
    quant: Quantization, dtype: ElementType, is_supported: bool
) -> None:
    found = one("t.relu", tensor(dtype=dtype, quant=quant))

    assert found.is_supported is is_supported
    if not is_supported:
        assert "NNC801" in {failure.reason for failure in found.failures}


def test_element_type_can_raise_the_level() -> None:
    found = one("t.relu", tensor(dtype=ElementType.FLOAT16), level=8)

    assert found.level == 3


def test_requirement_until_a_level_raises_the_level_instead_of_refusing() -> None:
    until = Requirement("short", Compare(Relation.LESS, "size", 5), "It is long.", "Cut it.", until=2)
    known = card("t.op", way("operation", Layout.ANY, "RELU", requires=(until,)))
    levels = {}
    for size in (4, 5):
        sketch = Sketch()
        made = sketch.node("t.op", sketch.input(), size=size)
        levels[size] = judged(sketch.graph(made), known).at(8)[0].level

    assert levels == {4: 1, 5: 3}


def test_role_that_came_late_raises_the_level() -> None:
    emission = Emission("CONV_2D", roles=("dilation_width",))
    known = Card("t.op", "made", "", (Way("dilated", (emission,), Layout.NHWC),))
    sketch = Sketch()
    made = sketch.node("t.op", sketch.input())

    assert judged(sketch.graph(made), known).at(8)[0].level == 3


def test_fixed_type_decides_the_level() -> None:
    known = Card("t.op", "made", "", (Way("w", (Emission("RELU", type=OperandType.TENSOR_FLOAT16),), Layout.ANY),))
    sketch = Sketch()
    made = sketch.node("t.op", sketch.input())

    assert judged(sketch.graph(made), known).at(8)[0].level == 3


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (IsConstant("self"), "NNC401"),
        (IsKnown("size"), "NNC402"),
        (IsAbsent("self"), "NNC402"),
        (Compare(Relation.EQUALS, "self.rank", 9), "NNC302"),
        (Compare(Relation.EQUALS, "self.shape[0]", 9), "NNC303"),
        (Compare(Relation.EQUALS, "self.dtype", "i32"), "NNC301"),
        (Compare(Relation.EQUALS, "self.quantization", "per-tensor"), "NNC501"),
        (Compare(Relation.EQUALS, "other_size", 9), "NNC402"),
    ],
)
def test_reason_follows_from_what_a_requirement_speaks_of(check: IsConstant, reason: str) -> None:
    known = card("t.op", way("w", Layout.ANY, "RELU", requires=(Requirement("r", check, "Because.", "Fix."),)))
    sketch = Sketch()
    made = sketch.node("t.op", sketch.input(), size=Unknown("later"), other_size=1)

    (failure,) = judged(sketch.graph(made), known).at(8)[0].failures

    assert failure.reason == reason


def test_constant_nodes_are_not_judged() -> None:
    sketch = Sketch()
    made = sketch.node("t.nobody", sketch.parameter(tensor()))
    graph = sketch.graph(made)
    body = replace(graph.body, nodes=(replace(graph.body.nodes[0], is_constant=True),))

    assert judged(replace(graph, body=body)).nodes == {}


@given(graphs())
def test_higher_level_never_takes_a_way_away(graph: Graph) -> None:
    judgement = judged(graph)

    for lower, higher in pairwise(LEVELS):
        for node, verdict in judgement.at(lower).items():
            if verdict.is_supported:
                assert judgement.at(higher)[node].is_supported


@given(graphs())
def test_every_refused_node_has_a_reason_and_every_supported_one_has_none(graph: Graph) -> None:
    for verdict in judged(graph).at(3).values():
        assert verdict.is_supported == (not verdict.failures)
        assert all(failure.because and failure.fix and failure.wanted for failure in verdict.failures)
