"""The commands of a registry's maintainer, as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nnapi_check.cli import main
from nnapi_check.coverage_db.knowledge import TEXT_DIRECTORY
from tests.coverage_db.header_import.made_up import FLOOR, NEXT_HEADER, WHIRL, header, written
from tests.registry_numbers import NEXT_CODE, NEXT_LEVEL, OPERATION_COUNT


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A copy of the registry's text."""
    folder = tmp_path / "text"
    shutil.copytree(TEXT_DIRECTORY / "nnapi", folder / "nnapi")
    return folder / "nnapi"


def test_an_import_prints_what_it_would_take_in(text: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in text.rglob("*") if path.is_file()}

    found = run("db", "import", written(tmp_path, NEXT_HEADER), "--directory", text)

    assert found.exit_code == 0
    assert f"  + WHIRL: code {NEXT_CODE}, from level {NEXT_LEVEL}: TENSOR_FLOAT32, TENSOR_FLOAT16\n" in found.stdout
    assert f"  + FLOOR: TENSOR_QUANT8_ASYMM from level {NEXT_LEVEL}\n" in found.stdout
    assert f"  + CHANNEL_SHUFFLE: new input 3 BOOL optional from level {NEXT_LEVEL}\n" in found.stdout
    assert "add it by hand: 2\n  ? CHANNEL_SHUFFLE input 3\n  ? WHIRL input 2\n" in found.stdout
    assert found.stdout.endswith(
        f"7 changes to take in, which would make {OPERATION_COUNT + 2} operations; --write takes them in.\n"
    )
    assert {path: path.read_bytes() for path in text.rglob("*") if path.is_file()} == before


def test_an_import_with_write_takes_it_in_once(text: Path, tmp_path: Path) -> None:
    document = written(tmp_path, NEXT_HEADER)

    first = run("db", "import", document, "--directory", text, "--write")
    second = run("db", "import", document, "--directory", text, "--write")

    assert f"Written: 7 changes. The registry now holds {OPERATION_COUNT + 2} operations." in first.stdout
    assert (
        f"Nothing to take in: the registry has all of it. It holds {OPERATION_COUNT + 2} operations." in second.stdout
    )
    assert "\n[WHIRL]\n" in (text / "operations" / "imported.toml").read_text(encoding="utf-8")


def test_an_import_says_what_it_did_not_read(text: Path, tmp_path: Path) -> None:
    document = written(tmp_path, header(FLOOR, WHIRL.replace("up to 4", "a few")))

    found = run("db", "import", document, "--directory", text)

    assert "WHIRL: the rank is not understood (a few)" in found.stdout


def test_an_import_as_json_has_all_changes(text: Path, tmp_path: Path) -> None:
    found = run("db", "import", written(tmp_path, NEXT_HEADER), "--directory", text, "--format", "json")

    document = json.loads(found.stdout)
    assert document["schema_version"] == 1
    assert (document["kind"], document["level"], document["total"]) == ("NDK header", NEXT_LEVEL, OPERATION_COUNT + 2)
    assert {(change["kind"], change["subject"]) for change in document["changes"]} >= {
        ("new operation", "WHIRL"),
        ("new element type", "FLOOR"),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("int main() {}\n", "declares neither OperationCode"),
        (NEXT_HEADER[:-9], "the file is not whole"),
    ],
)
def test_a_wrong_file_is_one_sentence_and_exit_code_2(text: Path, tmp_path: Path, content: str, message: str) -> None:
    found = run("db", "import", written(tmp_path, content), "--directory", text, "--write")

    assert found.exit_code == 2
    assert found.stderr.startswith("nnapi-check: ")
    assert message in found.stderr
    assert found.stdout == ""


def test_diff_tells_what_a_higher_api_level_adds() -> None:
    found = run("ops", "diff", "--from", "29", "--to", "30")

    assert found.exit_code == 0
    assert found.stdout.startswith("From API level 29 (feature level 3) to API level 30 (feature level 4)\n")
    assert "  + HARD_SWISH: from level 4" in found.stdout
    assert "a check still refuses" in " ".join(found.stdout.split())


def test_diff_of_feature_levels_as_json() -> None:
    found = run("ops", "diff", "--from-feature-level", "5", "--to-feature-level", "6", "--format", "json")

    document = json.loads(found.stdout)
    assert (document["lower"], document["higher"]) == (5, 6)
    assert [change["operation"] for change in document["operations"] if change["is_new"]] == ["BATCH_MATMUL", "PACK"]


def test_diff_of_api_levels_with_the_same_feature_level_says_so() -> None:
    assert "Nothing changes" in run("ops", "diff", "--from", "31", "--to", "33").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "30", "--to", "29"], "is below API level 30"),
        (["--from", "26", "--to", "29"], "API level 26 has no NNAPI"),
        (["--from", "29"], "pass either --to (an API level) or --to-feature-level"),
        (["--from", "29", "--from-feature-level", "3", "--to", "30"], "pass either --from"),
        (["--from-feature-level", "3", "--to-feature-level", "99"], "feature level 99 does not exist"),
    ],
)
def test_diff_of_levels_that_are_not_there_is_refused(words: list[str], message: str) -> None:
    found = run("ops", "diff", *words)

    assert found.exit_code == 2
    assert message in found.stderr
