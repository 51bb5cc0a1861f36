"""From a captured graph and its lowered parts to a package: every part serialized and placed in the user's module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nnapi_check.analyzer.capture.capture import Captured
from nnapi_check.analyzer.graph import Graph, NodeOutput, PerTensor, TensorType
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.spec import OperationFacts
from nnapi_check.lowering.nnapi.serialize import serialize
from nnapi_check.lowering.packaging.manifest import HeldValue, Json
from nnapi_check.lowering.packaging.package import Package, PackagedPart, PackageOptions, SizedParts, build_package
from nnapi_check.lowering.packaging.part_borders import border_of, permutation_of
from nnapi_check.lowering.part_lowering import LoweredPart


@dataclass(frozen=True, slots=True)
class Sized:
    """A model captured for inputs of certain sizes, its lowered parts, and what the package is to tell of them."""

    captured: Captured
    survey: Survey
    parts: Sequence[LoweredPart]
    extra: Mapping[str, Json] = field(default_factory=dict)


def convert(
    captured: Captured,
    survey: Survey,
    parts: Sequence[LoweredPart],
    facts: Mapping[str, OperationFacts],
    options: PackageOptions,
    others: Sequence[Sized] = (),
) -> Package:
    """The package of lowered parts. ``others`` are the same model for inputs of other sizes."""
    made = [SizedParts(one.captured, _all_packaged(one, facts), one.extra) for one in others]
    return build_package(captured, _all_packaged(Sized(captured, survey, parts), facts), options, made)


def _all_packaged(one: Sized, facts: Mapping[str, OperationFacts]) -> list[PackagedPart]:
    codes = {name: facts[name].code for part in one.parts for name in {item.kind for item in part.model.operations}}
    return [_packaged(part, one.survey, codes) for part in one.parts]


def output_steps(graph: Graph) -> tuple[float | None, ...]:
    """For each output of a graph, the scale of the quantized tensor that it is the real numbers of; None for others."""
    return tuple(_step(value, graph) for value in graph.body.outputs)


def _step(value: int, graph: Graph) -> float | None:
    origin = graph.values[value].origin
    if not isinstance(origin, NodeOutput) or graph.by_id[origin.node].op != "aten.dequantize.self":
        return None
    source = graph.type_of(graph.by_id[origin.node].inputs()[0])
    if isinstance(source, TensorType) and isinstance(source.quant, PerTensor):
        return source.quant.scale
    return None


def _packaged(part: LoweredPart, survey: Survey, codes: Mapping[str, int]) -> PackagedPart:
    inputs = {holder.operand: holder for holder in part.inputs}
    covered = {id_ for node in part.part.nodes for id_ in (node, *survey.nodes[node].covers)}
    return PackagedPart(
        nodes=tuple(sorted(covered)),
        inputs=tuple(border_of(inputs[operand], part, survey.graph) for operand in part.model.inputs),
        outputs=tuple(border_of(holder, part, survey.graph) for holder in part.outputs),
        serialized=serialize(part.model, codes),
        buffers=part.buffers,
        held=tuple(HeldValue(held.operand, held.value, permutation_of(held, survey.graph)) for held in part.held),
    )
