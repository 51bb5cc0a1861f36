"""What docs/ci.md, action.yml and the hook for pre-commit say is so."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nnapi_check.cli import main
from nnapi_check.project_file import SHARED_NAME, find_project
from nnapi_check.reports.formats.outputs import Form
from tests.nnapi_check.models import traced

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")
HOOK = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_option_that_is_named_exists() -> None:
    known = {option for command in main.commands.values() for parameter in command.params for option in parameter.opts}
    others = {"--body-file", "--edit-last", "--create-if-none", "--table", "--quiet"}

    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", PAGE + ACTION + HOOK)) - others
    assert named <= known, named - known


def test_the_table_has_every_format() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == sorted(
        (form.value for form in Form), key=PAGE.partition("## Formats")[2].index
    )
    assert len(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == len(Form)


def test_the_project_file_of_the_page_is_read(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    (tmp_path / SHARED_NAME).write_text(block, encoding="utf-8")

    found = find_project(tmp_path)

    assert (found.api_level, found.gate.max_parts, found.gate.ready_from, found.gate.is_strict) == (29, 3, 8, True)


def test_every_input_of_the_page_is_one_of_the_action() -> None:
    inputs = set(re.findall(r"^  ([a-z-]+):$", ACTION.partition("runs:")[0], re.MULTILINE))
    (block,) = [block for block in blocks("yaml") if "OWNER" in block]
    used = re.findall(r"^      ([a-z-]+):", block.partition("@REF")[2].partition("  - uses")[0], re.MULTILINE)

    assert used
    assert set(used) <= inputs
    assert set(re.findall(r"inputs\.([a-z-]+)", ACTION)) == inputs


@pytest.mark.skipif(shutil.which("bash") is None, reason="an action is a script for bash")
@pytest.mark.parametrize(("level", "code"), [("29", 0), ("27", 1)])
def test_the_action_s_script_writes_its_reports_and_gives_the_exit_code(level: str, code: int, tmp_path: Path) -> None:
    script = textwrap.dedent(ACTION.rpartition("run: |\n")[2])
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "nnapi-check"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nnapi_check "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    traced(tmp_path / "a model.pt")
    variables = {
        "MODEL": "a model.pt", "API_LEVEL": level, "FEATURE_LEVEL": "", "BASELINE": "", "OPTIONS": "--max-parts 3",
        "SARIF": "r.sarif", "MARKDOWN": "r.md", "JSON": "r.json", "GITHUB_STEP_SUMMARY": "summary.md",
        "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
    }  # fmt: skip

    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **variables},
    )  # fmt: skip

    assert done.returncode == code, done.stderr
    assert done.stdout.startswith("::notice")
    assert ("::error" in done.stdout) == bool(code)
    assert {"r.sarif", "r.md", "r.json", "summary.md"} <= set(os.listdir(tmp_path))


def test_the_hook_calls_a_command_that_takes_many_files() -> None:
    entry = re.findall(r"entry: nnapi-check (\w+) ", HOOK)

    assert entry == ["sweep"]
    assert main.commands["sweep"].params[0].nargs == -1
