"""What rules read of a node."""

import pytest

from nnapi_check.lowering.emission.node_reader import RuleError
from tests.lowering.emission.bound_nodes import emitter, nhwc


def test_arguments_are_read_by_name_and_kind() -> None:
    node = emitter().node

    assert node.ints("sizes") == (2, 3)
    assert node.ints("axis") == (-1,)
    assert node.integer("axis") == -1
    assert node.real("rate") == 0.5
    assert node.flag("flag") is True
    assert node.has("rate")
    assert not node.has("missing")
    assert not node.has("nothing")
    assert node.is_constant("weight")
    assert not node.is_constant("self")


@pytest.mark.parametrize(
    ("read", "name"),
    [("ints", "rate"), ("integer", "later"), ("real", "sizes"), ("value", "rate"), ("values", "self")],
)
def test_argument_of_another_kind_is_a_fault_of_the_rule(read: str, name: str) -> None:
    with pytest.raises(RuleError, match=r"^t\.op: "):
        getattr(emitter().node, read)(name)


def test_axes_and_lists_stand_where_the_layout_puts_them() -> None:
    plain, turned = emitter().node, nhwc().node

    assert [plain.axis(axis, 4) for axis in range(-4, 4)] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [turned.axis(axis, 4) for axis in range(4)] == [0, 3, 1, 2]
    assert turned.axis(-1, 3) == 2
    assert plain.arranged("nchw") == tuple("nchw")
    assert turned.arranged("nchw") == tuple("nhwc")


def test_absent_member_of_a_list_keeps_its_place() -> None:
    assert emitter().node.values("tensors") == (0, None)
