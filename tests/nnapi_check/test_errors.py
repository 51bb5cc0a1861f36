"""Whatever goes wrong in whichever command reaches the user as one sentence and exit code 2."""

import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import torch

import nnapi_check
from nnapi_check import InternalError, model_commands, pipeline
from nnapi_check.cli import main
from nnapi_check.coverage_db.errors import UserError
from nnapi_check.faults import faults_told
from tests.nnapi_check.conftest import Run, in_process
from tests.nnapi_check.models import SHAPE, tiny

FAULTS = (
    AssertionError(),
    IndexError("list index out of range"),
    KeyError("weight"),
    TypeError("unsupported operand\nTraceback of PyTorch:\n  a frame"),
    RecursionError("maximum recursion depth exceeded"),
    RuntimeError("INTERNAL ASSERT FAILED " + "x" * 5000),
    ZeroDivisionError("division by zero"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    zipfile.BadZipFile("File is not a zip file"),
    pickle.UnpicklingError("pickle data was truncated"),
    type("LibraryError", (Exception,), {})("of somebody's own"),
)


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command that is no group, with the words that call it."""
    if not isinstance(command, click.Group):
        return [(path, command)]
    return [leaf for name, inner in command.commands.items() for leaf in leaves(inner, (*path, name))]


def call(path: tuple[str, ...], command: click.Command) -> list[str]:
    """What one types for a command with all that it must be given."""
    words = list(path)
    for parameter in command.params:
        if parameter.required:
            words += ["x"] if isinstance(parameter, click.Argument) else [parameter.opts[0], "x"]
    return words


COMMANDS = leaves(main)
NAMES = [" ".join(path) for path, _ in COMMANDS]


def failing(error: BaseException) -> Callable[..., int]:
    def fail(*_arguments: object, **_options: object) -> int:
        raise error

    return fail


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=NAMES)
def test_fault_of_every_kind_in_every_command_is_one_sentence_that_asks_for_the_file(
    path: tuple[str, ...], command: click.Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fault in FAULTS:
        monkeypatch.setattr(command, "callback", failing(fault))

        found = run(*call(path, command))

        assert found.exit_code == 2
        assert found.stdout == ""
        assert found.stderr.startswith("nnapi-check: This is a fault of nnapi-check, not of the file; please report it")
        assert type(fault).__name__ in found.stderr
        assert found.stderr.count("\n") == 1
        assert len(found.stderr) < 600
        assert "Traceback" not in found.stderr


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=NAMES)
def test_traceback_is_printed_when_every_command_is_asked_for_it(
    path: tuple[str, ...], command: click.Command, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "callback", failing(IndexError("out of range")))
    words = call(path, command)
    with_option, before = run(*words, "--debug"), run("--debug", *words)
    monkeypatch.setenv("NNAPI_CHECK_DEBUG", "1")
    with_variable = run(*words)

    for found in (with_option, before, with_variable):
        assert found.exit_code == 2
        assert "Traceback (most recent call last)" in found.stderr
        assert "IndexError: out of range" in found.stderr
        assert found.stderr.splitlines()[-1].startswith("nnapi-check: This is a fault")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("the file\nis empty"), "nnapi-check: the file is empty\n"),
        (MemoryError(), "nnapi-check: there is not enough memory for this.\n"),
        (OSError(28, "No space left on device", "/somewhere"), "nnapi-check: /somewhere: No space left on device\n"),
        (OSError(28, "No space left on device"), "nnapi-check: No space left on device\n"),
    ],
)
def test_what_a_user_or_the_machine_can_mend_is_no_fault_of_ours(
    error: Exception, words: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, command in COMMANDS:
        monkeypatch.setattr(command, "callback", failing(error))

        found = run(*call(path, command))

        assert (found.exit_code, found.stdout, found.stderr) == (2, "", words)


def test_nothing_but_text_reaches_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setattr(model_commands, "check", failing(IndexError("\x1b[31mred\x07")))

    found = run("check", tiny_model, "--debug")

    assert "[31mred" in found.stderr
    assert not {"\x1b", "\x07"} & set(found.stderr)


def test_wrong_calls_keep_their_usage(run: Run) -> None:
    found = run("ops", "show")

    assert found.exit_code == 2
    assert found.stderr.startswith("Usage: nnapi-check ops show")


def test_warnings_of_libraries_reach_no_terminal(tiny_model: Path) -> None:
    code = (
        "import sys, warnings; from nnapi_check import model_commands; from nnapi_check.cli import main\n"
        "def check(*_):\n"
        "    for category in (UserWarning, FutureWarning, DeprecationWarning, RuntimeWarning):\n"
        "        warnings.warn('of a library', category)\n"
        "    return 0\n"
        "model_commands.check = check\n"
        f"main(['check', {str(tiny_model)!r}])"
    )

    found = in_process(code=code)

    assert (found.returncode, found.stderr) == (0, "")


def test_filters_of_warnings_are_left_as_they_were(run: Run) -> None:
    before = list(warnings.filters)

    run("db", "status")

    assert list(warnings.filters) == before


def test_api_raises_internal_error_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "capture", failing(IndexError("out of range")))

    with pytest.raises(InternalError, match="please report it with the file: IndexError: out of range") as found:
        nnapi_check.check(tiny(), [torch.rand(SHAPE)], feature_level=3)

    assert isinstance(found.value.__cause__, IndexError)


def test_api_leaves_a_wrong_call_to_python() -> None:
    with pytest.raises(TypeError, match="levels"):
        nnapi_check.check("model.pt", levels=3)  # type: ignore[call-arg]  # on purpose
    with pytest.raises(nnapi_check.InputError, match="not int"):
        nnapi_check.check(3, feature_level=3)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    "error", [UserError("mend it"), MemoryError(), OSError(2, "No such file"), KeyboardInterrupt()]
)
def test_errors_that_are_no_fault_of_ours_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as found, faults_told():
        raise error

    assert found.value is error


INTERRUPTED = """
import builtins, sys

imported = builtins.__import__

def interrupted(name, *rest):
    if name == "nnapi_check.cli":
        raise KeyboardInterrupt
    return imported(name, *rest)

builtins.__import__ = interrupted
from nnapi_check.__main__ import main
main()
"""


BETWEEN = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "nnapi_check.registry_commands":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
signal.signal(signal.SIGINT, signal.default_int_handler)
from nnapi_check.__main__ import main
try:
    main()
except BaseException as error:
    print("told to Python, which may make another error of it:", error)
"""


def test_an_interrupt_between_two_imports_is_not_left_to_what_is_imported() -> None:
    found = in_process(code=BETWEEN)

    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")


def test_an_interrupt_that_comes_out_as_another_error_is_one() -> None:
    class Defined:
        def __set_name__(self, *_: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), faults_told():
        type("Defining", (), {"name": Defined()})


def test_an_interrupt_while_the_command_line_is_imported_ends_it_without_a_word() -> None:
    found = in_process(code=INTERRUPTED)

    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")
