"""Which ops of a converted model are approximate, by how much, and what its outputs are held to because of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nnapi_check.analyzer.planning.plan import Plan
from nnapi_check.analyzer.planning.survey import Survey
from nnapi_check.coverage_db.bounds import Bound
from nnapi_check.coverage_db.input_classes import Jump
from nnapi_check.lowering.packaging.manifest import Json, ManifestError

FLOAT_TOLERANCE = 1e-4
"""Greatest error of a float32 output, as a share of the output's range."""

HALF_TOLERANCE = 4e-3
"""The same of a float16 output, whose own rounding is larger."""

STEPS_TOLERANCE = 1
STEPS_SHARE_TOLERANCE = 0.01
"""Greatest error of a quantized output, in steps of its scale, and the greatest share of elements off at all."""

MARGIN = 2
"""How many times what PyTorch's own outputs move by is allowed, where ops are approximate."""

_KEY = "approximations"


class Cause(Enum):
    """Why a node may make other numbers than PyTorch does."""

    BOUND = "bound"  # its way is approximate
    ROUNDING = "rounding"  # its way is exact, but for greater numbers inside, whose rounding its bound is
    TIES = "ties"  # it tells the place of one of several equal elements; its bound is nothing


@dataclass(frozen=True, slots=True)
class Approximation:
    """One approximate node: the graph's values that it makes, the first that it reads, and its way's bound.

    ``cause`` says what may make it differ from PyTorch.
    """

    op: str
    made: tuple[int, ...]
    read: int
    bound: Bound
    cause: Cause = Cause.BOUND


def approximations(survey: Survey, plan: Plan) -> tuple[Approximation, ...]:
    """The nodes that a plan gives to NNAPI in ways that are approximate, or round more than their result, in order."""
    return tuple(_approximations(survey, plan))


def _approximations(survey: Survey, plan: Plan) -> Iterator[Approximation]:
    for id_ in sorted(node for part in plan.partition.parts for node in part.nodes):
        way, node = plan.verdicts[id_].way, survey.nodes[id_]
        if way is not None and way.bound is not None:
            yield Approximation(node.op, node.outputs, next(iter(node.inputs())), way.bound)
        elif way is not None and way.rounding is not None:
            bound = Bound(absolute=way.rounding)
            yield Approximation(node.op, node.outputs, next(iter(node.inputs())), bound, Cause.ROUNDING)
        elif way is not None and way.jumps is Jump.TIES:
            yield Approximation(node.op, node.outputs, next(iter(node.inputs())), Bound(), Cause.TIES)


def tolerance_words(found: Sequence[Approximation]) -> str:
    """What the outputs of a model are held to, whose approximate nodes are these."""
    floats = f"float32: {FLOAT_TOLERANCE:g} of the output's range"
    ops = _bounds_words(item for item in found if item.cause is Cause.BOUND and not item.bound.steps)
    if ops:
        floats += (
            f", and {MARGIN} times what PyTorch's own output changes by when its approximate ops are off by their "
            f"bounds ({ops})"
        )
    floats += (
        f"; beyond that, {MARGIN} times what PyTorch's own output changes by when every value on NNAPI is off by one "
        "rounding of its range"
    )
    if any(item.cause is Cause.TIES for item in found):
        floats += "; places of equal elements: any that PyTorch tells where these stand in another order"
    steps = f"{STEPS_TOLERANCE} step, on at most {STEPS_SHARE_TOLERANCE:.0%} of the elements"
    stepped = _bounds_words(item for item in found if item.bound.steps)
    if stepped:
        steps += (
            f", or as much noise as {MARGIN} times that in PyTorch's own output when its ops are off by the steps of "
            f"their bounds, on as many elements as they state or are measured to be off ({stepped}); each quantized "
            "value by itself, on PyTorch's own inputs, is held to its op's bound"
        )
    return f"{floats}; quantized: {steps}"


def _bounds_words(found: Iterable[Approximation]) -> str:
    """The bounds of ops, those that differ from call to call by a share or a deviation alone together."""
    alike: dict[tuple[str, Bound], list[Bound]] = {}
    rounded: dict[str, list[Bound]] = {}
    for item in found:
        if item.bound.deviation:
            rounded.setdefault(item.op, []).append(item.bound)
        else:
            alike.setdefault((item.op, replace(item.bound, share=0.0)), []).append(item.bound)
    told = [_alike_words(op, bounds) for (op, _), bounds in alike.items()]
    return "; ".join([*told, *(_rounded_words(op, bounds) for op, bounds in rounded.items())])


def _alike_words(op: str, bounds: Sequence[Bound]) -> str:
    """Bounds that differ by the share of the elements that are off alone."""
    least, greatest = (f"{pick(bound.share for bound in bounds):.2%}" for pick in (min, max))
    words = max(bounds, key=lambda bound: bound.share).words
    if least != greatest:
        words = words.replace(greatest, f"{least} to {greatest}", 1)
    return f"{len(bounds)} {op}: {words[0].lower()}{words[1:-1]}"


def _rounded_words(op: str, bounds: Sequence[Bound]) -> str:
    """The bounds of layers with rounded weights, which differ from layer to layer."""
    if len(bounds) == 1:
        words = bounds[0].words
        return f"1 {op}: {words[0].lower()}{words[1:-1]}"
    steps, deviations = [bound.steps for bound in bounds], [bound.deviation for bound in bounds]
    return (
        f"{len(bounds)} {op}: at most {min(steps)} to {max(steps)} steps from PyTorch's own, {min(deviations):.2g} to "
        f"{max(deviations):.2g} in root mean square, by their scales and inputs"
    )


def approximations_document(found: Sequence[Approximation]) -> dict[str, Json]:
    """What a package's manifest says of its approximate nodes."""
    rows: list[Json] = [
        {
            "op": item.op,
            "made": list(item.made),
            "read": item.read,
            "absolute": item.bound.absolute,
            "relative": item.bound.relative,
            "of_input": item.bound.of_input,
            "least_of_input": item.bound.least_of_input,
            "within": item.bound.within,
            "note": item.bound.note,
            "steps": item.bound.steps,
            "share": item.bound.share,
            "deviation": item.bound.deviation,
            "spread": item.bound.spread,
            "cause": item.cause.value,
        }
        for item in found
    ]
    return {_KEY: rows}


def read_approximations(extra: Mapping[str, Json]) -> tuple[Approximation, ...]:
    """Read what ``approximations_document`` wrote; nothing where a package says nothing. Raises ``ManifestError``."""
    rows = extra.get(_KEY, [])
    if not isinstance(rows, list):
        raise ManifestError(f"the manifest's {_KEY!r} are no list")
    return tuple(_read(row) for row in rows)


def _read(row: Json) -> Approximation:
    match row:
        case {
            "op": str() as op,
            "made": list() as made,
            "read": int() as read,
            "absolute": float() | int() as absolute,
            "relative": float() | int() as relative,
            "of_input": float() | int() as of_input,
            "within": float() | int() | None as within,
            "note": str() as note,
            "steps": int() as steps,
            "share": float() | int() as share,
            "deviation": float() | int() as deviation,
            "spread": float() | int() as spread,
            "cause": str() as cause,
            **rest,
        } if all(isinstance(value, int) for value in made) and cause in {known.value for known in Cause}:
            # Packages of earlier versions say nothing of it.
            least = rest.get("least_of_input", 0.0)
            known = least if isinstance(least, int | float) else 0.0
            bound = Bound(absolute, relative, of_input, within, note, steps, share, deviation, spread, known)
            values = tuple(value for value in made if isinstance(value, int))
            return Approximation(op, values, read, bound, Cause(cause))
        case _:
            raise ManifestError(f"the manifest has {row!r} where an approximate op was wanted")
