"""What docs/android.md says of converted files, levels, releases and options is so."""

import re
from pathlib import Path

import click
import pytest
import torch

import nnapi_check
from benchmarks.compat.__main__ import RELEASES
from nnapi_check.cli import main
from nnapi_check.coverage_db.levels import load_levels
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE, target_called
from tests.lowering.running_packages import load_scripted
from tests.nnapi_check.models import SHAPE, tiny

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "android.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
LOADED_BY = {"pytorch_android": "Module.load", "pytorch_android_lite": "LiteModuleLoader.load"}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_gradle_lines_name_a_release_that_runs_the_files_of_this_one() -> None:
    versions = set(re.findall(r"org\.pytorch:pytorch_android(?:_lite)?:([\d.]+)", PAGE))

    assert versions == {"2.1.0"}
    assert versions <= set(RELEASES)


def test_each_form_has_the_library_and_the_loader_that_read_it() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(("| full |", "| lite |"))]

    assert len(rows) == 2
    for row in rows:
        (library,) = re.findall(r"org\.pytorch:(\w+):", row)
        assert row.endswith(f"| `{LOADED_BY[library]}` |")
        assert ("--lite" in row) == ("lite" in library)


def test_nnapi_is_used_from_the_level_that_the_target_reaches() -> None:
    lowest = target_called(PYTORCH_MOBILE).lowest_level
    (api_level,) = [
        api.api_level for level in load_levels() if level.feature_level == lowest for api in level.api_levels
    ]

    guards = re.findall(r"SDK_INT < (\d+)", PAGE)
    assert len(guards) == 2
    assert {*guards, *re.findall(r"minSdk (\d+)", PAGE)} == {str(api_level)}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "out.pt"
    nnapi_check.convert(tiny(), path, [torch.rand(SHAPE)], feature_level=3, verify=False)
    return path


@pytest.mark.parametrize("text", [PAGE, README], ids=["page", "README"])
def test_methods_that_the_app_calls_are_in_the_file(text: str, package: Path) -> None:
    code = "\n".join(block for language in ("kotlin", "java", "cpp") for block in blocks(text, language))
    called = set(re.findall(r"run_?[mM]ethod\(\"(\w+)\"", code))

    module = load_scripted(package)

    assert called == {"use_cpu"}
    assert all(hasattr(module, name) for name in (*called, "use_nnapi", "forward"))


@pytest.mark.parametrize("text", [PAGE, README], ids=["page", "README"])
def test_cpp_catches_what_the_interpreter_throws(text: str) -> None:
    (code,) = blocks(text, "cpp")

    # TorchScript's interpreter turns c10::Error into an exception of its own, a std::runtime_error.
    assert re.findall(r"catch \((.*?)[&)]", code) == ["const std::exception"]


def test_options_that_the_page_names_are_there() -> None:
    commands = [command for command in main.commands.values() if isinstance(command, click.Command)]
    known = {option for command in commands for parameter in command.params for option in parameter.opts}

    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", PAGE))

    assert "--lite" in named
    assert named <= known
