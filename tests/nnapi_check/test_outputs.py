"""Every output on every kind of target: replaced whole, written through, or refused in one sentence."""

import json
import re
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import torch

from nnapi_check import conversion
from nnapi_check.coverage_db.database import build
from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.coverage_db.writing.output_folder import FolderError
from nnapi_check.lowering.examples.measured_errors import NOTHING_MEASURED, write_measurements
from nnapi_check.lowering.packaging.package import Package
from nnapi_check.lowering.packaging.saving import Form, save_package
from nnapi_check.lowering.verification.subject import VerifyError
from nnapi_check.reports.formats import outputs
from nnapi_check.reports.formats.findings import origin_of
from nnapi_check.reports.formats.outputs import Output, write_outputs
from nnapi_check.reports.site.folder import SITE, SiteFile, write_site
from tests.lowering.hand_made_parts import elementwise_part, nodes_of, packaged, random_tensor
from tests.lowering.running_packages import captured_module
from tests.nnapi_check.conftest import Run
from tests.nnapi_check.output_targets import SITE_TARGETS, TARGETS, Target, full_disk, nodes, pipe
from tests.reports.sample_reports import ready_report

Write = Callable[[Path], object]


@pytest.fixture(scope="module")
def package() -> Package:
    captured = captured_module(torch.nn.Tanh(), random_tensor(2, 3))
    return packaged(captured, elementwise_part(captured, nodes_of(captured, "tanh")))


@pytest.fixture(params=["page", "measurements", "package", "lite package", "database"])
def output(request: pytest.FixtureRequest, package: Package, monkeypatch: pytest.MonkeyPatch) -> tuple[Write, bool]:
    """How an output is written, and whether it can be read as a stream."""
    match request.param:
        case "page":
            report = ready_report()
            origin = origin_of(None, report, Path.cwd())
            return (lambda path: write_outputs([Output(outputs.Form.HTML, path)], report, origin)), True
        case "measurements":
            return (lambda path: write_measurements(NOTHING_MEASURED, path)), True
        case "package":
            return (lambda path: save_package(package, path, form=Form.FULL)), False
        case "lite package":
            return (lambda path: save_package(package, path, form=Form.LITE)), False
        case _:
            # What is in it is made anew for every target otherwise.
            monkeypatch.setattr(build, "database_bytes", lambda *_: b"SQLite format 3\0" * 100)
            monkeypatch.setattr(build, "load_knowledge", lambda _: None)
            return build.build_database, False


def refusal(write: Write, path: Path) -> str:
    """What is said where the output is refused."""
    try:
        write(path)
    except OutputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.__name__)
def test_output_replaces_a_file_whole_and_harms_nothing_else(
    kind: Callable[[Path], AbstractContextManager[Target]], output: tuple[Write, bool], tmp_path: Path
) -> None:
    write, can_stream = output
    folder = tmp_path / "folder"
    folder.mkdir()
    write(tmp_path / "expected")
    expected = (tmp_path / "expected").read_bytes()

    with ExitStack() as stack:
        target = stack.enter_context(kind(folder))
        before = nodes(folder)
        with target.rights():
            error = refusal(write, target.path)
        after = nodes(folder)
        received = target.received() if target.is_stream and can_stream and not error else b""

    if target.refusal or (target.is_stream and not can_stream):
        words = target.refusal or "is a (pipe|socket|device), where this cannot be written"
        assert re.search(words, error), error
        assert "\n" not in error
        assert after == before
    elif target.is_stream:
        assert error == ""
        assert after == before
        assert received in (expected, b"swallowed")
    else:
        assert error == ""
        assert after.pop(str(target.place.relative_to(folder))) == expected
        before.pop(str(target.place.relative_to(folder)), None)
        assert after == before


@pytest.mark.parametrize("kind", SITE_TARGETS, ids=lambda kind: kind.__name__)
def test_site_replaces_what_is_ours_whole_and_harms_nothing_else(
    kind: Callable[[Path], AbstractContextManager[Target]], tmp_path: Path
) -> None:
    def write(path: Path) -> object:
        try:
            return write_site([SiteFile("index.html", "new " * 100), SiteFile("ops/a.html", "a")], path)
        except FolderError as error:
            raise OutputError(str(error)) from error

    with kind(tmp_path) as target:
        before = nodes(tmp_path)
        with target.rights():
            error = refusal(write, target.path)
        after = nodes(tmp_path)

    if target.refusal:
        assert re.search("is no folder" if kind is full_disk else target.refusal, error), error
        assert after == before
    else:
        assert error == ""
        own = {str(path.relative_to(target.place)) for path in target.place.rglob("*")}
        assert own == {"index.html", "ops", "ops/a.html", SITE.marker}
        place = str(target.place.relative_to(tmp_path))
        assert {name for name in after if not name.startswith(f"{place}/")} == {
            name for name in before if not name.startswith(f"{place}/")
        } | {place}


def test_page_and_package_go_to_a_pipe_or_are_refused_by_the_command_line(
    tiny_model: Path, tmp_path: Path, run: Run
) -> None:
    with pipe(tmp_path) as target:
        page = run("check", tiny_model, "--api-level", 29, "--html", target.path)
        package = run("convert", tiny_model, "--api-level", 29, "-o", target.path)
        received = target.received()

    assert page.exit_code == 0, page.stderr
    assert received.startswith(b"<!doctype html>")
    assert received.rstrip().endswith(b"</html>")
    assert package.exit_code == 2
    assert package.stderr == (
        f"nnapi-check: {target.path} is a pipe, where this cannot be written; name a file to write to\n"
    )
    assert stat.S_ISFIFO(target.path.stat().st_mode)


def test_inputs_of_a_command_are_not_its_outputs(tiny_model: Path, tmp_path: Path, run: Run) -> None:
    model, cards, device = tmp_path / "model.pt", tmp_path / "cards.toml", tmp_path / "device.json"
    model.write_bytes(tiny_model.read_bytes())
    cards.write_text("")
    device.write_text(json.dumps({"format": 1, "device": "made up", "refused": []}))
    (tmp_path / "hard.pt").hardlink_to(model)
    before = nodes(tmp_path)
    options = ["--api-level", 29, "--registry", cards, "--device", device]

    for name in (model, tmp_path / "hard.pt", cards, device):
        for words in (["check", model, "--html", name], ["convert", model, "-o", name]):
            found = run(*words, *options)

            assert found.exit_code == 2
            assert found.stderr == f"nnapi-check: {name} is read by this command; name another file to write to\n"
    both = run("convert", model, *options, "-o", tmp_path / "new", "--html", tmp_path / "new")

    assert both.exit_code == 2
    assert "is named for two outputs" in both.stderr
    assert nodes(tmp_path) == before


def test_package_that_does_not_run_leaves_what_was_there(
    tiny_model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_arguments: object, **_options: object) -> None:
        assert path.is_file()
        raise VerifyError("The package does not run")

    output = tmp_path / "out.pt"
    output.write_bytes(b"old")
    monkeypatch.setattr(conversion, "verify_artifact", fail)

    found = run("convert", tiny_model, "--api-level", 29, "-o", output)

    assert found.exit_code == 2
    assert found.stderr.startswith("nnapi-check: This is a fault of nnapi-check")
    assert nodes(tmp_path) == {"out.pt": b"old"}
