"""The command line: its commands, its exit codes, and what it prints where."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import jsonschema
import pytest
import torch

from nnapi_check import model_commands
from nnapi_check.cli import main
from nnapi_check.reports.schema import SCHEMA_FILE
from tests.nnapi_check.conftest import Run, in_process
from tests.nnapi_check.models import SHAPE, Tiny, tiny
from tests.registry_numbers import API_LEVELS, HIGHEST_LEVEL
from tests.reports.formats.junit_schema import check_junit

NO_TORCH = (
    "import sys; from nnapi_check.cli import main; main({!r}, standalone_mode=False); print('torch' in sys.modules)"
)


class Half(torch.nn.Module):
    """The small network, followed by a pooling that NNAPI does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Tiny()

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.max_pool2d(self.before(photo), (3, 2), dilation=(2, 1))


@pytest.fixture(scope="session")
def half_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A traced model of which one op stays on the CPU."""
    path = tmp_path_factory.mktemp("models") / "half.pt"
    torch.manual_seed(5)
    with torch.no_grad():
        module = torch.jit.trace(Half().eval(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(module, str(path))
    return path


def commands() -> list[list[str]]:
    """Every command and every group, as one types them."""

    def below(command: click.Command, path: list[str]) -> list[list[str]]:
        found = [path]
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                found += below(inner, [*path, name])
        return found

    return below(main, [])


@pytest.mark.parametrize("path", commands(), ids=lambda path: " ".join(path) or "nnapi-check")
def test_help_of_every_command_tells_what_it_does(path: list[str], run: Run) -> None:
    found = run(*path, "--help")

    assert found.exit_code == 0
    assert all(len(line) <= 80 for line in found.stdout.splitlines())
    usage, summary, *_ = found.stdout.split("\n\n")
    assert usage.startswith("Usage: nnapi-check")
    assert summary.endswith((".", "?"))


@pytest.mark.parametrize("command", ["check", "convert", "verify"])
def test_help_of_commands_about_models_tells_the_exit_codes(command: str, run: Run) -> None:
    found = run(command, "--help")

    for code in ("0", "1", "2"):
        assert any(line.strip().startswith(f"{code}  ") for line in found.stdout.splitlines())


@pytest.mark.parametrize("command", ["check", "convert"])
def test_help_names_the_levels_of_the_registry(command: str, run: Run) -> None:
    words = " ".join(run(command, "--help").stdout.split())

    assert f"API level 27 to {API_LEVELS[-1]}." in words
    assert f"feature level, 1 to {HIGHEST_LEVEL}." in words


@pytest.mark.parametrize("path", commands(), ids=lambda path: " ".join(path) or "nnapi-check")
def test_every_option_has_a_help(path: list[str]) -> None:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]

    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.opts}"


def test_model_alone_is_checked(tiny_model: Path, run: Run) -> None:
    assert run(tiny_model, "--api-level", 29).stdout == run("check", tiny_model, "--api-level", 29).stdout


def test_ready_model_passes(tiny_model: Path, run: Run) -> None:
    found = run("check", tiny_model, "--api-level", 29, "--require-ready", "--min-score", 100)

    assert found.exit_code == 0, found.stdout
    assert "Verdict: ready  (score 100 of 100)" in found.stdout
    assert found.stderr == ""


def test_model_in_pieces_passes_unless_more_is_asked_for(half_model: Path, run: Run) -> None:
    plain = run("check", half_model, "--api-level", 29)
    strict = run("check", half_model, "--api-level", 29, "--require-ready")
    slow = run("check", half_model, "--api-level", 29, "--require-worthwhile")
    high = run("check", half_model, "--api-level", 29, "--min-score", 99)

    assert plain.exit_code == 0, plain.stdout
    assert "Verdict: not worthwhile" in plain.stdout
    assert "expect it slower than on the CPU alone, by an estimate" in " ".join(plain.stdout.split())
    assert slow.exit_code == 1
    assert "one that is worthwhile was asked for" in " ".join(slow.stdout.split())
    assert strict.exit_code == 1
    assert "ready was asked for" in strict.stdout
    assert high.exit_code == 1
    assert "at least 99 was asked for" in " ".join(high.stdout.split())


def test_json_follows_the_schema_and_stands_alone(half_model: Path, run: Run) -> None:
    found = run("check", half_model, "--api-level", 29, "--format", "json")

    document = json.loads(found.stdout)
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert document["feature_level"] == 3
    assert document["api_level"] == 29
    assert {blocker["op"] for blocker in document["blockers"]} == {"aten.max_pool2d.default"}


def test_the_report_of_tests_of_a_check_and_a_conversion_obeys_the_schema(
    half_model: Path, tmp_path: Path, run: Run
) -> None:
    output = tmp_path / "half_nnapi.pt"
    level = ("--api-level", 29)

    checked = run("check", half_model, *level, "--require-ready", "--if-quantized", "--format", "junit")
    made = run("convert", half_model, *level, "-o", output, "--layers", "--format", "junit")

    assert (checked.exit_code, made.exit_code) == (1, 0), made.stderr
    assert check_junit(checked.stdout).findall(".//failure")
    assert check_junit(made.stdout).findall(".//testcase[@name='numbers']")


def test_page_is_written_beside_the_text(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    page = tmp_path / "report.html"

    found = run("check", tiny_model, "--feature-level", 3, "--html", page)

    assert found.exit_code == 0
    assert "<title>tiny: ready for NNAPI</title>" in page.read_text(encoding="utf-8")


def test_deprecation_is_told_from_api_level_35_on(tiny_model: Path, run: Run) -> None:
    before = run("check", tiny_model, "--api-level", 34)
    after = run("check", tiny_model, "--api-level", 35)

    assert "deprecated" not in before.stdout
    assert "NNAPI is deprecated" in after.stdout
    assert "ExecuTorch" in after.stdout


def test_converted_model_is_verified_and_told(half_model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "half_nnapi.pt"

    made = run("convert", half_model, "--api-level", 29, "-o", output, "--format", "json")
    found = run("verify", output, "--against", half_model, "--layers", "--format", "json")

    assert made.exit_code == 0, made.stderr
    document = json.loads(made.stdout)
    assert document["artifact"] == str(output)
    assert document["verification"]["is_within_tolerance"] is True
    assert made.stderr.startswith(f"nnapi-check: wrote {output} (")
    assert found.exit_code == 0, found.stderr
    verified = json.loads(found.stdout)["verification"]
    assert verified["level"] == 3
    assert verified["is_within_tolerance"] is True
    assert verified["layers"]


def test_conversion_without_verification_says_that_it_has_no_numbers(
    tiny_model: Path, tmp_path: Path, run: Run
) -> None:
    found = run("convert", tiny_model, "--api-level", 29, "-o", tmp_path / "out.pt", "--no-verify")

    assert found.exit_code == 0
    assert "not compared with PyTorch's" in found.stderr
    assert "Numbers against PyTorch" not in found.stdout


def test_refused_conversion_writes_nothing(half_model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.pt"

    found = run("convert", half_model, "--api-level", 29, "-o", output, "--require-ready")

    assert found.exit_code == 1
    assert found.stderr == "nnapi-check: nothing was written, for the gate is not passed.\n"
    assert not output.exists()


def test_lite_file_runs_too(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "out.ptl"

    made = run("convert", tiny_model, "--api-level", 29, "-o", output, "--lite", "--bundle-input")
    found = run("verify", output, "--against", tiny_model)

    assert made.exit_code == 0, made.stderr
    assert found.exit_code == 0, found.stderr
    assert "Within tolerance" in found.stdout


def test_file_of_another_model_is_not_within_tolerance(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    other = tmp_path / "other.pt"
    torch.manual_seed(77)
    with torch.no_grad():
        module = torch.jit.trace(Tiny().eval(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(module, str(other))
    run("convert", other, "--api-level", 29, "-o", tmp_path / "out.pt")

    found = run("verify", tmp_path / "out.pt", "--against", tiny_model)

    assert found.exit_code == 1
    assert "NOT WITHIN tolerance" in found.stdout


def test_exported_program_is_checked_and_converted(tmp_path: Path, run: Run) -> None:
    path, output = tmp_path / "tiny.pt2", tmp_path / "out.pt"
    torch.export.save(torch.export.export(tiny(), (torch.rand(SHAPE),)), path)

    found = run("convert", path, "--api-level", 29, "-o", output)

    assert found.exit_code == 0, found.stderr
    assert "Verdict: ready" in found.stdout


def test_module_is_the_same_program(tiny_model: Path, run: Run) -> None:
    here = run("check", tiny_model, "--api-level", 29)

    there = in_process("check", tiny_model, "--api-level", 29)

    assert there.returncode == here.exit_code == 0
    assert there.stdout == here.stdout
    assert there.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("check", "nowhere.pt", "--api-level", "29"), 2),
        (("nonsense", "extra"), 2),
        (("check", "--nonsense"), 2),
        (("explain", "no-such-thing"), 2),
        (("ops", "search", "zzzz"), 1),
        (("db", "status"), 0),
    ],
)
def test_exit_code_of_the_process(arguments: tuple[str, ...], code: int) -> None:
    found = in_process(*arguments)

    assert found.returncode == code
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "--help"],
        ["ops", "list"],
        ["ops", "list", "--nnapi", "--format", "json"],
        ["ops", "search", "pool"],
        ["ops", "show", "CONV_2D"],
        ["explain", "NNC402"],
        ["db", "status"],
        ["db", "build", "{folder}/registry.db"],
    ],
    ids=" ".join,
)
def test_commands_about_the_registry_import_no_torch(arguments: list[str], tmp_path: Path) -> None:
    placed = [argument.replace("{folder}", str(tmp_path)) for argument in arguments]

    found = in_process(code=NO_TORCH.format(placed))

    assert found.stdout.splitlines()[-1] == "False", found.stderr


def test_torch_is_seen_where_it_is_imported(tiny_model: Path) -> None:
    script = NO_TORCH.format(["check", str(tiny_model), "--api-level", "29"]).replace("main(", "run(")
    script = "import contextlib\n" + script.replace(
        "; run(", "\nrun = main\nwith contextlib.suppress(SystemExit): run("
    )
    script = script.replace("; print", "\nprint")

    # The process that reads the model imports it; the one that watches prints last, and does without.
    assert in_process(code=script).stdout.splitlines()[-2:] == ["True", "False"]


def test_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, tiny_model: Path, run: Run) -> None:
    def interrupted(*_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(model_commands, "check", interrupted)

    found = run("check", tiny_model, "--api-level", 29)

    assert found.exit_code == 130
    assert found.output == ""


def test_interrupted_process_is_quiet(tmp_path: Path) -> None:
    fifo = tmp_path / "model.pt"
    os.mkfifo(fifo)  # Reading it blocks, so the process is interrupted while it reads the model.
    process = subprocess.Popen(
        [sys.executable, "-m", "nnapi_check", str(fifo), "--api-level", "29"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a shell, the signal is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    writer = _opened_once_it_is_read(fifo, process)
    process.send_signal(signal.SIGINT)

    out, err = process.communicate(timeout=120)

    os.close(writer)
    assert process.returncode == 130
    assert (out, err) == ("", "")


def _opened_once_it_is_read(fifo: Path, process: subprocess.Popen[str]) -> int:
    """A descriptor to write to the pipe, as soon as the process, or one that it started, reads from it."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # Nobody reads.
            time.sleep(0.02)
    raise AssertionError(f"the process does not read {fifo}: {process.poll()}")


@pytest.mark.parametrize("arguments", [("ops", "list", "--nnapi"), ("{model}", "--api-level", "29")])
def test_reader_that_goes_away_is_no_error(arguments: tuple[str, ...], tiny_model: Path) -> None:
    placed = [argument.replace("{model}", str(tiny_model)) for argument in arguments]
    read, write = os.pipe()
    os.close(read)

    process = subprocess.run(
        [sys.executable, "-m", "nnapi_check", *placed], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )

    os.close(write)
    assert process.stderr == ""


def test_version_is_told(run: Run) -> None:
    found = run("--version")

    assert found.exit_code == 0
    assert found.stdout.startswith("nnapi-check, version ")
