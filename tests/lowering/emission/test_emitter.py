"""What rules write operations with."""

import math

import pytest

from nnapi_check.analyzer.graph import ABSENT, Block, ElementType, Graph, Node, Ref, RefList, Unknown
from nnapi_check.analyzer.planning.layout import LayoutPlan
from nnapi_check.coverage_db.cards import Emission, Layout, Way
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter, RuleError
from nnapi_check.lowering.emission.model_draft import Constant
from nnapi_check.lowering.nnapi.model import Immediate
from tests.analyzer.hand_made_graphs import Sketch, tensor

WAY = Way("operation", (Emission("RELU"), Emission("RELU6")), Layout.ANY)
EMPTY = LayoutPlan(frozenset(), frozenset(), {}, frozenset(), {})


def emitter(layout: LayoutPlan = EMPTY) -> Emitter:
    """An emitter that is bound to one node with arguments of every kind."""
    sketch = Sketch()
    x = sketch.input(tensor((1, 3, 7, 9)))
    weight = sketch.parameter(tensor((1, 3, 1, 1)))
    node, made = sketch.made("t.op", x, kind=tensor((1, 3, 7, 9)))
    arguments = {
        **node.arguments,
        "weight": Ref(weight),
        "tensors": RefList((x, None)),
        "sizes": (2, 3),
        "axis": -1,
        "rate": 0.5,
        "flag": True,
        "missing": ABSENT,
        "later": Unknown("it is computed"),
    }
    bound = Node(node.id, node.op, arguments, node.outputs)
    graph = Graph("g", tuple(sketch.values), Block((x,), (bound,), (made,)))
    found = Emitter(graph, layout)
    found.bind(bound, WAY)
    return found


def nhwc() -> Emitter:
    """The same where the node runs in NHWC: its input is value 0, its output value 2."""
    return emitter(LayoutPlan(frozenset({2}), frozenset({(0, 0)}), {}, frozenset(), {}))


def test_arguments_are_read_by_name_and_kind() -> None:
    emit = emitter()

    assert emit.ints("sizes") == (2, 3)
    assert emit.ints("axis") == (-1,)
    assert emit.integer("axis") == -1
    assert emit.real("rate") == 0.5
    assert emit.flag("flag") is True
    assert emit.has("rate")
    assert not emit.has("missing")
    assert not emit.has("nothing")
    assert emit.is_constant("weight")
    assert not emit.is_constant("self")


@pytest.mark.parametrize(
    ("read", "name"),
    [("ints", "rate"), ("integer", "later"), ("real", "sizes"), ("input", "rate"), ("inputs_of", "self")],
)
def test_argument_of_another_kind_is_a_fault_of_the_rule(read: str, name: str) -> None:
    with pytest.raises(RuleError, match=r"^t\.op: "):
        getattr(emitter(), read)(name)


def test_emitter_without_a_node_is_refused() -> None:
    fresh = Emitter(Graph("g", (), Block((), (), ())), EMPTY)

    with pytest.raises(RuleError, match="not bound"):
        fresh.argument("self")


def test_operation_that_the_card_does_not_list_is_refused() -> None:
    emit = emitter()

    with pytest.raises(RuleError, match="emitted TANH, which its card does not list"):
        emit.operation("TANH", [emit.input("self")])


def test_operation_has_the_type_of_the_nodes_output() -> None:
    emit = emitter()

    made = emit.operation("RELU", [emit.input("self")])

    assert emit.spec(made).type is OperandType.TENSOR_FLOAT32
    assert emit.spec(made).shape == (1, 3, 7, 9)


def test_input_is_made_once() -> None:
    emit = emitter()

    assert emit.input("self") == emit.input("self")
    assert len(emit.draft.inputs) == 1


def test_absent_members_of_a_list_are_left_out() -> None:
    assert len(emitter().inputs_of("tensors")) == 1


def test_equal_constants_are_one_operand() -> None:
    emit = emitter()

    assert emit.int32(5) == emit.int32(5)
    assert emit.int32(5) != emit.int32(6)
    assert emit.int32_tensor((1, 2)) == emit.int32_tensor((1, 2))
    assert emit.int32_tensor((1, 2)) != emit.int32_tensor((1, 2), (2, 1))


def test_axes_and_lists_stand_where_the_layout_puts_them() -> None:
    plain, turned = emitter(), nhwc()

    assert [plain.axis(axis, 4) for axis in range(-4, 4)] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [turned.axis(axis, 4) for axis in range(4)] == [0, 3, 1, 2]
    assert turned.axis(-1, 3) == 2
    assert plain.arranged("nchw") == tuple("nchw")
    assert turned.arranged("nchw") == tuple("nhwc")
    assert turned.spec(turned.input("self")).shape == (1, 7, 9, 3)
    assert turned.output_spec().shape == (1, 7, 9, 3)


def test_constant_that_broadcasts_is_put_in_the_layout() -> None:
    plain, turned = emitter(), nhwc()

    assert plain.spec(plain.input("weight")).shape == (1, 3, 1, 1)
    assert turned.spec(turned.input("weight")).shape == (1, 1, 1, 3)
    assert isinstance(turned.draft.operands[turned.input("weight")].source, Constant)


@pytest.mark.parametrize(
    ("value", "stored"), [(1.5, b"\x00\x00\xc0\x3f"), (math.inf, b"\x00\x00\x80\x7f"), (1e300, b"\x00\x00\x80\x7f")]
)
def test_number_is_stored_in_the_type_of_its_neighbor(value: float, stored: bytes) -> None:
    emit = emitter()

    made = emit.number(value, emit.input("self"))

    assert emit.spec(made).shape == (1,)
    assert emit.draft.operands[made].source == Immediate(stored)


def test_output_of_another_type_is_refused() -> None:
    emit = emitter()

    with pytest.raises(RuleError, match="its rule made"):
        emit.set_output(2, emit.int32(1))


def test_copy_is_another_operand_of_the_same_type() -> None:
    emit = emitter()
    x = emit.input("self")

    made = emit.copied(x)

    assert made != x
    assert emit.spec(made) == emit.spec(x)


def test_scalar_is_as_wide_as_its_neighbor() -> None:
    emit = emitter()

    assert emit.spec(emit.scalar(0.5, emit.input("self"))).type is OperandType.FLOAT32
    assert emit.spec(emit.boolean(True)).type is OperandType.BOOL


def test_recipes_of_integers_become_32_bits_wide() -> None:
    sketch = Sketch()
    x = sketch.input(tensor((2, 3)))
    indices = sketch.parameter(tensor((4,), ElementType.INT64))
    node, made = sketch.made("t.op", x, indices, kind=tensor((2, 3)))
    emit = Emitter(Graph("g", tuple(sketch.values), Block((x,), (node,), (made,))), EMPTY)
    emit.bind(node, WAY)

    assert emit.spec(emit.input("other")).type is OperandType.TENSOR_INT32
