"""Trials: the graph as it would be after an edit, judged and planned as the model was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nnapi_check.analyzer.graph import Graph
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.analyzer.planning.causes import Cause
from nnapi_check.analyzer.planning.gains import AppliedEdit
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.analyzer.rewrites.driver import rewrite
from nnapi_check.analyzer.rewrites.rewrite import KnownOps
from nnapi_check.analyzer.trials.calls import EditedCall, edited_calls
from nnapi_check.analyzer.trials.splicing import Replacement, fits, spliced
from nnapi_check.analyzer.trials.written import graph_of
from nnapi_check.coverage_db.edits.edit import Edit, load_edits
from nnapi_check.coverage_db.queries import Registry


@dataclass(frozen=True, slots=True)
class _Kind:
    """What calls have in common for which an edit's code computes the same."""

    code: str
    tensors: tuple[object, ...]


@dataclass(slots=True)
class Trials:
    """Edits that are tried on one surveyed model, all by default. Code is read once for calls that are alike."""

    survey: Survey
    registry: Registry
    edits: Sequence[Edit] | None = None
    _read: dict[_Kind, Graph | None] = field(default_factory=dict)
    _made: dict[tuple[str, int], Replacement] = field(default_factory=dict)

    def edits_of(self, cause: Cause) -> Iterator[AppliedEdit]:
        """The edits that are for nodes of a cause, with the code of its first call among them."""
        nodes = [self.survey.nodes[node] for node in cause.nodes]
        edits = load_edits() if self.edits is None else self.edits
        for edit, calls in edited_calls(nodes, edits, self.survey.judgement.uses):
            made = [call for call in calls if self._replaces(call)]
            if made:
                yield AppliedEdit(edit, made[0].before, made[0].after, tuple(call.node.id for call in made))

    def survey_with(self, applied: Iterable[AppliedEdit], level: int) -> Survey:
        """The survey of the model with these edits, up to a feature level."""
        before = self.survey
        replacements = {node: self._made[item.edit.id, node] for item in applied for node in item.nodes}
        graph = rewrite(spliced(before.graph, replacements), KnownOps.of(self.registry)).graph
        judgement = judge(graph, before.planning.knowledge, before.target, before.per_channel)
        narrowed = before.planning.narrowed(judgement)
        plans = before.planning.plans(narrowed, level)
        return Survey(narrowed.graph, before.target, plans, before.planning, narrowed)

    def _replaces(self, call: EditedCall) -> bool:
        """Whether the code gives what the call gives; what it computes is kept."""
        graph = self.survey.graph
        kind = _Kind(call.after, tuple(_signature(call, graph)))
        if kind not in self._read:
            self._read[kind] = graph_of(call, graph, self.registry)
        found = self._read[kind]
        if found is None or not fits(call.node, found, graph):
            return False
        self._made[call.edit.id, call.node.id] = Replacement(found, call.values)
        return True


def _signature(call: EditedCall, graph: Graph) -> Iterator[object]:
    """The names of the tensors with their types, and what is left out."""
    for name, item in call.tensors.items():
        values = item if isinstance(item, tuple) else (item,)
        yield (name, *(None if value is None else graph.type_of(value) for value in values))
