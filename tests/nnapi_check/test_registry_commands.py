"""The commands about the registry."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.reports.registry_text import op_rows, rows_text
from tests.nnapi_check.conftest import Run
from tests.registry_numbers import HIGHEST_LEVEL, NEXT_LEVEL, OPERATION_COUNT


def test_status_counts_the_operations_as_json(run: Run) -> None:
    found = json.loads(run("db", "status", "--format", "json").stdout)

    assert found["operations"] == OPERATION_COUNT
    assert found["ops"] > 0
    assert found["ways_without_example"] == []


def test_status_names_what_is_missing(run: Run) -> None:
    found = run("db", "status", "--all").stdout

    assert "Operations that no op becomes: " in found
    assert "L2_POOL_2D" in found
    assert all(len(line) <= 80 for line in found.splitlines())


def test_status_is_a_screen_unless_all_is_asked_for(run: Run) -> None:
    short, whole = (run("db", "status", *more).stdout for more in ((), ("--all",)))

    counts = [line for line in short.splitlines() if re.search(r": \d+$", line)]
    assert len(short.splitlines()) <= 24
    assert len(counts) == 5
    assert set(counts) <= set(whole.splitlines())
    assert "(--all tells" in short
    assert "(--all tells" not in whole


def test_a_shown_op_says_what_its_ways_demand_and_all_says_why(run: Run) -> None:
    short, whole = (run("ops", "show", "aten.conv2d.default", *more).stdout for more in ((), ("--all",)))

    ways = [line for line in whole.splitlines() if line.startswith("  Way ")]
    assert ways == [line for line in short.splitlines() if line.startswith("  Way ")]
    assert "    where    groups is 1" in short.splitlines()
    assert "    demands  weight is a constant" in short.splitlines()
    assert "another way is for such calls" not in whole
    assert "Fix: " in whole
    assert "Fix: " not in short
    assert len(whole.splitlines()) > 2 * len(short.splitlines())
    assert whole == run("explain", "aten.conv2d.default").stdout


def test_database_is_built_for_queries(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "registry.db"

    found = run("db", "build", path)

    assert found.exit_code == 0
    assert str(path) in found.stderr
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM operations").fetchone() == (OPERATION_COUNT,)


def test_database_in_a_folder_that_does_not_exist_is_told_in_one_sentence(tmp_path: Path, run: Run) -> None:
    found = run("db", "build", tmp_path / "nowhere" / "registry.db")

    assert found.exit_code == 2
    assert found.stderr.startswith("nnapi-check: ")
    assert found.stderr.count("\n") == 1


def test_operations_are_listed_with_their_levels(run: Run) -> None:
    rows = json.loads(run("ops", "list", "--nnapi", "--format", "json").stdout)

    assert len(rows) == OPERATION_COUNT
    (found,) = [row for row in rows if row["name"] == "HARD_SWISH"]
    assert found["level"] == 4


def test_list_keeps_what_a_level_has(run: Run) -> None:
    every = json.loads(run("ops", "list", "--nnapi", "--format", "json").stdout)
    first = json.loads(run("ops", "list", "--nnapi", "--feature-level", 1, "--format", "json").stdout)

    assert {row["name"] for row in first} == {row["name"] for row in every if row["level"] == 1}
    assert 0 < len(first) < len(every)


def test_list_refuses_a_level_that_does_not_exist(run: Run) -> None:
    found = run("ops", "list", "--feature-level", NEXT_LEVEL)

    assert found.exit_code == 2
    assert found.stdout == ""
    assert found.stderr == f"nnapi-check: feature level {NEXT_LEVEL} does not exist; NNAPI has 1 to {HIGHEST_LEVEL}\n"


def test_list_keeps_a_status(run: Run) -> None:
    rows = json.loads(run("ops", "list", "--status", "gap", "--format", "json").stdout)

    assert rows
    assert {row["status"] for row in rows} == {"gap"}


@pytest.mark.parametrize("arguments", [("ops", "list"), ("ops", "list", "--nnapi"), ("ops", "search", "pool")])
def test_lists_take_a_line_for_each_name_into_a_pipe(arguments: tuple[str, ...], run: Run) -> None:
    rows = json.loads(run(*arguments, "--format", "json").stdout)
    lines = run(*arguments).stdout.splitlines()

    assert len(rows) > 1
    assert [line.split()[0] for line in lines[2:]] == [row["name"] for row in rows]


def test_lists_fit_a_terminal() -> None:
    lines = rows_text(op_rows(open_registry()), 100).splitlines()

    assert len(lines) > 100
    assert [line for line in lines if len(line) > 100] == []


def test_search_wants_all_words(run: Run) -> None:
    names = [row["name"] for row in json.loads(run("ops", "search", "POOL", "max", "--format", "json").stdout)]

    assert "MAX_POOL_2D" in names
    assert "aten.max_pool2d.default" in names
    assert "AVERAGE_POOL_2D" not in names


def test_search_without_a_find_fails(run: Run) -> None:
    found = run("ops", "search", "zzzz", "pool")

    assert found.exit_code == 1
    assert found.stdout == ""
    assert found.stderr == "nnapi-check: nothing is named or described by 'zzzz pool'.\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NNC402", "NNC402: "),
        ("nnc402", "NNC402: "),
        ("layout", "layout: "),
        ("aten.relu.default", "aten.relu.default\n"),
        ("relu", "aten.relu.default\n"),
        ("RELU", "RELU: NNAPI operation 19, from feature level 1"),
    ],
)
def test_explain_tells_of_anything_that_a_report_names(name: str, words: str, run: Run) -> None:
    found = run("explain", name)

    assert found.exit_code == 0
    assert words in found.stdout
    assert found.stdout == run("ops", "show", name, "--all").stdout


@pytest.mark.parametrize("command", [("explain",), ("ops", "show")])
def test_an_op_is_told_with_the_code_to_write_in_its_place(run: Run, command: tuple[str, ...]) -> None:
    told, document = run(*command, "nn.GELU").stdout, json.loads(run(*command, "nn.GELU", "--format", "json").stdout)

    before, after = (
        "y = F.gelu(x)  # or nn.GELU()",
        'y = F.gelu(x, approximate="tanh")  # or nn.GELU(approximate="tanh")',
    )
    assert f"    - {before}\n    + {after}\n" in told
    assert "    keeps  each number within 0.0005" in told
    in_half = "y = F.gelu(x.to(torch.float32), approximate=approximate).to(torch.float16)"
    assert [edit["after"] for card in document for edit in card["edits"]] == [in_half, after]


def test_explain_knows_modules_and_functions_of_pytorch(run: Run) -> None:
    found = run("explain", "nn.GELU")

    assert found.stdout == run("explain", "aten.gelu.default").stdout
    assert run("explain", "ReLU").stdout.startswith("aten.relu.default")


def test_explain_says_which_op_without_a_card_a_module_is(run: Run) -> None:
    found = run("explain", "nn.CTCLoss")

    assert found.exit_code == 2
    assert found.stderr == "nnapi-check: nn.CTCLoss is aten.ctc_loss, of which nothing is known yet\n"


def test_search_finds_what_a_module_is_first(run: Run) -> None:
    rows = json.loads(run("ops", "search", "nn.Conv2d", "--format", "json").stdout)

    assert rows[0]["name"] == "aten.conv2d.default"


def test_unknown_name_is_told_with_the_closest(run: Run) -> None:
    found = run("explain", "NNC40")

    assert found.exit_code == 2
    assert found.stderr.startswith("nnapi-check: there is no name called 'NNC40'; did you mean NNC40")


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("geluu", "gelu"),
        ("nn.Conv2dd", "conv2d"),
        ("CONV_2", "CONV_2D"),
        ("MaxPool", "max_pool3d"),
        ("F.softmx", "softmax"),
        ("HardSwich", "hardswish"),
        ("CrossEntropyLos", "CrossEntropyLoss"),
        ("layot", "layout"),
    ],
)
def test_a_name_that_is_nearly_one_is_told_as_people_write_it(name: str, close: str, run: Run) -> None:
    explained, searched = run("explain", name), run("ops", "search", name)

    assert explained.stderr.startswith(f"nnapi-check: there is no name called {name!r}; did you mean {close}")
    if searched.exit_code:
        assert searched.stderr.startswith(
            f"nnapi-check: nothing is named or described by {name!r}; did you mean {close}"
        )
    assert "there is no name" not in run("explain", close).stderr


def test_every_operation_and_card_can_be_shown(run: Run) -> None:
    rows = json.loads(run("ops", "list", "--format", "json").stdout)
    rows += json.loads(run("ops", "list", "--nnapi", "--format", "json").stdout)

    for row in rows[::7]:
        found = run("ops", "show", row["name"])
        assert found.exit_code == 0, row
        assert row["name"] in found.stdout


def test_an_op_that_decompositions_write_names_what_it_is_read_as(run: Run) -> None:
    shown = run("ops", "show", "aten.convolution.default").stdout
    listed = json.loads(run("ops", "list", "--status", "rewritten", "--format", "json").stdout)

    words = " ".join(shown.split())
    assert "Read as aten.conv1d.default, aten.conv2d.default," in words
    assert "where its rank, and whether it is transposed, are known before a run." in words
    (row,) = [row for row in listed if row["name"] == "aten.native_layer_norm.default"]
    assert row["becomes"] == "aten.layer_norm.default"
