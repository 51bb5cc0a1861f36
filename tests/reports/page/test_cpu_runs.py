"""The runs of ops on the CPU."""

from collections.abc import Iterable
from dataclasses import replace
from graphlib import TopologicalSorter
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from nnapi_check.reports.page.cpu_runs import cpu_runs
from nnapi_check.reports.views import FlowView, GraphView, LevelGraphView
from tests.reports.sample_reports import mixed_report


def runs_of(parts: list[int | None], edges: Iterable[tuple[int, int]]) -> tuple[int | None, ...]:
    template = mixed_report().nodes[0]
    nodes = tuple(replace(template, id=index, part=part) for index, part in enumerate(parts))
    flows = tuple(FlowView("f32[1]", maker, "", (reader,), is_output=False) for maker, reader in edges)
    level = LevelGraphView(4, tuple(parts), (0,) * len(parts))
    (found,) = cpu_runs(replace(mixed_report(), nodes=nodes), GraphView(flows, (), (level,)))
    return found


def test_ops_before_and_behind_a_model_are_two_runs() -> None:
    assert runs_of([None, None, 0, None], [(0, 1), (1, 2), (2, 3)]) == (0, 0, None, 1)


def test_ops_beside_a_model_are_of_the_run_before_it() -> None:
    assert runs_of([None, 0, None, None], [(0, 1), (0, 2), (1, 3), (2, 3)]) == (0, None, 0, 1)


@st.composite
def split_graphs(draw: st.DrawFn) -> tuple[list[int | None], set[tuple[int, int]]]:
    """A graph in execution order, whose models are stretches of it, so that it has no cycle among them."""
    count = draw(st.integers(2, 30))
    changes = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    stretches = list(accumulate(int(change) for change in changes))
    is_cpu = draw(st.lists(st.booleans(), min_size=max(stretches) + 1, max_size=max(stretches) + 1))
    parts: list[int | None] = [None if is_cpu[stretch] else stretch for stretch in stretches]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = {(min(pair), max(pair)) for pair in draw(st.lists(pairs, max_size=60)) if pair[0] != pair[1]}
    return parts, edges


@given(split_graphs())
def test_models_and_runs_are_a_graph_without_cycles(found: tuple[list[int | None], set[tuple[int, int]]]) -> None:
    parts, edges = found
    runs = runs_of(parts, edges)
    groups = [("run", run) if part is None else ("model", part) for part, run in zip(parts, runs, strict=True)]

    sorter = TopologicalSorter[tuple[str, int | None]]()
    for maker, reader in edges:
        if groups[maker] != groups[reader]:
            sorter.add(groups[reader], groups[maker])

    sorter.prepare()  # Raises where there is a cycle.
    assert all((part is None) == (run is not None) for part, run in zip(parts, runs, strict=True))
