"""Edits as they are told of an op: code for any call, in the names of its arguments."""

import ast
import builtins

import pytest
import torch

from nnapi_check.coverage_db.edits.edit import Edit, load_edits
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.measured_errors import NOTHING_MEASURED
from nnapi_check.reports.changing.edit_text import known_edit_lines, known_edits
from nnapi_check.reports.site.op_page import op_view

EDITED = sorted({op for edit in load_edits() for op in edit.ops})
KNOWN = {"torch", "F", "x", "y", "prod", *dir(builtins)}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def arguments(op: str) -> set[str]:
    space, name, overload = op.split(".")
    if space == "torchvision":
        pytest.importorskip("torchvision")
    found = getattr(getattr(getattr(torch.ops, space), name), overload)
    return {argument.name for argument in found._schema.arguments}


def free_names(code: str) -> set[str]:
    names = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)} - {"y"}
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} - stored


@pytest.mark.parametrize("op", EDITED)
def test_code_for_any_call_is_python_in_the_names_of_the_arguments(op: str) -> None:
    found = known_edits(op)

    assert found
    for edit in found:
        for code in (edit.before, edit.after):
            assert free_names(code) <= KNOWN | arguments(op)


@pytest.mark.parametrize("edit", load_edits(), ids=lambda edit: edit.id)
def test_a_shape_that_the_code_cannot_know_is_said_to_be_one(edit: Edit) -> None:
    told = "\n".join(known_edit_lines(edit.ops[0])).split("\n\n")

    (mine,) = (lines for lines in told if edit.says in " ".join(lines.split()))
    asks_before_it_is_given = "y.shape" in edit.after.for_any_call
    assert ("y.shape is the shape that the call gives" in mine) == asks_before_it_is_given


def test_ops_without_edits_are_told_without(registry: Registry) -> None:
    told = [card.op for card in registry.cards() if op_view(card, registry, NOTHING_MEASURED).edits]

    assert sorted(told) == [op for op in EDITED if registry.has_card(op)]
    assert not list(known_edit_lines("aten.relu.default"))
