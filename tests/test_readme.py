"""What the README says is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnapi_check.cli import main
from nnapi_check.coverage_db.levels import load_levels

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = [block for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL) if "sqlite-utils query" in block]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the registry's database, as the README builds it."""
    found = tmp_path_factory.mktemp("readme")
    made = CliRunner().invoke(main, ["db", "build", str(found / "registry.db")])
    assert made.exit_code == 0
    return found


def test_there_are_five_queries() -> None:
    assert len(QUERIES) == 5


@pytest.mark.parametrize("block", QUERIES, ids=[block.splitlines()[0].removeprefix("# ") for block in QUERIES])
def test_query_works_as_pasted_and_finds_something(block: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"

    done = subprocess.run(
        ["sh", "-e"], input=block, capture_output=True, text=True, cwd=folder, env={"PATH": path}, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) > 2


def test_every_command_of_the_quick_start_exists() -> None:
    called = set(re.findall(r"^\$ nnapi-check (\w+) ", README, flags=re.MULTILINE))

    assert called == {"convert", "verify", "explain"}
    assert called <= set(main.commands)


def test_every_option_that_is_named_exists() -> None:
    known = {option for command in main.commands.values() for parameter in command.params for option in parameter.opts}

    others = {"--table", "--build", "--level"}  # Of sqlite-utils, CMake and the host runtime.
    for option in set(re.findall(r"`?(--[a-z][a-z-]+)", README)) - others:
        assert option in known, option


def test_table_of_levels_is_that_of_the_registry() -> None:
    """A new level wants a row of its own, or its number in one where no API level brings it."""
    for level in load_levels():
        api_levels = [api.api_level for api in level.api_levels]
        shown = "none" if not api_levels else str(api_levels[0])
        if len(api_levels) > 1:
            shown = f"{api_levels[0]} to {api_levels[-1]}"
        rows = [line.split("|") for line in README.splitlines() if line.startswith(f"| {shown} |")]
        wanted = f"README's table of levels needs feature level {level.feature_level} in a row that begins | {shown} |"
        assert [re.findall(r"\d+", row[3]).count(str(level.feature_level)) for row in rows].count(1) == 1, wanted


def test_every_file_that_is_named_exists() -> None:
    architecture = README[README.index("## Architecture") :]
    named = set(re.findall(r"`(?:\w+/)*(\w+\.py)`", architecture))

    assert named
    for name in named:
        assert list(ROOT.glob(f"*/{name}")), name
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        if path.startswith("#"):
            headings = {line.lstrip("# ").lower().replace(" ", "-") for line in README.splitlines() if line[:1] == "#"}
            assert path.removeprefix("#") in headings, path
        else:
            assert (ROOT / path).is_file(), path


def test_picture_is_small() -> None:
    assert (ROOT / "docs" / "report.png").stat().st_size < 200_000


def test_import_of_every_layer_is_named_in_the_line() -> None:
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert re.search(r'"reports",\s+"lowering",\s+"analyzer",\s+"coverage_db",', contract)
    assert "nnapi_check ──▸ reports ──▸ lowering ──▸ analyzer ──▸ coverage_db" in README
