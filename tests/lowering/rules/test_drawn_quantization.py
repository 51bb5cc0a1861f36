"""Whatever way takes quantized tensors is within its bound, for parameters of any size: exact ways are exact."""

import warnings

import pytest

from benchmarks.quantized_rules import quantized_ways, try_way
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.coverage_db.cards import Card, Example, Way
from nnapi_check.coverage_db.queries import Registry, open_registry

WAYS = [pytest.param(*found, id=f"{found[0].op}-{found[1].name}") for found in quantized_ways()]
DRAWS = 3


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.mark.parametrize(("card", "way", "examples"), WAYS)
def test_accepted_parameters_keep_the_bound(card: Card, way: Way, examples: list[Example], registry: Registry) -> None:
    with warnings.catch_warnings(), quantized_as_on_phones():
        warnings.simplefilter("ignore")
        row = try_way(card, way, examples, registry, DRAWS, seed=1)

    assert row.beyond == []
