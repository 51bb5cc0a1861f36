"""Which ops on the CPU belong together: those that lie between the same NNAPI models."""

from __future__ import annotations

from collections.abc import Iterator

from nnapi_check.reports.views import GraphView, LevelGraphView, ModelReport


def cpu_runs(report: ModelReport, graph: GraphView) -> Iterator[tuple[int | None, ...]]:
    """For each level the number of the run of each node of the report, None for those of an NNAPI model.

    Two nodes on the CPU are of one run when as many times the side was changed on the way to them: no NNAPI model
    reads from a run and is read by it, so runs and models are a graph without cycles.
    """
    reads: dict[int, list[int]] = {node.id: [] for node in report.nodes}
    for flow in graph.flows:
        if flow.maker is not None:
            for reader in flow.readers:
                reads[reader].append(flow.maker)
    for level in graph.levels:
        yield _runs(report, level, reads)


def _runs(report: ModelReport, level: LevelGraphView, reads: dict[int, list[int]]) -> tuple[int | None, ...]:
    part_of = {node.id: part for node, part in zip(report.nodes, level.parts, strict=True)}
    changes = {node.id: 0 for node in report.nodes}
    of_part = {part: 0 for part in level.parts if part is not None}

    def changed(maker: int, reader: int) -> int:
        part = part_of[maker]
        before = changes[maker] if part is None else of_part[part]
        return before + (part != part_of[reader])

    # What is read comes earlier, but a model counts as often as its latest input does: until nothing changes.
    for _ in range(len(of_part) + 2):
        is_settled = True
        for node, part in part_of.items():
            found = max((changed(maker, node) for maker in reads[node]), default=0)
            if part is not None and found > of_part[part]:
                of_part[part], is_settled = found, False
            elif part is None and found > changes[node]:
                changes[node], is_settled = found, False
        if is_settled:
            break
    order = {
        count: number
        for number, count in enumerate(sorted({changes[id_] for id_, part in part_of.items() if part is None}))
    }
    return tuple(None if part is not None else order[changes[id_]] for id_, part in part_of.items())
