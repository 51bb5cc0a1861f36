"""What rules write operations with."""

import math

import pytest

from nnapi_check.analyzer.graph import Block, ElementType, Graph
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import Constant
from nnapi_check.lowering.emission.node_reader import RuleError
from nnapi_check.lowering.nnapi.model import Immediate
from tests.analyzer.hand_made_graphs import Sketch, tensor
from tests.lowering.emission.bound_nodes import EMPTY, WAY, emitter, nhwc


def test_emitter_without_a_node_is_refused() -> None:
    fresh = Emitter(Graph("g", (), Block((), (), ())), EMPTY)

    with pytest.raises(RuleError, match="not bound"):
        fresh.input("self")


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


def test_operands_are_in_the_order_of_the_layout() -> None:
    turned = nhwc()

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
