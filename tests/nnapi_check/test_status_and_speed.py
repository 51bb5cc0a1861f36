"""What the registry's status tells, and that no command about the registry imports PyTorch unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnapi_check import status_command
from nnapi_check.coverage_db import known_schemas as torch_schemas
from tests.coverage_db.header_import.made_up import NEXT_HEADER, written
from tests.nnapi_check.conftest import Run, in_process

COMMANDS = [
    ["ops", "list"],
    ["ops", "list", "--nnapi"],
    ["ops", "search", "pool"],
    ["ops", "show", "aten.relu.default"],
    ["ops", "diff", "--from", "29", "--to", "30"],
    ["explain", "CONV_2D"],
    ["explain", "NNC402"],
    ["db", "status"],
    ["db", "status", "--format", "json"],
]
NO_TORCH = """
import json, sys
from click.testing import CliRunner
from nnapi_check.cli import main
for words in json.loads(sys.argv[1]):
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 0, (words, found.output)
    assert "torch" not in sys.modules, words
"""


def test_no_command_about_the_registry_imports_torch(tmp_path: Path) -> None:
    document = str(written(tmp_path, NEXT_HEADER))
    commands = [*COMMANDS, ["db", "build", str(tmp_path / "own.db")], ["db", "import", document]]

    found = in_process(json.dumps(commands), code=NO_TORCH)

    assert (found.returncode, found.stderr) == (0, "")


def test_status_tells_the_last_import_and_the_origin_of_facts(run: Run) -> None:
    found = json.loads(run("db", "status", "--format", "json").stdout)

    assert (found["last_import"]["document"], found["last_import"]["level"]) == ("NeuralNetworks.h", 5)
    assert {"operation": "QUANTIZED_LSTM", "fact": "element types", "source": "input 0"} in found["provenance"]


def test_status_counts_the_examples_of_each_op(run: Run) -> None:
    found = json.loads(run("db", "status", "--format", "json").stdout)

    counts = {count["op"]: count for count in found["examples"]}
    shown = json.loads(run("ops", "show", "aten.relu.default", "--format", "json").stdout)
    examples = [example for way in shown["ways"] for example in way["examples"]]
    assert counts["aten.relu.default"]["passing"] == sum(1 for example in examples if example["expect"] is None)
    assert counts["aten.relu.default"]["breaking"] == sum(1 for example in examples if example["expect"] is not None)


def test_status_compares_with_torch_when_asked(run: Run) -> None:
    found = json.loads(run("db", "status", "--torch", "--format", "json").stdout)

    assert found["torch"]["core_ops"] > 100
    assert "aten.relu.default" not in found["torch"]["core_without_card"]
    assert "torch" not in json.loads(run("db", "status", "--format", "json").stdout)


def test_status_names_ops_whose_schema_changed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = torch_schemas.read_schema_list()
    older = tmp_path / "list.txt"
    schemas = {**listed.schemas, "aten.relu.default": "aten::relu(Tensor self, int old) -> Tensor"}
    older.write_text(torch_schemas.schema_list_text(torch_schemas.SchemaList("2.0", schemas)), encoding="utf-8")
    monkeypatch.setattr(status_command, "read_schema_list", lambda: torch_schemas.read_schema_list(older))

    found = run("db", "status", "--torch").stdout

    assert "  - aten::relu(Tensor self, int old) -> Tensor\n  + aten::relu(Tensor self) -> Tensor\n" in found


def test_writing_the_list_wants_torch(run: Run) -> None:
    found = run("db", "status", "--write")

    assert found.exit_code == 2
    assert "--write belongs to --torch" in found.stderr
