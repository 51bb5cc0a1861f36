"""Schemas of ops, from how a program calls them."""

from __future__ import annotations

import json

import pytest

from nnapi_check.analyzer.files.missing_ops.program_calls import OpName, called_ops, calls_in, schema_of

OP = OpName("mylib", "mix", "default")

Json = dict[str, object]


def argument(name: str, kind: str, value: object = None, *, is_named: bool = False) -> Json:
    return {"name": name, "arg": {kind: value}, "kind": 2 if is_named else 1}


def call(*arguments: Json, outputs: tuple[str, ...] = ("as_tensor",)) -> Json:
    made = [{kind: {"name": "y"}} for kind in outputs]
    return {"target": "torch.ops.mylib.mix.default", "inputs": list(arguments), "outputs": made}


def described(*nodes: Json) -> bytes:
    return json.dumps({"graph_module": {"graph": {"nodes": nodes}}}).encode()


def schema(*nodes: Json) -> str | None:
    calls = calls_in(described(*nodes), [OP])
    return None if calls is None else schema_of(calls)


X = argument("x", "as_tensor", {"name": "x"})


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([call(X)], "mix(Tensor x) -> Tensor"),
        ([call(X, argument("by", "as_float", 0.5))], "mix(Tensor x, float by) -> Tensor"),
        (
            [call(X), call(X, argument("by", "as_float", 0.5))],
            "mix(Tensor x, float? by=None) -> Tensor",
        ),
        (
            [call(X, argument("by", "as_int", 2)), call(X, argument("by", "as_float", 0.5))],
            "mix(Tensor x, float by) -> Tensor",
        ),
        (
            [call(X, argument("mask", "as_none", ()), argument("n", "as_int", 1))],
            "mix(Tensor x, Tensor? mask=None, int? n=None) -> Tensor",
        ),
        (
            [call(X, argument("dims", "as_ints", [1]), argument("flag", "as_bool", True, is_named=True))],
            "mix(Tensor x, int[] dims, *, bool flag) -> Tensor",
        ),
        (
            [call(argument("xs", "as_tensors", []), outputs=("as_tensor", "as_tensors"))],
            "mix(Tensor[] xs) -> (Tensor, Tensor[])",
        ),
        ([call(X, outputs=())], "mix(Tensor x) -> ()"),
    ],
)
def test_a_schema_fits_every_call(nodes: list[Json], wanted: str) -> None:
    assert schema(*nodes) == wanted


@pytest.mark.parametrize(
    "nodes",
    [
        [call(X), call(X, outputs=("as_tensors",))],
        [call(X, argument("by", "as_int", 2)), call(X, argument("by", "as_string", "2"))],
        [call(X, argument("body", "as_graph", {}))],
        [call(argument("x)->(", "as_tensor", {"name": "x"}))],
        [{"target": "torch.ops.mylib.mix.default", "inputs": 3, "outputs": []}],
        [{"target": "torch.ops.mylib.mix.default"}],
    ],
)
def test_calls_that_do_not_tell_a_schema_give_none(nodes: list[Json]) -> None:
    assert schema(*nodes) is None


def test_calls_inside_branches_are_found() -> None:
    inner = call(X, argument("by", "as_float", 1.0))
    branch: Json = {"target": "torch.ops.higher_order.cond", "inputs": [{"arg": {"as_graph": {"nodes": [inner]}}}]}

    assert schema(branch) == "mix(Tensor x, float by) -> Tensor"


def test_ops_are_found_by_their_names_alone() -> None:
    assert called_ops(described(call(X))) == {OP}


@pytest.mark.parametrize("text", [b"", b"no JSON", b"[" * 100_000], ids=["empty", "text", "deep"])
def test_what_is_no_description_has_no_calls(text: bytes) -> None:
    assert calls_in(text, [OP]) is None
