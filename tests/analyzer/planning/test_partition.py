"""Parts: connected, without cycles, worthwhile."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest
from hypothesis import assume, given, settings

from nnapi_check.analyzer.graph import Block, ElementType, Graph, Node, NodeOutput
from nnapi_check.analyzer.judging.judge import NodeVerdict
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.analyzer.planning.partition import Partition, connected_groups, crosses, partition
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.analyzer.planning.work import works
from nnapi_check.coverage_db.cards import Layout, Status
from tests.analyzer.hand_made_graphs import Sketch, graphs, mobile, surveyed, tensor, way


def parted(graph: Graph, level: int = 8) -> Partition:
    return surveyed(graph).at(level).partition


def test_graph_that_is_all_supported_is_one_part() -> None:
    sketch = Sketch()
    x = sketch.input()
    made = sketch.node("t.relu", sketch.node("t.add", sketch.node("t.relu", x), x))

    (part,) = parted(sketch.graph(made)).parts

    assert part.nodes == (0, 1, 2)
    assert part.inputs == (x,)
    assert part.outputs == (made,)


def test_one_node_alone_is_kept_when_it_is_all_there_is() -> None:
    sketch = Sketch()
    made = sketch.node("t.relu", sketch.input(tensor((2, 3))), kind=tensor((2, 3)))

    assert len(parted(sketch.graph(made)).parts) == 1


def test_small_part_beside_others_is_left_to_the_cpu_with_its_reason() -> None:
    sketch = Sketch()
    made = sketch.node("t.gap", sketch.node("t.relu", sketch.input()))

    found = parted(sketch.graph(made))

    assert found.parts == ()
    assert [dropped.reason for dropped in found.dropped] == ["NNC901"]
    assert found.dropped[0].part.nodes == (0,)


def many(sketch: Sketch, x: int, count: int = 40) -> int:
    """So many elementwise nodes that they are worth a part."""
    for _ in range(count):
        x = sketch.node("t.relu", x)
    return x


def test_unsupported_node_in_the_middle_makes_two_parts() -> None:
    sketch = Sketch()
    first = many(sketch, sketch.input())
    second = sketch.node("t.gap", first)
    made = many(sketch, second)

    found = parted(sketch.graph(made))

    assert [len(part.nodes) for part in found.parts] == [40, 40]
    assert found.parts[0].outputs == (first,)
    assert found.parts[1].inputs == (second,)


def test_detour_over_the_cpu_does_not_close_a_cycle() -> None:
    sketch = Sketch()
    first = many(sketch, sketch.input())
    detour = sketch.node("t.gap", first)
    made = many(sketch, sketch.node("t.add", first, detour))

    found = parted(sketch.graph(made))

    assert [len(part.nodes) for part in found.parts] == [40, 41]
    assert first in found.parts[0].outputs
    assert first in found.parts[1].inputs


def test_branches_that_meet_again_are_one_part() -> None:
    sketch = Sketch()
    x = sketch.input()
    made = sketch.node("t.add", many(sketch, x), many(sketch, x))

    assert len(parted(sketch.graph(made)).parts) == 1


def test_parts_that_nothing_connects_stay_apart() -> None:
    sketch = Sketch()
    left, right = many(sketch, sketch.input()), many(sketch, sketch.input())

    assert len(parted(sketch.graph(left, right)).parts) == 2


def test_value_that_is_read_outside_is_an_output() -> None:
    sketch = Sketch()
    inner = many(sketch, sketch.input())
    made = sketch.node("t.relu", inner)

    (part,) = parted(sketch.graph(made, inner)).parts

    assert part.outputs == (inner, made)


def test_value_that_cannot_cross_keeps_its_part_on_the_cpu() -> None:
    sketch = Sketch()
    flags = tensor(dtype=ElementType.BOOL)
    x = sketch.input(flags)
    made = sketch.node("t.relu", x, kind=flags)

    found = parted(sketch.graph(made))

    assert found.parts == ()


def test_only_what_meets_a_value_that_is_not_carried_stays_on_the_cpu() -> None:
    sketch = Sketch()
    flags = tensor(dtype=ElementType.BOOL)
    x = many(sketch, sketch.node("t.elu", sketch.input()))
    given = sketch.node("t.not", sketch.input(flags), kind=flags)
    inner = sketch.node("t.greater", x, x, kind=flags)
    chosen = many(sketch, sketch.node("t.choose", x, x, inner))
    outer = sketch.node("t.greater", x, chosen, kind=flags)
    opposite = sketch.node("t.not", outer, kind=flags)
    graph = sketch.graph(chosen, opposite, given)
    made = {value: node.id for node in graph.nodes() for value in node.outputs}

    found = parted(graph)

    (part,) = found.parts
    assert {made[inner], made[chosen]} <= set(part.nodes)
    told = {dropped.part.nodes: dropped.reason for dropped in found.dropped}
    assert told == {(made[given],): "NNC902", (made[outer], made[opposite]): "NNC902"}


def test_what_two_parts_share_that_is_not_carried_is_found_when_the_parts_are_known() -> None:
    sketch = Sketch()
    flags = tensor(dtype=ElementType.BOOL)
    x = many(sketch, sketch.node("t.elu", sketch.input()))
    mask = sketch.node("t.greater", x, x, kind=flags)
    first = many(sketch, sketch.node("t.choose", x, x, mask))
    second = many(sketch, sketch.node("t.choose", sketch.node("t.gap", first), x, mask))

    found = parted(sketch.graph(second))

    assert len(found.parts) == 3
    assert [dropped.reason for dropped in found.dropped] == ["NNC902"]


def test_node_that_moves_nothing_alone_is_no_part() -> None:
    sketch = Sketch()
    made = sketch.node("t.gap", sketch.node("t.nothing", sketch.input()))

    found = parted(sketch.graph(made))

    assert found.parts == ()
    assert found.dropped == ()


def test_branch_of_control_flow_has_parts_of_its_own() -> None:
    sketch = Sketch()
    x = sketch.input()
    nodes: list[Node] = []
    value = x
    for _ in range(40):
        node, value = sketch.made("t.relu", value)
        nodes.append(node)
    result = sketch.node("prim.If", blocks=(Block((), tuple(nodes), (value,)), Block((), (), (x,))))

    (part,) = parted(sketch.graph(result)).parts

    assert part.nodes == tuple(node.id for node in nodes)
    assert part.inputs == (x,)
    assert part.outputs == (value,)


def test_indices_count_the_parts_that_are_kept() -> None:
    sketch = Sketch()
    x = sketch.node("t.gap", sketch.node("t.relu", sketch.input()))
    made = many(sketch, sketch.node("t.gap", many(sketch, x)))

    found = parted(sketch.graph(made))

    assert [part.index for part in found.parts] == [0, 1]
    assert set(found.part_of().values()) == {0, 1}


def supported(survey: Survey, level: int) -> set[int]:
    return {node for node, verdict in survey.at(level).verdicts.items() if verdict.is_supported}


@given(graphs())
@settings(max_examples=150)
def test_no_supported_node_is_lost_silently(graph: Graph) -> None:
    survey = surveyed(graph)
    plan = survey.at(4)
    silent = {node for node, verdict in plan.verdicts.items() if verdict.way is not None and not verdict.way.emits}

    held = set(plan.partition.part_of())
    told = {node for dropped in plan.partition.dropped for node in dropped.part.nodes}

    assert supported(survey, 4) - held - told <= silent
    assert held | told <= supported(survey, 4)
    assert not held & told


@given(graphs())
@settings(max_examples=150)
def test_parts_are_disjoint_and_tell_all_that_crosses(graph: Graph) -> None:
    parts = surveyed(graph).at(4).partition.parts

    nodes = [node for part in parts for node in part.nodes]
    assert len(nodes) == len(set(nodes))
    made_by = {value: node.id for node in graph.nodes() for value in node.outputs}
    readers = {value: {node.id for node in graph.nodes() if value in set(node.inputs())} for value in made_by}
    for part in parts:
        members = set(part.nodes)
        inner = {value for node in graph.nodes() if node.id in members for value in node.outputs}
        read = {value for node in graph.nodes() if node.id in members for value in node.inputs()}
        assert set(part.inputs) == read - inner
        assert set(part.outputs) == {
            value for value in inner if readers[value] - members or value in graph.body.outputs
        }


@given(graphs(most_nodes=24))
@settings(max_examples=150)
def test_nothing_crosses_that_the_target_does_not_carry(graph: Graph) -> None:
    survey = surveyed(graph)
    for plan in survey.plans:
        crossing = {value for part in plan.partition.parts for value in (*part.inputs, *part.outputs)}
        assert all(crosses(graph, value, survey.target) for value in crossing)


@given(graphs())
@settings(max_examples=150)
def test_parts_can_run_as_one_piece_each(graph: Graph) -> None:
    part_of = surveyed(graph).at(4).partition.part_of()
    group = {node.id: ("part", part_of[node.id]) if node.id in part_of else ("node", node.id) for node in graph.nodes()}
    before: dict[tuple[str, int], set[tuple[str, int]]] = {found: set() for found in group.values()}
    for node in graph.nodes():
        for value in node.inputs():
            origin = graph.values[value].origin
            if isinstance(origin, NodeOutput) and group[origin.node] != group[node.id]:
                before[group[node.id]].add(group[origin.node])

    TopologicalSorter(before).prepare()  # A cycle is an error.


@given(graphs())
@settings(max_examples=60)
def test_every_part_is_connected(graph: Graph) -> None:
    for part in surveyed(graph).at(4).partition.parts:
        nodes = {node.id: node for node in graph.nodes() if node.id in part.nodes}
        reached, waiting = set(), [part.nodes[0]]
        while waiting:
            current = waiting.pop()
            if current in reached:
                continue
            reached.add(current)
            touched = {*nodes[current].outputs, *nodes[current].inputs()}
            waiting += [
                other
                for other, node in nodes.items()
                if {*node.outputs} & touched or set(node.inputs()) & set(nodes[current].outputs)
            ]
        assert reached == set(part.nodes)


def _pieces(graph: Graph, nodes: list[int], layout: LayoutPlan) -> int:
    """The fewest connected parts without cycles of all supported nodes, by trying every way to put them together."""
    made = {value: node.id for node in graph.nodes() for value in node.outputs}
    reads = [(made[value], node.id, value) for node in graph.nodes() for value in node.inputs() if value in made]
    together = [
        (first, second)
        for first, second, value in reads
        if {first, second} <= {*nodes} and (second, value) not in layout.cuts
    ]
    cut = [(first, second) for first, second, value in reads if (second, value) in layout.cuts]

    def is_possible(part_of: dict[int, int]) -> bool:
        if any(part_of[first] == part_of[second] for first, second in cut):
            return False
        for part in set(part_of.values()):
            members = [node for node in nodes if part_of[node] == part]
            reached = {members[0]}
            for _ in members:
                reached |= {b for a, b in together if a in reached and part_of[b] == part}
                reached |= {a for a, b in together if b in reached and part_of[a] == part}
            if len(reached) < len(members):
                return False
        before: dict[int, set[int]] = {}
        for first, second, _ in reads:
            a, b = (part_of.get(node, -1 - node) for node in (first, second))
            if a != b:
                before.setdefault(b, set()).add(a)
        try:
            TopologicalSorter(before).prepare()
        except CycleError:
            return False
        return True

    def ways(rest: list[int], part_of: dict[int, int]) -> Iterator[dict[int, int]]:
        if not rest:
            yield part_of
            return
        for part in range(len(set(part_of.values())) + 1):
            yield from ways(rest[1:], {**part_of, rest[0]: part})

    return min(len(set(way.values())) for way in ways(nodes, {}) if is_possible(way))


def _fewest(graph: Graph) -> tuple[int, int] | None:
    """How many groups are found, and how few there could be; None of graphs that are too large to try."""
    survey = surveyed(graph)
    plan = survey.at(4)
    found = [node.id for node in graph.body.nodes if node.id in supported(survey, 4)]
    if not 0 < len(found) <= 7:
        return None
    groups = connected_groups(graph.body, graph, set(found), plan.layout, is_one=False)
    return len(groups), _pieces(graph, found, plan.layout)


@given(graphs(most_nodes=9))
@settings(max_examples=200, derandomize=True)
def test_there_are_no_more_parts_than_there_must_be(graph: Graph) -> None:
    counts = _fewest(graph)
    assume(counts is not None)

    assert counts is not None
    assert counts[0] == counts[1]


def test_a_part_waits_for_the_part_that_reads_it() -> None:
    sketch = Sketch()
    x = sketch.input()
    waiting, first = many(sketch, x), many(sketch, x)
    last = sketch.node("t.add", sketch.node("t.gap", first), waiting)

    assert len(parted(sketch.graph(many(sketch, last))).parts) == 2


@pytest.mark.parametrize("level", [1, 2])
def test_conflict_of_layouts_is_cut_where_nothing_transposes(level: int) -> None:
    sketch = Sketch()
    first = many(sketch, sketch.node("t.conv", sketch.input()))
    made = many(sketch, sketch.node("t.tanh", first))

    found = parted(sketch.graph(made), level)

    assert len(found.parts) == (2 if level == 1 else 1)


def test_what_a_branch_that_is_lowered_whole_reads_that_is_not_carried_keeps_it_on_the_cpu() -> None:
    sketch = Sketch()
    x, flags = sketch.input(), sketch.input(tensor(dtype=ElementType.BOOL))
    node, value = sketch.made("t.choose", x, x, flags)
    result = sketch.node("prim.If", x, blocks=(Block((), (node,), (value,)), Block((), (), (x,))))
    graph = sketch.graph(result)
    holder = next(found for found in graph.nodes() if found.blocks)
    supported = way("operation", Layout.ANY, "RELU")
    verdicts = {found.id: NodeVerdict(found.op, Status.NATIVE, supported, 1, ()) for found in graph.nodes()}

    found = partition(graph, verdicts, LayoutPlan(frozenset(), {}, {}, frozenset(), {}), mobile(), works(graph))

    assert found.parts == ()
    assert [(dropped.reason, dropped.value) for dropped in found.dropped] == [("NNC902", flags)]
    assert set(found.dropped[0].part.nodes) == {holder.id, node.id}
