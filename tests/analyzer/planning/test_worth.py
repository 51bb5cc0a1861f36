"""Whether a part pays for its way, and what a call of a model in pieces is likely to take."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.planning.partition import Partition
from nnapi_check.analyzer.planning.work import works
from nnapi_check.analyzer.planning.worth import (
    BYTES_PER_SECOND,
    CPU_OPERATIONS_PER_SECOND,
    PEAK_BYTES_PER_SECOND,
    SECONDS_PER_CALL,
    SPEEDUP,
    estimate,
    least_cost,
)
from tests.analyzer.hand_made_graphs import Sketch, graphs, surveyed, tensor

PAGE = Path(__file__).parents[3] / "docs" / "worth.md"


@given(graphs())
@settings(max_examples=50)
def test_nothing_on_nnapi_takes_what_the_cpu_takes(graph: Graph) -> None:
    found = Partition((), ()).estimate(graph, works(graph))

    assert found.planned == found.cpu


def test_each_piece_pays_for_its_call_and_its_bytes() -> None:
    sketch = Sketch()
    image = tensor((1, 2, 7, 9))
    graph = sketch.graph(sketch.node("t.relu", sketch.input(image), kind=image))
    partition = surveyed(graph).at(8).partition

    found = partition.estimate(graph, works(graph))

    (part,) = partition.parts
    saved = found.cpu * (1 - 1 / SPEEDUP)
    assert part.work == 126
    assert found.planned - found.cpu + saved == pytest.approx(SECONDS_PER_CALL + 2 * 126 * 4 / BYTES_PER_SECOND)
    assert found.is_slower


@given(st.integers(1, 10**12), st.floats(0, 1), st.integers(1, 99), st.integers(1, 10**9))
def test_what_a_part_costs_at_least_is_no_more_than_what_a_plan_is_likely_to_pay(
    work: int, share: float, calls: int, crossing_bytes: int
) -> None:
    found = estimate(work, int(work * share), calls, crossing_bytes)
    nothing = estimate(work, 0, calls, crossing_bytes)

    least = least_cost(2 * calls, crossing_bytes) / CPU_OPERATIONS_PER_SECOND
    assert nothing.planned - nothing.cpu >= least * (1 - 1e-6)
    assert found.planned <= nothing.planned


def test_at_least_the_bytes_are_carried_at_the_speed_of_memory() -> None:
    at_least = least_cost(3, 10**6) - least_cost(3, 0)

    assert at_least == pytest.approx(10**6 / PEAK_BYTES_PER_SECOND * CPU_OPERATIONS_PER_SECOND)


@pytest.mark.parametrize(("pieces", "is_worth_it"), [(1, True), (37, False)])
def test_the_same_work_in_many_pieces_is_not_worthwhile(pieces: int, is_worth_it: bool) -> None:
    found = estimate(600 * 10**6, 500 * 10**6, pieces, 10**6)

    assert found.is_slower is not is_worth_it


def test_the_speedup_is_the_median_of_the_ratios_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")

    found = [float(cpu) / float(nnapi) for cpu, nnapi in re.findall(r"(\d[\d.]*)/(\d[\d.]*)(?= |,)", text)]
    ratios = [ratio for ratio in found if ratio != 1 / 1.6]
    assert len(ratios) == 10
    assert round(median(ratios), 1) == SPEEDUP


def test_the_page_tells_the_figures_that_are_computed_with() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())

    for words in ("40 billion operations", "1.6 times", "0.25 ms", "17 billion bytes", "34.1 billion", "0.1 µs"):
        assert words in text
