"""The estimate of what a call of a model in pieces takes."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.planning.partition import Partition
from nnapi_check.analyzer.planning.worth import BYTES_PER_SECOND, SECONDS_PER_CALL, SPEEDUP, estimate
from tests.analyzer.hand_made_graphs import Sketch, graphs, surveyed, tensor

PAGE = Path(__file__).parents[3] / "docs" / "worth.md"


@given(graphs())
@settings(max_examples=50)
def test_nothing_on_nnapi_takes_what_the_cpu_takes(graph: Graph) -> None:
    found = estimate(graph, Partition((), ()))

    assert found.planned == found.cpu


def test_each_piece_pays_for_its_call_and_its_bytes() -> None:
    sketch = Sketch()
    image = tensor((1, 2, 7, 9))
    graph = sketch.graph(sketch.node("t.relu", sketch.input(image), kind=image))
    partition = surveyed(graph).at(8).partition

    found = estimate(graph, partition)

    (part,) = partition.parts
    saved = found.cpu * (1 - 1 / SPEEDUP)
    assert part.work == 126
    assert found.planned - found.cpu + saved == pytest.approx(SECONDS_PER_CALL + 2 * 126 * 4 / BYTES_PER_SECOND)
    assert found.is_slower


def test_the_speedup_is_the_median_of_the_ratios_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")

    found = [float(cpu) / float(nnapi) for cpu, nnapi in re.findall(r"(\d[\d.]*)/(\d[\d.]*)(?= |,)", text)]
    ratios = [ratio for ratio in found if ratio != 1 / 1.6]
    assert len(ratios) == 10
    assert round(median(ratios), 1) == SPEEDUP
