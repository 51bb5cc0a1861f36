"""Layers are equalized where both are in one part, at a level that has what ends their channels."""

from dataclasses import replace

import pytest

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.planning.equalized_plan import equalized
from nnapi_check.analyzer.planning.partition import Part, Partition
from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE, PerChannelChoice
from tests.nnapi_check.quantized_models import traced_bottleneck


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    graph = capture(traced_bottleneck(tmp_path_factory.mktemp("models") / "bottleneck.pt"), None, weights=False).graph
    registry = open_registry()
    return survey(graph, registry, registry.target(PYTORCH_MOBILE), per_channel=PerChannelChoice.EQUALIZE)


def layers(found: Survey) -> list[int]:
    return [node.id for node in found.graph.nodes() if node.op.startswith("quantized.conv2d")]


def again(found: Survey, plan: Plan, since: int = 3) -> Plan:
    """A plan, equalized."""
    return equalized(replace(plan, factors={}), found.judgement.uses, since)


def test_the_last_layers_of_a_bottleneck_are_equalized(found: Survey) -> None:
    plan, before = found.at(3), found.judgement.at(3)

    assert list(plan.factors) == layers(found)[1:]
    for node in plan.factors:
        way, earlier = plan.verdicts[node].way, before[node].way
        assert way is not None
        assert earlier is not None
        assert way.name == earlier.name
        assert way.bound != earlier.bound


def test_a_level_without_what_ends_channels_has_no_factors(found: Survey) -> None:
    assert again(found, found.at(3), since=4).factors == {}


def test_layers_of_two_parts_are_not_equalized(found: Survey) -> None:
    plan = found.at(3)
    (part,) = plan.partition.parts
    halves = [
        Part(index, tuple(node for node in part.nodes if (node > layers(found)[1]) == index), (), (), 1, 1)
        for index in (False, True)
    ]

    assert set(again(found, plan).factors) == set(layers(found)[1:])
    assert again(found, replace(plan, partition=Partition(tuple(halves), ()))).factors == {}
