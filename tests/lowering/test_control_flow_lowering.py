"""What IF and WHILE are given, and the models that they refer to; nothing is run."""

import pytest

from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.targets import NDK
from nnapi_check.lowering.nnapi.model import Model, Operation
from nnapi_check.lowering.nnapi.validation.validate import validate
from nnapi_check.lowering.part_lowering import LoweredPart
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from tests.analyzer.judging.written_programs import captured_program


def lowered(body: str, level: int = 4, **inputs: str) -> LoweredPart:
    registry = open_registry()
    found = survey(captured_program(body, **inputs).graph, registry, registry.target(NDK), gain=0)
    facts = FactsByName(registry)
    (part,) = lower_plan(found, found.at(level), facts)
    assert validate(part.model, facts).faults == ()
    assert part.level == level
    return part


def the_only(kind: str, model: Model) -> Operation:
    (found,) = [operation for operation in model.operations if operation.kind == kind]
    return found


def types(model: Model, operands: tuple[int, ...]) -> list[tuple[OperandType, object]]:
    return [(model.operands[place].type, model.operands[place].shape) for place in operands]


MATRIX, COUNT, TRUTH = (
    (OperandType.TENSOR_FLOAT32, (3, 7)),
    (OperandType.TENSOR_INT32, (1,)),
    (OperandType.TENSOR_BOOL8, (1,)),
)


def test_both_branches_take_what_either_of_them_reads() -> None:
    model = lowered("y = x * 2\nif bool(n > 0):\n    z = x + 1\nelse:\n    z = y - 1\nreturn z").model

    branch = the_only("IF", model)
    assert types(model, branch.inputs[3:]) == [MATRIX, MATRIX]
    for inner in model.referenced:
        assert types(inner, inner.inputs) == [MATRIX, MATRIX]
        assert types(inner, inner.outputs) == [MATRIX]


def test_branches_that_read_nothing_take_the_condition() -> None:
    body = "if bool(n > 0):\n    z = torch.ones(3, 7)\nelse:\n    z = torch.zeros(3, 7)\nreturn z + x"

    model = lowered(body).model

    assert [types(inner, inner.inputs) for inner in model.referenced] == [[TRUTH], [TRUTH]]


def test_an_output_that_nothing_reads_is_no_output_of_the_branch() -> None:
    body = "if bool(n > 0):\n    a, b = x * 2, x + 1\nelse:\n    a, b = x, x * 3\nreturn a"

    assert len(the_only("IF", lowered(body).model).outputs) == 1


@pytest.mark.parametrize(
    ("body", "carried"),
    [
        ("while bool(x.sum() > 1.0):\n    x = x * 0.5\nreturn x", [MATRIX, TRUTH]),
        ("for i in range(int(n)):\n    x = x * 0.5\nreturn x", [MATRIX, COUNT, COUNT]),
        ("for i in range(5000):\n    x = (x * 0.5 + n).relu()\nreturn x", [MATRIX, COUNT, COUNT]),
        (
            "for i in range(int(n)):\n    x = x * 0.5 + i\n    if bool(x.sum() > 9.0):\n        break\nreturn x",
            [MATRIX, COUNT, TRUTH, COUNT],
        ),
    ],
)
def test_a_loop_counts_and_keeps_a_condition_where_it_has_one(
    body: str, carried: list[tuple[OperandType, object]]
) -> None:
    model = lowered(body).model

    loop = the_only("WHILE", model)
    assert types(model, loop.inputs[2:]) == carried
    taking = [inner for inner in model.referenced if types(inner, inner.inputs) == carried]
    assert len(taking) == 2


def test_what_is_read_after_a_loop_comes_first_and_the_rest_is_no_output() -> None:
    body = "a, b = x, x[0]\nfor i in range(int(n)):\n    a, b = a + b, b * 0.5\nreturn b * 1"

    model = lowered(body).model

    loop = the_only("WHILE", model)
    assert types(model, loop.outputs) == [(OperandType.TENSOR_FLOAT32, (7,))]
    assert types(model, loop.inputs[2:4]) == [(OperandType.TENSOR_FLOAT32, (7,)), MATRIX]


def test_what_a_body_passes_on_unchanged_or_twice_is_copied() -> None:
    body = "y, z = x * 2, x * 3\nif bool(n > 0):\n    a, b = x, x\nelse:\n    a, b = y, z\nreturn a + 1, b + 2"

    model = lowered(body).model

    for inner in model.referenced:
        made = {output for operation in inner.operations for output in operation.outputs}
        assert len(set(inner.outputs)) == 2
        assert set(inner.outputs) <= made


def test_weights_of_two_bodies_are_one_buffer() -> None:
    body = "w = torch.ones(7, 7) * 0.1\nif bool(n > 0):\n    y = x @ w\nelse:\n    y = (x @ w).relu()\nreturn y"

    part = lowered(body)

    assert len({recipe for recipe in part.buffers if recipe.shape == (7, 7)}) == 1


def test_each_operation_of_a_body_is_known_to_be_of_its_node() -> None:
    part = lowered("for i in range(int(n)):\n    x = torch.tanh(x * 0.5) + i\nreturn x")

    for inner, nodes in zip(part.model.referenced, part.inner_node_of, strict=True):
        assert len(inner.operations) == len(nodes)
