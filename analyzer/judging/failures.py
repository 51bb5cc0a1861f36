"""Why nodes cannot run on NNAPI: what was found, what is wanted, and the cheapest fix, apart from cards' ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nnapi_check.analyzer.graph import DynamicType, Node, OtherType, PerChannel, Ref, RefList, TensorType, Unknown
from nnapi_check.analyzer.nnapi_types import MAX_RANK, operand_type
from nnapi_check.analyzer.quantities import Uses
from nnapi_check.coverage_db.cards import Card
from nnapi_check.coverage_db.checks import AllOf, AnyOf, Check, Compare, IsAbsent, IsConstant, IsKnown, Not
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.stored_elements import ELEMENT_STRUCTS, HIGHEST_SIZE
from nnapi_check.coverage_db.targets import Target


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason why a way does not fit a node: what was found, what is wanted, and the cheapest fix.

    ``cause`` is the op that is in the way where it is another than the node's own.
    """

    reason: str
    requirement: str
    way: str
    found: str
    wanted: str
    because: str
    fix: str
    cause: str = ""

    @property
    def is_without_type(self) -> bool:
        """Whether a tensor's type is not known, so that there is nothing more to ask of it."""
        return self.requirement in ("static-shape", "tensor", "overwritten")


def control_flow(node: Node, target: Target) -> Failure:
    """Of a branch or loop that is decided at run time."""
    fix = "Trace the model where the condition never changes; else leave it: what stands inside is judged by itself."
    if not target.carries_models:
        fix += " Where one NNAPI model holds everything, --target ndk runs it inside, from feature level 4 on."
    return Failure(
        reason="NNC702",
        requirement="control-flow",
        way="",
        found=f"{node.op} whose condition is known only at run time",
        wanted="a graph without branches and loops",
        because=f"{target.title} carries no model operands, so neither IF nor WHILE."
        if not target.carries_models
        else "Of control flow NNAPI has IF and WHILE alone.",
        fix=fix,
    )


def of_the_program(node: Node) -> Failure:
    """Of a node that has to do with no tensor."""
    return Failure(
        reason="NNC702",
        requirement="program",
        way="",
        found=node.op,
        wanted="an op of tensors",
        because=_CHANGED_ATTRIBUTE if node.op in _OF_ATTRIBUTES else _NO_TENSORS,
        fix=_FOR_STATES
        if node.op in _OF_ATTRIBUTES
        else "Leave it to PyTorch, or compute it before the model is exported.",
    )


def unknown_op(node: Node) -> Failure:
    """Of an op without a card."""
    return Failure(
        reason="NNC103",
        requirement="card",
        way="",
        found=node.op,
        wanted="an op that the registry has a card for",
        because="Nothing is known of this op and nothing is guessed, so PyTorch computes it.",
        fix=f"Write a card for {node.op}, or express it with ops that have one (`nnapi-check ops search`).",
    )


def no_way(card: Card) -> Failure:
    """Of an op whose card has no way."""
    if card.gap is not None:
        return Failure(
            reason="NNC101",
            requirement="gap",
            way="",
            found=card.op,
            wanted="an op that NNAPI operations can compute",
            because=card.gap,
            fix=card.fix or "Leave it to the CPU, or replace it by ops that have a way.",
        )
    if card.becomes:
        wanted, because = f"a call where {card.when}", f"Only there it means {' or '.join(card.becomes)}."
        fix = card.fix or "Change the call, or leave it to the CPU."
        return Failure("NNC104", "becomes", "", card.op, wanted, because, fix)
    return Failure(
        reason="NNC102",
        requirement="unwritten",
        way="",
        found=card.op,
        wanted="an op that a lowering rule is written for",
        because=f"{', '.join(card.unwritten)} could compute it, but no rule is written yet.",
        fix=card.fix or "Leave it to the CPU, replace it by ops that have a way, or contribute the rule.",
    )


def tensor_failures(node: Node, uses: Uses, target: Target) -> Iterator[Failure]:
    """What every way demands of every tensor: a known shape, a rank of at most 4, elements, a type NNAPI has."""
    causes = set()
    for name, value in _tensors(node, uses):
        kind = uses.graph.values[value].type
        match kind:
            case DynamicType() as unknown if unknown in causes:
                pass
            case DynamicType() as unknown:
                causes.add(unknown)
                if unknown.is_overwritten:
                    yield _overwritten(node, name, unknown.op)
                    continue
                found = f"{node.op}, whose {name} has no known shape"
                failure = _tensor_failure("NNC701", "static-shape", found, "a shape known before execution")
                fix = _FOR_STATES if unknown.op in _OF_ATTRIBUTES else failure.fix
                because = f"{failure.because} {_sentence(str(unknown))}"
                yield replace(failure, because=because, fix=fix, cause=unknown.op)
            case OtherType(type_name):
                yield _tensor_failure("NNC702", "tensor", f"{name} is a {type_name}", "a tensor")
            case TensorType():
                is_constant = uses.graph.values[value].is_constant
                # The rules of ops that a rewrite makes give their constants another shape.
                if kind.rank > MAX_RANK and not (is_constant and node.covers):
                    failure = _tensor_failure(
                        "NNC302", "rank", f"{name} has rank {kind.rank}", f"at most rank {MAX_RANK}"
                    )
                    yield replace(failure, fix=_FOR_MOVES) if _name(node) in _MOVES else failure
                is_per_channel = isinstance(kind.quant, PerChannel)
                for failure in _type_failures(name, kind, target, is_made_by_rule=is_constant and is_per_channel):
                    yield (
                        replace(failure, fix=_type_fix(node, name))
                        if failure.requirement == "element-type"
                        else failure
                    )
    for name, argument in node.arguments.items():
        # What NNAPI reads beside tensors is part of the model.
        if isinstance(argument, Unknown) and argument.values:
            found = f"{name} is {argument.reason}"
            failure = _tensor_failure("NNC402", "known-argument", found, "a number known before execution")
            yield replace(failure, fix=_FOR_SLICES) if _name(node) == "slice" else failure


def _overwritten(node: Node, name: str, op: str) -> Failure:
    """Of a tensor that an op writes to in place, or to a part of it."""
    found = f"{node.op}, to whose {name} {op} writes"
    return replace(_tensor_failure("NNC105", "overwritten", found, "a tensor that keeps its elements"), cause=op)


def _name(node: Node) -> str:
    return node.op.split(".")[1]


def _type_fix(node: Node, tensor: str) -> str:
    """What to do about an element type that NNAPI has not, which conversions and other ops may be the first to give."""
    if _name(node) in _CONVERSIONS:
        return "Convert to float32 or int32 instead, or leave this op out."
    if tensor.startswith("output") and tensor not in node.arguments:
        return "Let the op give float32 or int32, where it takes a dtype, or leave it to PyTorch."
    return "Convert the tensor to float32 or int32 before this op."


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _tensors(node: Node, uses: Uses) -> Iterator[tuple[str, int]]:
    """Every tensor with what it is called; of several outputs, only those that something reads."""
    for name, argument in node.arguments.items():
        match argument:
            case Ref(value):
                yield name, value
            case RefList(values):
                yield from ((f"{name}[{index}]", value) for index, value in enumerate(values) if value is not None)
            case _:
                pass
    for index, value in enumerate(node.outputs):
        if index == 0 or uses.is_read(value):
            yield ("output" if index == 0 else f"output{index}"), value


def _type_failures(name: str, kind: TensorType, target: Target, *, is_made_by_rule: bool) -> Iterator[Failure]:
    """``is_made_by_rule``: the tensor is weights with a scale for each channel, which a way may hold as floats."""
    if kind.numel == 0:
        yield _tensor_failure("NNC303", "elements", f"{name} has shape {kind.shape}", "no dimension of 0")
    if is_made_by_rule:
        return
    found = operand_type(kind)
    size = 0 if found is None else kind.numel * ELEMENT_STRUCTS[found].size
    if size > HIGHEST_SIZE:
        yield _tensor_failure("NNC303", "size", f"{name} takes {size:,} bytes", f"at most {HIGHEST_SIZE:,} bytes")
    if found is None:
        yield _tensor_failure("NNC301", "element-type", f"{name} is {kind.dtype.value}", "a type that NNAPI has")
    elif found is OperandType.TENSOR_QUANT8_SYMM_PER_CHANNEL:
        failure = _tensor_failure(
            "NNC801", "per-tensor", f"{name} is quantized per channel", "a tensor quantized per tensor"
        )
        is_lost = not target.carries_channel_params
        yield replace(failure, because=f"{target.title} cannot carry one scale per channel.") if is_lost else failure


_MOVES = frozenset(
    {"_unsafe_view", "expand", "expand_as", "flatten", "movedim", "permute", "repeat", "reshape", "reshape_as"}
    | {"squeeze", "stack", "swapaxes", "transpose", "unflatten", "unsqueeze", "view", "view_as"}
)
_FOR_MOVES = "Split fewer dimensions, or merge some here and let the ops that read the result work on those."
_FOR_SLICES = "Take a part of fixed length by narrow, such as x.narrow(0, t, 2), or a single place, such as x[t]."
_CONVERSIONS = frozenset({"_to_copy", "to", "type_as"})

_OF_ATTRIBUTES = frozenset({"prim.GetAttr", "prim.SetAttr"})
"""What reads and sets attributes that a run changes, of the model or of objects of its own."""

_CHANGED_ATTRIBUTE = "It reads or sets an attribute that a run changes, and NNAPI keeps nothing from run to run."
_FOR_STATES = "Take a state as an input of forward, and give the new one back as an output."
_NO_TENSORS = "It works on numbers, lists or texts of the program, and NNAPI computes with tensors only."

_TENSOR_TEXTS = {
    "size": (
        "NNAPI counts the bytes of a tensor in 32 bits.",
        "Work on a part of the tensor at a time.",
    ),
    "static-shape": (
        "NNAPI plans a model before it runs, for one shape.",
        "Export the model with fixed shapes, and keep what depends on values out of shapes.",
    ),
    "overwritten": (
        "An operation of NNAPI gives a tensor of its own, and none writes to one that others read.",
        "Make a tensor of the new elements, by torch.where or torch.cat, or export it by torch.export, whose "
        "run_decompositions() does so.",
    ),
    "tensor": ("NNAPI computes with tensors only.", "Pass a tensor, or leave the op to PyTorch."),
    "known-argument": (
        "NNAPI plans a model before it runs, with the numbers that its operations take.",
        "Compute the number from shapes alone, or hand it over as a tensor.",
    ),
    "rank": (
        f"NNAPI's operations take tensors of rank {MAX_RANK} at most.",
        "Merge dimensions with reshape before this op, and split them after it.",
    ),
    "elements": ("NNAPI reads a dimension of 0 as unknown.", "Leave the empty tensor out of the model."),
    "element-type": (
        "NNAPI has float32, float16, int32, bool and 8-bit quantized tensors.",
        "Convert the tensor to float32 or int32 before this op.",
    ),
    "per-tensor": (
        "NNAPI takes one scale per channel for weights alone, which are constants.",
        "Quantize weights per tensor: torch.ao.quantization.default_weight_observer in the qconfig.",
    ),
}


def _tensor_failure(reason: str, requirement: str, found: str, wanted: str) -> Failure:
    because, fix = _TENSOR_TEXTS[requirement]
    return Failure(reason, requirement, "", found, wanted, because, fix)


def reason_of(check: Check) -> str:
    """The reason code that a failed check has when its requirement names none."""
    match check:
        case IsConstant():
            return "NNC401"
        case IsAbsent() | IsKnown():
            return "NNC402"
        case AnyOf(of) | AllOf(of):
            return reason_of(of[0])
        case Not(of):
            return reason_of(of)
        case Compare(_, arg):
            _, _, attribute = arg.partition("[")[0].partition(".")
            return _REASON_BY_ATTRIBUTE.get(attribute, "NNC402")


_REASON_BY_ATTRIBUTE = {
    "rank": "NNC302",
    "shape": "NNC303",
    "numel": "NNC303",
    "dtype": "NNC301",
    "scale": "NNC501",
    "zero_point": "NNC501",
    "quantization": "NNC501",
    "constant": "NNC401",
}
