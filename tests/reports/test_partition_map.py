"""The drawing of where each op runs."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.reports.partition_map import ROW_HEIGHT, WIDTH, draw
from tests.reports.sample_reports import mixed_report, ready_report


def test_segments_follow_the_runs_of_the_nodes() -> None:
    found = draw(mixed_report())

    assert [segment.side for segment in found.segments] == ["part part-0", "cpu", "part part-1", "cpu"]
    assert found.segments[0].label == "NNAPI 0 · 9"
    assert found.segments[1].title.startswith("CPU: 7 ops (max_pool2d)")


def test_report_without_nodes_has_an_empty_drawing() -> None:
    assert draw(replace(ready_report(), nodes=())).segments == ()


def test_model_without_multiply_adds_is_drawn() -> None:
    nodes = tuple(replace(node, multiply_adds=0) for node in mixed_report().nodes)

    found = draw(replace(mixed_report(), nodes=nodes, multiply_adds=0))

    assert len(found.segments) == 4


@given(st.lists(st.sampled_from([None, 0, 1, 2]), min_size=1, max_size=120))
def test_segments_fill_the_drawing_and_do_not_overlap(parts: list[int | None]) -> None:
    template = mixed_report().nodes[0]
    nodes = tuple(replace(template, id=index, part=part) for index, part in enumerate(parts))

    found = draw(replace(mixed_report(), nodes=nodes))

    for row in {segment.y for segment in found.segments}:
        line = sorted((s for s in found.segments if s.y == row), key=lambda segment: segment.x)
        assert line[0].x == 0
        assert all(a.x + a.width <= b.x + 1.01 for a, b in pairwise(line))
        assert line[-1].x + line[-1].width == pytest.approx(WIDTH, abs=5)
    assert max(segment.y + ROW_HEIGHT for segment in found.segments) == found.height
