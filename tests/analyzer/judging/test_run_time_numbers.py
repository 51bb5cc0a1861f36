"""Numbers that only a run knows become tensors where ops of tensors compute them, and stay what they are elsewhere."""

from dataclasses import replace

import pytest
import torch

from nnapi_check.analyzer.graph import ElementType, Graph, Node, OtherType, Ref, RefList, TensorType, Unknown
from nnapi_check.analyzer.judging.judge import judge
from nnapi_check.analyzer.judging.number_ops import TensorCall, chain_of
from nnapi_check.analyzer.judging.run_time_numbers import with_numbers_as_tensors
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.coverage_db.targets import NDK
from tests.analyzer.judging.written_programs import captured_program, failures_of, judged_program

WHOLE, TRUTH = TensorType(ElementType.INT64, ()), TensorType(ElementType.BOOL, ())


def changed(body: str, **inputs: str) -> Graph:
    return with_numbers_as_tensors(captured_program(body, **inputs).graph)


def the_node(op: str, graph: Graph) -> Node:
    (found,) = [node for node in graph.nodes() if node.op == op]
    return found


def numbers(graph: Graph) -> list[str]:
    """The kinds of all that is no tensor."""
    return [value.type.name for value in graph.values if isinstance(value.type, OtherType)]


def test_a_program_without_numbers_of_a_run_is_left_as_it_is() -> None:
    graph = captured_program("return x.relu() * n + x.size(0)").graph

    assert with_numbers_as_tensors(graph) is graph


@pytest.mark.parametrize("inputs", [{"x": "f32[3]", "n": "i64[]"}, {"x": "f32[3]", "n": "i32[1]"}])
def test_the_element_of_a_tensor_is_that_tensor(inputs: dict[str, str]) -> None:
    graph = changed("return x * int(n)", **inputs)

    assert the_node("aten.alias.default", graph).arguments == {"self": Ref(1)}
    assert isinstance(the_node("aten.mul.Tensor", graph).arguments["other"], Ref)
    assert numbers(graph) == []


@pytest.mark.parametrize(("op", "neutral"), [("aten.__and__.bool", True), ("aten.__or__.bool", False)])
def test_a_truth_joined_with_one_that_changes_nothing_is_itself(op: str, neutral: bool) -> None:
    itself = (TensorCall("aten.alias.default", {"self": Ref(1)}),)

    assert chain_of(op, [Ref(1), neutral]) == chain_of(op, [neutral, Ref(1)]) == itself
    assert chain_of(op, [Ref(1), not neutral]) is None


def test_the_truth_of_a_number_is_its_difference_from_0() -> None:
    graph = changed("if bool(n):\n    x = x * 2\nreturn x", x="f32[3]", n="f32[]")

    compared = the_node("aten.ne.Scalar", graph)
    assert compared.arguments == {"self": Ref(1), "other": 0}
    assert graph.type_of(compared.outputs[0]) == TRUTH


@pytest.mark.parametrize(
    "body",
    [
        "return x * float(n)",
        "i = 0\nwhile bool(x.sum() > 1.0):\n    x = x - 1\n    i += 1\nreturn x, i",
        "return x, int(n)",
    ],
)
def test_fractions_and_what_is_handed_to_the_caller_stay_numbers(body: str) -> None:
    assert numbers(changed(body)) != []


@pytest.mark.parametrize("number", ["f32[]", "f32[1]"])
def test_what_is_no_whole_number_is_not_read_as_one(number: str) -> None:
    assert numbers(changed("return x * int(n)", x="f32[3]", n=number)) == ["int"]


COMPUTED = {
    "k + k2": "aten.add.Tensor",
    "k + 2": "aten.add.Scalar",
    "2 + k": "aten.add.Scalar",
    "k - 2": "aten.sub.Scalar",
    "2 - k": "aten.rsub.Scalar",
    "k * k2": "aten.mul.Tensor",
    "k // 2": "aten.floor_divide.Scalar",
    "k // k2": "aten.floor_divide.default",
    "k % 2": "aten.remainder.Scalar",
    "k % k2": "aten.remainder.Tensor",
    "-k": "aten.neg.default",
    "abs(k)": "aten.abs.default",
    "max(k, 2)": "aten.clamp_min.default",
    "max(2, k)": "aten.clamp_min.default",
    "min(k, k2)": "aten.minimum.default",
    "int(k > 2)": "aten.gt.Scalar",
    "int(2 > k)": "aten.lt.Scalar",
    "int(2 >= k)": "aten.le.Scalar",
    "int(k != k2)": "aten.ne.Tensor",
    "int(bool(k))": "aten.ne.Scalar",
    "int(not (k > 2))": "aten.logical_not.default",
    "int((k > 2) == (k2 > 2))": "aten.eq.Tensor",
    "int((k > 2) ^ (k2 > 2))": "aten.logical_xor.default",
    "int((k > 2) == (x.dim() == 3))": "aten.logical_not.default",
    "int((x.dim() == 3) != (k > 2))": "aten.alias.default",
}


@pytest.mark.parametrize(("expression", "op"), COMPUTED.items())
def test_arithmetic_becomes_that_of_tensors(expression: str, op: str) -> None:
    graph = changed(f"k = int(n)\nk2 = int(n) + 3\nreturn x * ({expression})")

    assert op in {node.op for node in graph.nodes()}
    assert numbers(graph) == []
    assert (
        failures_of(
            "aten.mul.Tensor", judged_program(f"k = int(n)\nreturn x * ({expression.replace('k2', '(k + 3)')})")
        )
        == ()
    )


@pytest.mark.parametrize("expression", ["7 // k", "7 % k", "k ** 2", "k << 1"])
def test_what_no_op_of_tensors_computes_stays_a_number_and_is_told_as_one(expression: str) -> None:
    judgement = judged_program(f"k = int(n)\nreturn x * ({expression})")

    told = [failure for verdict in judgement.at(8).values() for failure in verdict.failures]
    assert "program" in {failure.requirement for failure in told}
    assert "card" not in {failure.requirement for failure in told}


RANGES = {
    "range(int(n))": [],
    "range(2, int(n))": ["aten.sub.Scalar"],
    "range(int(n), 2)": ["aten.rsub.Scalar"],
    "range(1, int(n), 3)": ["aten.sub.Scalar", "aten.add.Scalar", "aten.floor_divide.Scalar"],
    "range(9, int(n), -2)": ["aten.rsub.Scalar", "aten.add.Scalar", "aten.floor_divide.Scalar"],
}


@pytest.mark.parametrize(("turns", "ops"), RANGES.items())
def test_a_range_has_its_number_of_turns(turns: str, ops: list[str]) -> None:
    graph = changed(f"for i in {turns}:\n    x = x + i\nreturn x")

    assert [node.op for node in graph.body.nodes if node.op not in ("aten.alias.default", "prim.Loop")] == ops
    assert numbers(graph) == []


def test_values_and_nodes_keep_their_ids_and_new_ones_have_others() -> None:
    before = captured_program("for i in range(1, int(n), 3):\n    x = x[i] + x\nreturn x").graph

    after = with_numbers_as_tensors(before)

    ids = [node.id for node in after.nodes()]
    assert len(ids) == len(set(ids))
    assert {node.id: node.outputs for node in before.nodes()}.items() <= {
        node.id: node.outputs for node in after.nodes()
    }.items()
    assert [value.id for value in after.values] == list(range(len(after.values)))
    assert len(after.values) > len(before.values)


def test_a_place_is_an_index() -> None:
    graph = changed("return x[:, int(n)]")

    found = the_node("aten.index.Tensor", graph)
    assert isinstance(found.arguments["indices"], RefList)
    assert found.arguments["indices"].values[0] is None
    assert graph.type_of(found.outputs[0]) == TensorType(ElementType.FLOAT32, (3,))


@pytest.mark.parametrize("dim", [1, -1])
def test_a_part_of_fixed_length_begins_where_a_tensor_says(dim: int) -> None:
    graph = changed(f"return x.narrow({dim}, int(n), 4)")

    found = the_node("aten.narrow.Tensor", graph)
    assert isinstance(found.arguments["start"], Ref)
    assert graph.type_of(found.outputs[0]) == TensorType(ElementType.FLOAT32, (3, 4))


def test_a_place_that_is_written_is_an_index_that_is_put() -> None:
    graph = changed("y = x * 2\ny[int(n)] = x[0]\nreturn y")

    found = the_node("aten.index_put.default", graph)
    assert found.arguments["accumulate"] is False
    assert isinstance(found.arguments["values"], Ref)


def test_a_slice_between_bounds_of_a_run_is_refused_and_the_fix_names_a_part_of_fixed_length() -> None:
    told = failures_of("aten.slice.Tensor", judged_program("k = int(n)\nreturn x[:, k:k + 2]"))

    assert any("narrow" in failure.fix for failure in told)


def numeric_ops() -> list[torch.FunctionSchema]:
    """Every op of PyTorch's on numbers of the program alone."""
    kinds = {"int", "float", "bool", "number", "complex"}
    found = torch._C._jit_get_all_schemas()
    return [
        schema
        for schema in found
        if schema.name.startswith("aten::")
        and schema.arguments
        and len(schema.returns) == 1
        and {str(part.type) for part in (*schema.arguments, *schema.returns)} <= kinds
    ]


def test_no_op_on_numbers_alone_is_told_to_lack_a_card() -> None:
    registry = open_registry()
    graph = captured_program("k, b = int(n), bool(n)\nreturn x * int(b) * (k * 1.5)").graph
    truth = next(iter(the_node("aten.Int.bool", graph).arguments.values()))
    (place,) = [place for place, node in enumerate(graph.body.nodes) if node.op == "aten.mul.int_float"]
    node = graph.body.nodes[place]
    number = next(argument for argument in node.arguments.values() if isinstance(argument, Unknown))
    told: dict[str, set[str]] = {}

    for schema in numeric_ops():
        op = f"aten.{schema.name.partition('::')[2]}.{schema.overload_name or 'default'}"
        given = {part.name: truth if str(part.type) == "bool" else number for part in schema.arguments}
        other = replace(node, op=op, arguments=given)
        nodes = (*graph.body.nodes[:place], other, *graph.body.nodes[place + 1 :])
        values = list(graph.values)
        for output in node.outputs:
            values[output] = replace(values[output], type=OtherType(str(schema.returns[0].type)))
        made = replace(graph, values=tuple(values), body=replace(graph.body, nodes=nodes))
        verdict = judge(made, registry, registry.target(NDK)).at(8)[node.id]
        told[op] = {failure.requirement for failure in verdict.failures}

    assert len(told) > 200
    assert {op for op, requirements in told.items() if not requirements <= {"program"}} == set()


def test_what_numbers_come_to_is_known_however_many_there_are() -> None:
    graph = captured_program("a, b = divmod(x.size(0) + 8, 4)\nreturn x * (a * 10 + b) + int(2.5 * x.size(1))").graph

    assert the_node("aten.mul.Scalar", graph).arguments["other"] == 23
    assert the_node("aten.add.Scalar", graph).arguments["other"] == 17
