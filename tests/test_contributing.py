"""What CONTRIBUTING.md says is true: its worked example stands in the files, and what it names exists."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from click import Command, Group

from nnapi_check.cli import main
from tests.cards import cards

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```diff\n(.*?)```", CONTRIBUTING, flags=re.DOTALL)


def hunks() -> list[tuple[str, str]]:
    """The file of each hunk of the worked example, and the hunk."""
    return [
        (name, hunk)
        for name, text in re.findall(r"^\+\+\+ b/(\S+)\n(.*?)(?=^\+\+\+ |\Z)", EXAMPLE, flags=re.DOTALL | re.MULTILINE)
        for hunk in text.split("@@\n")[1:]
    ]


def test_worked_example_has_a_card_a_rule_and_a_line_of_the_changelog() -> None:
    assert {name.partition("/")[0] for name, _ in hunks()} == {"coverage_db", "lowering", "CHANGELOG.md"}


@pytest.mark.parametrize(("name", "hunk"), hunks(), ids=[name.rpartition("/")[2] for name, _ in hunks()])
def test_every_hunk_of_the_worked_example_stands_in_its_file(name: str, hunk: str) -> None:
    after = "".join(line[1:] + "\n" for line in hunk.splitlines() if line[:1] in {" ", "+"})

    assert after in (ROOT / name).read_text(encoding="utf-8")


def test_op_of_the_worked_example_is_no_longer_unwritten() -> None:
    (op,) = set(re.findall(r'@lowers\("([^"]+)"', EXAMPLE))

    card = cards()[op]

    assert [way.name for way in card.ways] == re.findall(r'way="([^"]+)"', EXAMPLE)


def test_an_op_that_is_shown_as_waiting_for_a_rule_waits_for_one() -> None:
    (op,) = re.findall(r"lists the ops that wait for a rule, `nnapi-check ops show (\S+)`", CONTRIBUTING)

    assert cards()[op].unwritten


def test_every_file_that_is_named_exists() -> None:
    prose = CONTRIBUTING.replace(EXAMPLE, "")
    named = set(re.findall(r"\b(?:[\w.]+/)+[\w.]*|\b\w+\.(?:toml|py|md|json)\b", prose))
    made_by_the_import = {"coverage_db/nnapi/operations/imported.toml", "imported.toml"}
    given_by_the_folder_of_facts = {"op_facts.json"}

    missing = {path for path in named if not (ROOT / path).exists() and not any(ROOT.glob(f"[!.]*/**/{path}"))}

    assert missing == made_by_the_import | given_by_the_folder_of_facts | {"venv/bin/activate"}


def test_every_command_that_is_named_exists() -> None:
    named = re.findall(r"nnapi-check ([a-z][a-z ]*[a-z])", CONTRIBUTING)
    assert named
    for words in named:
        found: Command = main
        for word in words.split():
            if not isinstance(found, Group):
                break
            assert word in found.commands, words
            found = found.commands[word]


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", CONTRIBUTING))
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))

    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()


def test_every_module_that_is_run_by_python_exists() -> None:
    named = set(re.findall(r"python -m ([\w.]+)", CONTRIBUTING))

    assert named
    assert {name for name in named if find_spec(name) is None} == set()


def test_every_benchmark_that_can_be_run_is_named_with_what_it_asks() -> None:
    programs = {
        path.stem for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
    }

    rows = re.findall(r"^\| `python (?:benchmarks/(\w+)\.py|-m benchmarks\.(\w+))", CONTRIBUTING, flags=re.MULTILINE)

    assert sorted(path or module for path, module in rows) == sorted(programs)
