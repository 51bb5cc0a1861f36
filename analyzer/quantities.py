"""The evaluator of the checks that cards are written in: quantities of a node, and whether a check holds."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

from nnapi_check.analyzer.carried_elements import retyped
from nnapi_check.analyzer.graph import (
    Absent,
    Argument,
    DynamicType,
    Graph,
    GraphInput,
    Literal,
    Node,
    NodeOutput,
    NotQuantized,
    PerChannel,
    PerTensor,
    Quantization,
    Ref,
    RefList,
    TensorType,
    Unknown,
)
from nnapi_check.analyzer.nnapi_types import single_precision
from nnapi_check.analyzer.rounded_values import rounded_values
from nnapi_check.analyzer.scale_groups import scale_groups, whole_group
from nnapi_check.coverage_db.checks import (
    CHOSEN,
    AllOf,
    AnyOf,
    CardError,
    Check,
    Compare,
    ConstantOrTuple,
    IsAbsent,
    IsConstant,
    IsKnown,
    Not,
    Relation,
    quantities,
    written,
)
from nnapi_check.coverage_db.targets import PER_CHANNEL, PerChannelChoice


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A quantity that cannot be said before execution, or that the node does not have."""

    reason: str


Quantity = ConstantOrTuple | NotKnown


class Uses:
    """Who computes and who reads each value of a graph, found when first asked, and what is chosen for its scales.

    ``counted`` are the whole numbers that floats hold exactly, where that was asked.
    """

    def __init__(
        self, graph: Graph, per_channel: PerChannelChoice = PER_CHANNEL, counted: frozenset[int] = frozenset()
    ) -> None:
        self.graph, self.per_channel, self.counted = graph, per_channel, counted

    def retyped(self, kinds: Mapping[int, TensorType]) -> Uses:
        """The same, where some values have other types."""
        found = Uses(retyped(self.graph, kinds), self.per_channel, self.counted)
        # Who reads what, and what is rounded, do not hang on types.
        found.__dict__.update(readers=self.readers, rounded=self.rounded)
        return found

    @cached_property
    def nodes(self) -> Mapping[int, Node]:
        """The nodes by id."""
        return self.graph.by_id

    @cached_property
    def readers(self) -> Mapping[int, int]:
        """How often each value is read that is read at all."""
        found = Counter(self.graph.body.outputs)
        for node in self.graph.nodes():
            found.update(node.inputs())
            for block in node.blocks:
                found.update(block.outputs)
        return found

    @cached_property
    def rounded(self) -> frozenset[int]:
        """The values that arithmetic on floats rounds to steps."""
        return rounded_values(self.graph)

    def is_read(self, value: int) -> bool:
        """Whether a node reads a value, or a block hands it over."""
        return self.readers.get(value, 0) > 0

    def producer(self, value: int) -> str:
        """The op that computes a value, ``input`` or ``constant``."""
        found = self.graph.values[value]
        if found.is_constant:
            return "constant"
        match found.origin:
            case NodeOutput(node, _):
                return self.nodes[node].op
            case GraphInput():
                return "input"
            case _:
                return "block-input"


def quantity(path: str, node: Node, uses: Uses) -> Quantity:
    """The value of a quantity (the grammar is in ``coverage_db/checks.py``) at a node."""
    return _evaluated(_parsed(path), node, uses)


@lru_cache(maxsize=4096)
def _parsed(path: str) -> ast.expr:
    try:
        return ast.parse(path, mode="eval").body
    except SyntaxError as error:
        raise CardError(f"{path!r} is not a quantity like `dilation[0]` or `self.shape[-2:]`") from error


def _evaluated(tree: ast.expr, node: Node, uses: Uses) -> Quantity:
    match tree:
        case ast.Constant(value=bool() | int() | float() as number):
            return number
        case ast.Name(id=name):
            return _attribute(name, None, node, uses)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return _attribute(name, attribute, node, uses)
        case ast.Subscript(value=inner, slice=cut):
            return _cut(_evaluated(inner, node, uses), cut)
        case ast.Call(func=ast.Name(id=function), args=[inner]) if function in _FUNCTIONS:
            found = _evaluated(inner, node, uses)
            return _FUNCTIONS[function](found) if isinstance(found, tuple) else found
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            compute = _ARITHMETIC[type(operator)]
            return _computed(compute, _evaluated(left, node, uses), _evaluated(right, node, uses))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _computed(lambda zero, found: zero - found, 0, _evaluated(inner, node, uses))
        case _:
            raise CardError(f"{ast.unparse(tree)!r} is not a quantity like `dilation[0]` or `self.shape[-2:]`")


def _product(items: tuple[object, ...]) -> int | float:
    return prod(item for item in items if isinstance(item, int | float))


def _extreme(choose: Callable[[list[float]], float]) -> Callable[[tuple[object, ...]], int | float]:
    def chosen(items: tuple[object, ...]) -> int | float:
        return choose([item for item in items if isinstance(item, int | float)] or [0])

    return chosen


_FUNCTIONS: Mapping[str, Callable[[tuple[object, ...]], int | float]] = {
    "len": len,
    "prod": _product,
    "min": _extreme(min),
    "max": _extreme(max),
    "sum": _extreme(sum),
}

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
}


def _cut(found: Quantity, cut: ast.expr) -> Quantity:
    if isinstance(found, NotKnown):
        return found
    if not isinstance(found, tuple):
        return NotKnown("a single number has no entries")
    if isinstance(cut, ast.Slice):
        lower, upper = (None if side is None else ast.literal_eval(side) for side in (cut.lower, cut.upper))
        return found[lower:upper]
    index = ast.literal_eval(cut)
    return found[index] if -len(found) <= index < len(found) else NotKnown(f"there are only {len(found)} entries")


def _computed(compute: Callable[[float, float], float], left: Quantity, right: Quantity) -> Quantity:
    for side in (left, right):
        if isinstance(side, NotKnown):
            return side
    pairs = None if isinstance(left, NotKnown) or isinstance(right, NotKnown) else _paired(left, right)
    if pairs is None:
        return NotKnown("the lists have different lengths")
    found: list[float] = []
    for a, b in pairs:
        if not isinstance(a, int | float) or not isinstance(b, int | float):
            return NotKnown("not a number")
        found.append(compute(a, b))
    return tuple(found) if isinstance(left, tuple) or isinstance(right, tuple) else found[0]


def _attribute(name: str, attribute: str | None, node: Node, uses: Uses) -> Quantity:
    if name == CHOSEN:
        return uses.per_channel.value
    if name.startswith("output") and name[6:].isdigit() | (name == "output") and name not in node.arguments:
        index = int(name[6:] or 0)
        if index >= len(node.outputs):
            return NotKnown(f"the node has no {name}")
        return _of_value(node.outputs[index], attribute, uses)
    if name not in node.arguments:
        raise CardError(f"{node.op} has no argument {name!r}; it has {', '.join(node.arguments)}")
    argument: Argument = node.arguments[name]
    match argument:
        case Ref(value):
            return _of_value(value, attribute, uses)
        case RefList(values):
            found = [_of_value(value, attribute, uses) for value in values if value is not None]
            missing = next((item for item in found if isinstance(item, NotKnown)), None)
            return missing if missing is not None else tuple(found)  # type: ignore[arg-type]  # tuples of tuples are compared whole
        case Absent():
            return NotKnown(f"{name} is not given")
        case Unknown(reason):
            return NotKnown(reason)
        case _:
            return argument if attribute is None else NotKnown(f"{name} is not a tensor")


def _of_value(value: int, attribute: str | None, uses: Uses) -> Quantity:
    found = uses.graph.values[value]
    if attribute == "producer":
        return uses.producer(value)
    if attribute == "uses":
        return uses.readers.get(value, 0)
    if attribute == "constant":
        return found.is_constant
    if attribute == "data" or attribute is None:
        if isinstance(found.origin, Literal) and found.origin.data is not None:
            return found.origin.data
        return NotKnown("a tensor whose elements are not read")
    if not isinstance(found.type, TensorType):
        return NotKnown(str(found.type) if isinstance(found.type, DynamicType) else "not a tensor")
    return _of_type(found.type, attribute)


def _of_type(tensor: TensorType, attribute: str) -> Quantity:
    match attribute:
        case "shape":
            return tensor.shape
        case "rank":
            return tensor.rank
        case "dtype":
            return tensor.dtype.value
        case "numel":
            return tensor.numel
        case "quantization":
            return {"NotQuantized": "none", "PerTensor": "per-tensor"}.get(type(tensor.quant).__name__, "per-channel")
        case "zero_points":
            return _zero_points(tensor.quant)
        case "scale_groups":
            return len(scale_groups(tensor.quant)) if isinstance(tensor.quant, PerChannel) else 1
        case "whole_scale" if isinstance(tensor.quant, PerChannel):
            return whole_group(tensor.quant).scale
        case "scale" | "zero_point" | "whole_scale":
            if isinstance(tensor.quant, PerTensor):
                # Two scales that are one to NNAPI are equal.
                return tensor.quant.zero_point if attribute == "zero_point" else single_precision(tensor.quant.scale)
            return NotKnown("not quantized" if isinstance(tensor.quant, NotQuantized) else "quantized per channel")
        case _:
            raise CardError(f"tensors have no property {attribute!r}")


def _zero_points(quant: Quantization) -> Quantity:
    match quant:
        case PerTensor(_, zero_point):
            return (zero_point,)
        case PerChannel(_, zero_points, _):
            return zero_points
        case NotQuantized():
            return NotKnown("not quantized")


_RELATIONS: Mapping[Relation, Callable[[float, float], bool]] = {
    Relation.LESS: lambda left, right: left < right,
    Relation.AT_MOST: lambda left, right: left <= right,
    Relation.GREATER: lambda left, right: left > right,
    Relation.AT_LEAST: lambda left, right: left >= right,
    Relation.MULTIPLE_OF: lambda left, right: right != 0 and left % right == 0,
}


def holds(check: Check, node: Node, uses: Uses) -> bool:
    """Whether a check holds at a node. A quantity that is not known before execution makes a comparison fail."""
    match check:
        case Compare(relation, arg, value, other):
            right = value if other is None else quantity(other, node, uses)
            return _compares(relation, quantity(arg, node, uses), right)
        case IsConstant(arg):
            return _is_constant(node.argument(arg), uses)
        case IsAbsent(arg):
            return isinstance(node.argument(arg), Absent)
        case IsKnown(arg):
            return not isinstance(node.argument(arg), Unknown | Absent)
        case AnyOf(of):
            return any(holds(part, node, uses) for part in of)
        case AllOf(of):
            return all(holds(part, node, uses) for part in of)
        case Not(of):
            return not holds(of, node, uses)


def _is_constant(argument: Argument, uses: Uses) -> bool:
    match argument:
        case Ref(value):
            return uses.graph.values[value].is_constant
        case RefList(values):
            return all(value is None or uses.graph.values[value].is_constant for value in values)
        case Unknown():
            return False
        case _:
            return True


def _compares(relation: Relation, left: Quantity, right: Quantity) -> bool:
    if isinstance(left, NotKnown) or isinstance(right, NotKnown):
        return False
    if relation is Relation.ONE_OF:
        return isinstance(right, tuple) and (left in right)
    if relation is Relation.EQUALS:
        return left == right or (isinstance(left, tuple) and not isinstance(right, tuple) and _all(left, right))
    if relation is Relation.DIFFERS:
        return not _compares(Relation.EQUALS, left, right)
    pairs = _paired(left, right)
    compare = _RELATIONS[relation]
    return pairs is not None and all(
        isinstance(a, int | float) and isinstance(b, int | float) and compare(a, b) for a, b in pairs
    )


def _all(items: Sequence[object], wanted: object) -> bool:
    return all(item == wanted for item in items)


def _paired(left: ConstantOrTuple, right: ConstantOrTuple) -> list[tuple[object, object]] | None:
    if isinstance(left, tuple) and isinstance(right, tuple):
        return list(zip(left, right, strict=True)) if len(left) == len(right) else None
    if isinstance(left, tuple):
        return [(item, right) for item in left]
    if isinstance(right, tuple):
        return [(left, item) for item in right]
    return [(left, right)]


def what_fails(check: Check, node: Node, uses: Uses) -> Check:
    """Of a check that fails, what of it does: conditions that hold beside it need not be told."""
    match check:
        case AllOf(of):
            failing = tuple(what_fails(part, node, uses) for part in of if not holds(part, node, uses))
            return failing[0] if len(failing) == 1 else AllOf(failing or of)
        case _:
            return check


def found_words(check: Check, node: Node, uses: Uses) -> str:
    """What the quantities of a check are at a node, in words: ``dilation is (2, 1)``."""
    return "; ".join(dict.fromkeys(_found(path, node, uses) for path in quantities(check)))


def _found(path: str, node: Node, uses: Uses) -> str:
    name, _, attribute = path.partition(".")
    owner = node.arguments.get(name)
    if attribute and not isinstance(owner, Ref | RefList) and owner is not None:
        # A property of what is a tensor in other calls.
        path = name
    argument = node.arguments.get(path)
    match argument:
        case Absent():
            return f"{path} is not given"
        case Ref() | RefList():
            return f"{path} is a constant" if _is_constant(argument, uses) else f"{path} is computed at run time"
        case _:
            value = quantity(path, node, uses)
            return (
                f"{path} is not known: {value.reason}" if isinstance(value, NotKnown) else f"{path} is {written(value)}"
            )
