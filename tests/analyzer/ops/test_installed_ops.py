"""An installed PyTorch is compared with the cards and the committed list of schemas."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nnapi_check.analyzer.ops.installed_ops import InstalledOps, SchemaChange, compare_with_torch, installed_ops
from nnapi_check.coverage_db.known_schemas import SchemaList, SchemaListError, read_schema_list, schema_list_text


def test_finds_the_core_set_and_the_ops_asked_for() -> None:
    found = installed_ops(["aten.hardswish.default", "aten.no_such_op.default", "aten.add.Tensor"])

    assert "aten.relu.default" in found.core
    assert "aten.hardswish.default" not in found.core
    assert found.schemas["aten.hardswish.default"] == "aten::hardswish(Tensor self) -> Tensor"
    assert found.schemas["aten.add.Tensor"] == str(torch.ops.aten.add.Tensor._schema)
    assert "aten.no_such_op.default" not in found.schemas


def test_every_core_op_has_the_tag() -> None:
    for op in installed_ops([]).core:
        _, base, overload = op.split(".")
        assert torch.Tag.core in getattr(getattr(torch.ops.aten, base), overload).tags


def test_tells_what_differs() -> None:
    installed = InstalledOps(
        "9.1", frozenset({"aten.a.default", "aten.b.default"}), {"aten.a.default": "a(x)", "aten.b.default": "b(x, y)"}
    )
    listed = SchemaList("9.0", {"aten.b.default": "b(x)", "aten.c.default": "c()"})

    found = compare_with_torch(installed, ["aten.b.default"], listed)

    assert (found.version, found.listed_version, found.core_ops) == ("9.1", "9.0", 2)
    assert found.core_without_card == ("aten.a.default",)
    assert found.changed == (SchemaChange("aten.b.default", "b(x)", "b(x, y)"),)
    assert found.unlisted == ("aten.a.default",)
    assert found.gone == ("aten.c.default",)


def test_a_list_written_and_read_back_is_equal(tmp_path: Path) -> None:
    listed = SchemaList("9.0", {"aten.b.default": "aten::b(int[2] x=1) -> Tensor", "aten.a.out": "aten::a()"})
    path = tmp_path / "list.txt"

    path.write_text(schema_list_text(listed), encoding="utf-8")

    assert read_schema_list(path) == listed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: wants"),
        ("aten.a.default a()\n", "line 1: wants"),
        (schema_list_text(SchemaList("9.0", {"a": "a()"})) + "b\n", "line 3: wants an op"),
        (schema_list_text(SchemaList("9.0", {"a": "a()"})) + "a a()\n", "line 3: wants an op that is new"),
    ],
)
def test_a_malformed_list_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SchemaListError, match=message):
        read_schema_list(path)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaListError, match="cannot be read"):
        read_schema_list(tmp_path / "none.txt")


def test_the_committed_list_has_the_schemas_of_the_version_that_it_names() -> None:
    listed = read_schema_list()
    if listed.version != str(torch.__version__).partition("+")[0]:
        pytest.skip(f"the list is of PyTorch {listed.version}")

    found = compare_with_torch(installed_ops(list(listed.schemas)), list(listed.schemas), listed)

    assert (found.changed, found.gone) == ((), ())
