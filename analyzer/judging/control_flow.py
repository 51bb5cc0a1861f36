"""Whether a branch or loop becomes IF or WHILE: what it needs of its condition, of what it carries, and inside.

Its bodies become models that IF and WHILE refer to, so all of them must run on NNAPI, in shapes that never change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nnapi_check.analyzer.graph import Argument, ElementType, Graph, Node, Ref, TensorType, Unknown, taken_values
from nnapi_check.analyzer.judging.failures import Failure, tensor_failures
from nnapi_check.analyzer.judging.nearest_ways import WayVerdict
from nnapi_check.analyzer.judging.run_time_numbers import BRANCH, LOOP
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Emission, Layout, Way
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.targets import Target

ENDLESS = 2**31 - 1
"""A loop of so many turns or more is ended by its condition alone."""

_SINCE = 4
_WAYS = {
    BRANCH: Way("operation", (Emission("IF"),), Layout.TORCH, ("rank-zero", "branch-inputs")),
    LOOP: Way(
        "operation",
        (
            Emission("WHILE"),
            Emission("LESS", type=OperandType.TENSOR_INT32),
            Emission("ADD", type=OperandType.TENSOR_INT32),
            Emission("LOGICAL_AND", type=OperandType.TENSOR_BOOL8),
        ),
        Layout.TORCH,
        ("rank-zero", "branch-inputs", "loop-counter", "loop-timeout"),
    ),
}


def control_flow_way(node: Node, uses: Uses, target: Target) -> WayVerdict | None:
    """The way of a branch or loop, with all that is in its way but what stands inside; None of any other node."""
    way = _WAYS.get(node.op)
    if way is None or not target.carries_models:
        return None
    failures = [*_of_condition(node, uses), *_of_carried(node, uses), *_of_tensors(node, uses, target)]
    return WayVerdict(way, _SINCE, tuple(dict.fromkeys(failures)))


def read_outputs(node: Node, uses: Uses) -> tuple[int, ...]:
    """The places of the outputs that something reads."""
    return tuple(place for place, value in enumerate(node.outputs) if uses.is_read(value))


def handed_over(node: Node) -> tuple[tuple[Argument, ...], ...]:
    """What may become each output: of either branch, or what a loop begins with and what it carries."""
    if node.op == BRANCH:
        return tuple(zip(*(block.results for block in node.blocks), strict=True))
    (body,) = node.blocks
    return tuple(
        (node.arguments[f"carried{place}"], Ref(body.inputs[place + 1]), result)
        for place, result in enumerate(body.results[1:])
    )


def _of_condition(node: Node, uses: Uses) -> Iterator[Failure]:
    condition = node.arguments["condition"]
    conditions = [condition] if node.op == BRANCH else [condition, node.blocks[0].results[0]]
    for found in conditions:
        if not (isinstance(found, Ref) or (node.op == LOOP and isinstance(found, bool))):
            yield _failure(
                node,
                "condition",
                f"a condition that is {_words(found)}",
                "a condition that is computed of one-element tensors and whole numbers",
                "NNAPI reads a condition of a tensor with one truth value.",
                "Compute the condition of tensors, such as bool(x.sum() > 0), or of whole numbers.",
            )
    if node.op == LOOP:
        trips = node.arguments["max_trip_count"]
        if not isinstance(trips, Ref | int):
            yield _failure(
                node,
                "trip-count",
                f"a number of turns that is {_words(trips)}",
                "a number of turns that is read of a one-element tensor, or computed of whole numbers",
                "NNAPI counts turns in a tensor with one whole number.",
                "Take the number of turns from a tensor of whole numbers, such as int(n).",
            )
        elif conditions[0] is True and conditions[1] is True and isinstance(trips, int) and trips >= ENDLESS:
            yield _failure(
                node,
                "end",
                "a loop without an end",
                "a loop that a condition or a number of turns ends",
                "NNAPI ends a loop by its condition, or after a time.",
                "Give the loop a condition.",
            )


def _of_carried(node: Node, uses: Uses) -> Iterator[Failure]:
    """What is handed over as an output has its type on each way."""
    places = read_outputs(node, uses) if node.op == BRANCH else range(len(node.outputs))
    if not read_outputs(node, uses):
        yield _failure(
            node,
            "output",
            f"a {_kind(node)} of which nothing is read",
            "a result that the model goes on with",
            "NNAPI computes tensors, and has no effects beside them.",
            f"Leave the {_kind(node)} out, or leave it to PyTorch.",
        )
    for place in places:
        kind = uses.graph.type_of(node.outputs[place])
        if not isinstance(kind, TensorType):
            continue
        for argument in handed_over(node)[place]:
            if not _is_of(argument, kind, uses.graph):
                yield _failure(
                    node,
                    "carried-type",
                    f"output {place} becomes {_words(argument)}",
                    "one shape and element type on every way",
                    "NNAPI plans a model before it runs, so what a branch or turn hands over has one type.",
                    "Let each branch or turn give tensors of one shape and element type.",
                )


def _of_tensors(node: Node, uses: Uses, target: Target) -> Iterator[Failure]:
    """What is demanded of every tensor, of all that goes into the bodies and comes out of them."""
    taken = {f"value {value}": Ref(value) for value in taken_values(node) if not uses.graph.values[value].is_constant}
    arguments: dict[str, Argument] = {**node.arguments, **taken}
    outputs = [node.outputs[place] for place in read_outputs(node, uses)]
    if outputs:
        yield from tensor_failures(replace(node, arguments=arguments, outputs=tuple(outputs)), uses, target)


def _is_of(argument: Argument, kind: TensorType, graph: Graph) -> bool:
    match argument:
        case Ref(value):
            return graph.type_of(value) == kind
        case bool():
            return kind == TensorType(ElementType.BOOL, ())
        case int():
            return kind == TensorType(ElementType.INT64, ()) and -ENDLESS - 1 <= argument <= ENDLESS
        case _:
            return False


def what_stands_inside(node: Node, supported: Mapping[int, bool]) -> Iterator[Failure]:
    """What of the bodies of a branch or loop stays on the CPU, if anything does. Blocks inside tell of themselves."""
    for block in node.blocks:
        for inner in block.nodes:
            if not supported.get(inner.id, True):
                yield _failure(
                    node,
                    "inside",
                    f"{inner.op} inside, which stays on the CPU",
                    "a body that NNAPI holds wholly",
                    "There is no way back to PyTorch from inside IF and WHILE.",
                    f"Mend {inner.op} as is said of it, or move it out of the {_kind(node)}.",
                )
                return


def other_order(node: Node) -> Failure:
    """Of a tensor inside whose dimensions would have to change their order, where no operation does that."""
    return _failure(
        node,
        "layout",
        "a tensor inside whose dimensions no operation permutes",
        "a body whose tensors have one order of dimensions",
        "What goes into IF and WHILE has PyTorch's order of dimensions, which NNAPI cannot change for such a tensor.",
        f"Keep such tensors out of the {_kind(node)}, or give them fewer dimensions.",
    )


def _kind(node: Node) -> str:
    return "loop" if node.op == LOOP else "branch"


def _words(argument: Argument) -> str:
    match argument:
        case Ref(value):
            return f"value {value}"
        case Unknown(reason, _):
            return reason
        case _:
            return str(argument)


def _failure(node: Node, requirement: str, found: str, wanted: str, because: str, fix: str) -> Failure:
    return Failure("NNC702", requirement, "operation", found, wanted, because, fix)
