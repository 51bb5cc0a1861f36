"""What a report says, as plain data: every format is written from a ``ModelReport`` and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Extra(Enum):
    """What takes its time to make, and is made only where somebody shows it."""

    GRAPH = "graph"
    FILE = "file"


ALL_EXTRAS = frozenset(Extra)


@dataclass(frozen=True, slots=True)
class FailureView:
    """One reason why a way does not fit a node. ``cause`` is the op that is in the way, where it is another."""

    reason: str
    title: str
    requirement: str
    way: str
    found: str
    wanted: str
    because: str
    fix: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. ``part`` is the index of the NNAPI model that holds it, None on the CPU.

    ``is_op`` is whether it counts as an op: one that only passes a tensor on (dropout in evaluation) does not, in any
    number of the report. ``multiply_adds`` are those of convolutions and matrix products; where ``is_counted`` is
    false they are not known, and 0 stands for them. ``level`` is the lowest feature level of its way.
    ``arithmetic`` is what the way computes in: ``integers``, ``floats``, or ``none`` where it computes nothing. Where
    that is floats though the op reads quantized tensors, ``in_floats`` are the reasons.
    ``kept_because`` says why a node that NNAPI could run stays on the CPU.
    """

    id: int
    op: str
    module: str
    file: str | None
    line: int | None
    status: str
    way: str | None
    level: int | None
    emits: tuple[str, ...]
    differences: tuple[str, ...]
    bound: str | None
    part: int | None
    is_op: bool
    multiply_adds: int
    is_counted: bool
    output: str
    failures: tuple[FailureView, ...]
    kept_because: str | None
    arithmetic: str = "none"
    in_floats: tuple[FailureView, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceView:
    """Where a node stands in the user's source."""

    op: str
    module: str
    file: str | None
    line: int | None
    found: str


@dataclass(frozen=True, slots=True)
class BlockerView:
    """All nodes that stay on the CPU for one reason: the same requirement of the same op, or an op in their way.

    ``is_alternative`` means that it is in the way of another way than the nearest one: no need to mend both.
    """

    reason: str
    title: str
    op: str
    requirement: str
    wanted: str
    because: str
    fix: str
    is_alternative: bool
    places: tuple[PlaceView, ...]


@dataclass(frozen=True, slots=True)
class InFloatsView:
    """All nodes on quantized tensors that NNAPI computes in floats for one cause, with their multiply-adds.

    ``alternatives`` are fixes by themselves, beside ``fix``.
    """

    reason: str
    title: str
    because: str
    fix: str
    alternatives: tuple[str, ...]
    multiply_adds: int
    places: tuple[PlaceView, ...]


@dataclass(frozen=True, slots=True)
class WorkView:
    """The multiply-adds that NNAPI computes in integers and in floats, and those that PyTorch computes on the CPU.

    What decides is the way that was taken: a quantized convolution whose way dequantizes first computes in floats.
    """

    integers: int
    floats: int
    cpu: int


@dataclass(frozen=True, slots=True)
class StaysInFloatsView:
    """All nodes of one op that would not be quantized for one reason, with their multiply-adds."""

    because: str
    multiply_adds: int
    places: tuple[PlaceView, ...]


@dataclass(frozen=True, slots=True)
class IfQuantizedView:
    """What quantizing a model of floats would bring: an estimate from the same cards, with one scale for each tensor.

    Of the sums, ``weights_bytes_now`` and ``weights_bytes`` are of the constants that ops read, before and after.
    ``stays`` are ops that would not be quantized, ``in_floats`` are those that would, and that NNAPI would compute in
    floats all the same; ``cpu_ops`` is how many ops would stay on the CPU, and ``blockers`` why.
    """

    readiness: str
    score: float
    parts: int
    multiply_adds: int
    uncounted: int
    work: WorkView
    weights_bytes_now: int
    weights_bytes: int
    stays: tuple[StaysInFloatsView, ...]
    in_floats: tuple[InFloatsView, ...]
    cpu_ops: int
    blockers: tuple[BlockerView, ...]
    assumption: str


@dataclass(frozen=True, slots=True)
class LossView:
    """Points that the score lost, and to what. ``fix`` is the cheapest one, empty where none is known.

    ``op`` stands at ``module``, ``file`` and ``line``: what is not on NNAPI, or what the value that crosses a boundary
    crosses it for. It is empty where no op is to blame.
    """

    points: float
    kind: str
    what: str
    where: str
    fix: str = ""
    op: str = ""
    module: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LevelView:
    """The verdict at one feature level."""

    level: int
    android: str
    api_levels: tuple[int, ...]
    readiness: str
    score: float
    parts: int
    nodes_on_nnapi: int
    compute_coverage: float
    work: WorkView


@dataclass(frozen=True, slots=True)
class PartView:
    """One NNAPI model. ``inputs`` and ``outputs`` are types such as ``f32[1,3,224,224]``.

    ``nodes`` are all that it holds, ``ops`` the number of those that count as ops.
    """

    index: int
    nodes: tuple[int, ...]
    ops: int
    operations: int
    transposes: int
    level: int
    multiply_adds: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights_bytes: int
    work: WorkView


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """A difference between PyTorch and NNAPI that was met, and what is done about it.

    ``input_range`` tells the elements for which results may differ all the same; it is empty where there are none.
    """

    id: str
    title: str
    pytorch: str
    nnapi: str
    bridge: str
    nodes: int
    input_range: str = ""


@dataclass(frozen=True, slots=True)
class NumbersView:
    """How far one tensor is from PyTorch's. ``tolerance`` is the greatest ``max_relative`` that is accepted, None where
    steps count: ``steps`` is set for quantized tensors, the greatest error in steps of the scale, and ``steps_share``
    the share of elements that are off at all. ``signal_to_noise`` is in decibels, None where there is no difference at
    all."""

    name: str
    type: str
    max_absolute: float
    max_relative: float
    tolerance: float | None
    signal_to_noise: float | None
    steps: int | None
    steps_share: float | None


@dataclass(frozen=True, slots=True)
class LayerView:
    """The numbers of one node of an NNAPI model."""

    node: int
    op: str
    where: str
    numbers: NumbersView


@dataclass(frozen=True, slots=True)
class VerificationView:
    """The measured difference to PyTorch, per output and per layer. ``ran_in`` says what executed the NNAPI models, and
    ``notes`` which outputs were compared otherwise than element by element to the tolerance of rounding. ``float16``
    are the outputs computed with float16's numbers, of a file that lets drivers do so: the error to expect there."""

    ran_in: str
    level: int
    executions: int
    outputs: tuple[NumbersView, ...]
    layers: tuple[LayerView, ...]
    is_within_tolerance: bool
    tolerance: str
    notes: tuple[str, ...] = ()
    float16: tuple[NumbersView, ...] = ()


@dataclass(frozen=True, slots=True)
class SizeView:
    """What becomes of a model for inputs of certain types, such as ``f32[1,3,224,224]``."""

    inputs: tuple[str, ...]
    readiness: str
    score: float
    parts: int
    nodes_on_nnapi: int
    nodes_total: int
    compute_coverage: float
    verification: VerificationView | None = None


@dataclass(frozen=True, slots=True)
class FileView:
    """The size and the SHA-256 of a model's file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FlowView:
    """A tensor, or what else flows between nodes: its type, what makes it, and what reads it.

    ``maker`` is the id of a node, None where it is an input of the model, called ``name``. ``readers`` are ids as well.
    """

    type: str
    maker: int | None
    name: str
    readers: tuple[int, ...]
    is_output: bool


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What is said of a node at one feature level, as in ``NodeView``."""

    status: str
    way: str | None
    level: int | None
    emits: tuple[str, ...]
    differences: tuple[str, ...]
    bound: str | None
    failures: tuple[FailureView, ...]
    kept_because: str | None
    arithmetic: str


@dataclass(frozen=True, slots=True)
class LevelGraphView:
    """The graph at one feature level. For each node of the report in turn, ``parts`` has the index of the NNAPI model
    that holds it, None on the CPU, and ``answers`` the number of what is said of it."""

    level: int
    parts: tuple[int | None, ...]
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GraphView:
    """What flows between the nodes, and what is said of each at every level: ``answers`` has each answer once."""

    flows: tuple[FlowView, ...]
    answers: tuple[AnswerView, ...]
    levels: tuple[LevelGraphView, ...]


@dataclass(frozen=True, slots=True)
class GateView:
    """Whether the user's gate is passed, and each reason why not."""

    is_passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One thing that is told of a model and of its baseline. ``effect`` is ``worse``, ``better`` or ``same``."""

    what: str
    before: str
    after: str
    effect: str


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """How a model compares with a baseline, an earlier report.

    ``accepted`` are the reasons for which the gate would fail without the baseline.
    """

    baseline: str
    tool_version: str
    torch_version: str
    changes: tuple[ChangeView, ...]
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MisfitView:
    """Why the target does not carry the model at the level, and the cheapest fix."""

    because: str
    fix: str


@dataclass(frozen=True, slots=True)
class EditView:
    """An edit of a model's code, as it stands for the first of so many ``calls``.

    ``keeps`` is what becomes of the numbers: ``exact``, ``rounding``, ``near`` (each result of the call is ``within``
    so much of what it was), or ``retrain``, where it makes another network. ``provided`` is what must hold of the
    values for that, where it is not so for all.
    """

    id: str
    before: str
    after: str
    keeps: str
    within: float | None
    provided: str
    calls: int


@dataclass(frozen=True, slots=True)
class RemedyView:
    """One change that mends a cause, and the plan that comes of it, where ``gain`` is the points more than now.

    ``basis`` says how that is known: ``level`` is the plan for feature level ``level``, ``tried`` that of the graph
    with the ``edits`` made, and ``supposed`` the plan as though NNAPI had the ops, so that all its numbers are the most
    that can be had.
    """

    basis: str
    fix: str
    gain: float
    score: float
    parts: int
    work: float | None
    readiness: str
    level: int | None
    edits: tuple[EditView, ...] = ()


@dataclass(frozen=True, slots=True)
class CauseView:
    """Ops that stay off NNAPI, or in floats or less exact there, for one cause, and what mends it.

    ``alternatives`` are fixes by themselves, beside the remedies, of which nothing was tried.
    """

    ops: tuple[str, ...]
    because: str
    remedies: tuple[RemedyView, ...]
    alternatives: tuple[str, ...]
    places: tuple[PlaceView, ...]


@dataclass(frozen=True, slots=True)
class FirstChangesView:
    """What to change first, the most gain first. ``together`` is what all of them give at most, where that is more
    than the best of them alone. ``score``, ``parts`` and ``work`` are those of now."""

    score: float
    parts: int
    work: float | None
    causes: tuple[CauseView, ...]
    together: RemedyView | None


@dataclass(frozen=True, slots=True)
class ModelReport:
    """Everything that is said about a model at one target.

    ``summary`` is the verdict in one sentence, as a person says it. ``android`` is the version that ``api_level``
    stands for, and ``is_deprecated`` whether NNAPI is deprecated there.
    ``target_because`` says why ``target`` was chosen, where the choice was left open. ``misfit`` says why that target
    does not carry the model at this level, where it does not.
    ``per_channel`` is what was chosen for weights with a scale for each channel.
    ``uncounted`` is the number of ops whose multiply-adds are not known. All of them are on the CPU, so where there are
    any, each ``compute_coverage`` is the most that the share can be. ``work`` splits the counted ones.
    ``is_quantized`` is whether any op computes on quantized tensors, and ``in_floats`` are those that NNAPI computes in
    floats all the same, by their cause.
    ``graph`` is what flows between the nodes, and what is said of them at each level; None where nobody asked.
    ``file`` is that of the model, None for a module in memory, and where nobody asked.
    ``tolerance`` is what the converted model is held to. ``if_quantized`` is set where that was asked of a model of
    floats, ``artifact_bytes`` where a file was written, and ``comparison`` where a baseline was given.
    ``first_changes`` are the few that gain most, None where nothing is left to gain. ``sizes`` are what is said of each
    size of the inputs, where there are several; all else is about the one that gets least.
    """

    model: str
    tool_version: str
    torch_version: str
    target: str
    target_because: str
    per_channel: str
    misfit: MisfitView | None
    feature_level: int
    api_level: int | None
    android: str | None
    is_deprecated: bool
    notes: tuple[str, ...]
    summary: str
    readiness: str
    score: float
    lowest_ready_level: int | None
    nodes_total: int
    nodes_on_nnapi: int
    multiply_adds: int
    uncounted: int
    compute_coverage: float
    work: WorkView
    is_quantized: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    gate: GateView
    losses: tuple[LossView, ...]
    levels: tuple[LevelView, ...]
    parts: tuple[PartView, ...]
    blockers: tuple[BlockerView, ...]
    in_floats: tuple[InFloatsView, ...]
    differences: tuple[DifferenceView, ...]
    nodes: tuple[NodeView, ...]
    tolerance: str
    verification: VerificationView | None = None
    artifact: str | None = None
    graph: GraphView | None = None
    file: FileView | None = None
    if_quantized: IfQuantizedView | None = None
    artifact_bytes: int | None = None
    comparison: ComparisonView | None = None
    first_changes: FirstChangesView | None = None
    sizes: tuple[SizeView, ...] = ()

    def __repr__(self) -> str:
        from nnapi_check.reports.formats.notebook import short_words

        return short_words(self)

    def as_text(self) -> str:
        """What the command line prints of the report."""
        from nnapi_check.reports.console import to_text
        from nnapi_check.reports.terminal import Paint, printable

        return printable(to_text(self, Paint(is_colored=False, width=None)))

    def as_json(self) -> str:
        """The report by the versioned schema, which can be the baseline of a later check."""
        from nnapi_check.reports.json_format import to_json

        return to_json(self)

    def as_html(self) -> str:
        """The report as one page that needs no network."""
        from nnapi_check.reports.pages import to_html

        return to_html(self)

    def _repr_html_(self) -> str:
        """What a notebook shows of the report."""
        from nnapi_check.reports.formats.notebook import notebook_html

        return notebook_html(self)
