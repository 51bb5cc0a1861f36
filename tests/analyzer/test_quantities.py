"""What the checks of cards read of a node."""

import pytest

from nnapi_check.analyzer.graph import (
    ABSENT,
    Argument,
    ElementType,
    Literal,
    Node,
    PerChannel,
    PerTensor,
    Ref,
    RefList,
    Unknown,
    Value,
)
from nnapi_check.analyzer.quantities import NotKnown, Uses, found_words, holds, quantity
from nnapi_check.coverage_db.checks import (
    AllOf,
    AnyOf,
    CardError,
    Compare,
    IsAbsent,
    IsConstant,
    IsKnown,
    Not,
    Relation,
)
from tests.analyzer.hand_made_graphs import Sketch, tensor

QUANT = tensor((3, 5), ElementType.QUINT8, PerTensor(0.5, 7))
CHANNELS = tensor((3, 5), ElementType.QINT8, PerChannel((0.5, 0.25, 1.0), (0, 0, 0), 0))


@pytest.fixture
def subject() -> tuple[Node, Uses]:
    """A node with one argument of every kind."""
    sketch = Sketch()
    x = sketch.input(tensor((1, 6, 20, 28)))
    inner = sketch.node("t.relu", x)
    weight = sketch.parameter(tensor((4, 6, 3, 2)))
    literal = len(sketch.values)
    sketch.values.append(Value(literal, tensor((2,), ElementType.INT64), Literal("c", (11, 9)), is_constant=True))
    quant, channels = sketch.input(QUANT), sketch.input(CHANNELS)
    others: dict[str, Argument] = {
        "weight": Ref(weight),
        "sizes": Ref(literal),
        "quant": Ref(quant),
        "channels": Ref(channels),
        "tensors": RefList((x, None, quant)),
        "stride": (2, 3),
        "dilation": 1,
        "flag": True,
        "mode": "bilinear",
        "missing": ABSENT,
        "later": Unknown("it is computed"),
    }
    node, output = sketch.made("t.op", inner, kind=tensor((1, 4, 18, 27)))
    node = Node(node.id, node.op, {**node.arguments, **others}, node.outputs)
    sketch.nodes.append(node)
    return node, Uses(sketch.graph(output, inner))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dilation", 1),
        ("stride", (2, 3)),
        ("stride[1]", 3),
        ("stride[1:]", (3,)),
        ("mode", "bilinear"),
        ("flag", True),
        ("self.shape", (1, 6, 20, 28)),
        ("self.shape[-2:]", (20, 28)),
        ("self.rank", 4),
        ("self.dtype", "f32"),
        ("self.numel", 6 * 20 * 28),
        ("self.quantization", "none"),
        ("self.producer", "t.relu"),
        ("self.uses", 2),
        ("weight.producer", "constant"),
        ("quant.producer", "input"),
        ("quant.scale", 0.5),
        ("quant.zero_point", 7),
        ("quant.quantization", "per-tensor"),
        ("channels.quantization", "per-channel"),
        ("sizes.data", (11, 9)),
        ("sizes", (11, 9)),
        ("output.shape", (1, 4, 18, 27)),
        ("tensors.rank", (4, 2)),
        ("len(stride)", 2),
        ("prod(stride)", 6),
        ("min(stride)", 2),
        ("max(stride)", 3),
        ("sum(stride)", 5),
        ("stride * (weight.shape[2:] - 1)", (4, 3)),
        ("stride + 1", (3, 4)),
        ("self.rank * 2", 8),
    ],
)
def test_quantity_is_read(subject: tuple[Node, Uses], path: str, expected: object) -> None:
    assert quantity(path, *subject) == expected


@pytest.mark.parametrize(
    "path", ["missing", "later", "self.scale", "channels.scale", "weight.data", "weight", "later[0]"]
)
def test_quantity_that_cannot_be_said_is_not_known(subject: tuple[Node, Uses], path: str) -> None:
    found = quantity(path, *subject)

    assert isinstance(found, NotKnown)
    assert found.reason


@pytest.mark.parametrize("path", ["nonsense", "self.nonsense", "stride +", "lambda: 1", "open(stride)"])
def test_path_that_is_no_quantity_is_a_fault_of_the_card(subject: tuple[Node, Uses], path: str) -> None:
    with pytest.raises(CardError):
        quantity(path, *subject)


def compare(relation: Relation, arg: str, value: object = (), other: str | None = None) -> Compare:
    return Compare(relation, arg, value, other)  # type: ignore[arg-type]  # cards are read from text


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (compare(Relation.EQUALS, "dilation", 1), True),
        (compare(Relation.EQUALS, "stride", (2, 3)), True),
        (compare(Relation.EQUALS, "stride", 2), False),
        (compare(Relation.DIFFERS, "stride", (3, 2)), True),
        (compare(Relation.LESS, "stride", 4), True),
        (compare(Relation.LESS, "stride", 3), False),
        (compare(Relation.AT_MOST, "stride", 3), True),
        (compare(Relation.GREATER, "stride", 1), True),
        (compare(Relation.AT_LEAST, "stride", 3), False),
        (compare(Relation.MULTIPLE_OF, "self.shape[-2:]", 4), True),
        (compare(Relation.MULTIPLE_OF, "self.shape[-2:]", other="stride"), False),
        (compare(Relation.ONE_OF, "mode", ("nearest", "bilinear")), True),
        (compare(Relation.EQUALS, "self.shape[1]", other="weight.shape[1]"), True),
        (compare(Relation.EQUALS, "later", 1), False),
        (compare(Relation.DIFFERS, "later", 1), False),
        (IsConstant("weight"), True),
        (IsConstant("self"), False),
        (IsConstant("later"), False),
        (IsConstant("tensors"), False),
        (IsAbsent("missing"), True),
        (IsAbsent("stride"), False),
        (IsKnown("stride"), True),
        (IsKnown("later"), False),
        (IsKnown("missing"), False),
        (Not(IsKnown("later")), True),
        (AnyOf((IsAbsent("stride"), IsKnown("stride"))), True),
        (AllOf((IsAbsent("stride"), IsKnown("stride"))), False),
    ],
)
def test_check_holds_or_not(subject: tuple[Node, Uses], check: Compare, expected: bool) -> None:
    assert holds(check, *subject) is expected


def test_what_was_found_is_told_with_its_name(subject: tuple[Node, Uses]) -> None:
    assert found_words(compare(Relation.EQUALS, "stride", (1, 1)), *subject) == "stride is (2, 3)"


def test_readers_are_counted_with_the_outputs(subject: tuple[Node, Uses]) -> None:
    node, uses = subject

    assert uses.readers[node.outputs[0]] == 1
    assert uses.producer(node.outputs[0]) == "t.op"
