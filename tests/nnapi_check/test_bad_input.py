"""Whatever is passed gets an answer: one clear sentence and exit code 2, never a traceback."""

import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.nnapi_check.conftest import Run
from tests.nnapi_check.models import SHAPE, SPEC, Tiny, scripted, tiny, traced

Make = Callable[[Path], Path]


def state_dict(folder: Path) -> Path:
    path = folder / "weights.pt"
    torch.save(tiny().state_dict(), path)
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.pt"
    path.write_bytes(b"")
    return path


def truncated_zip(folder: Path) -> Path:
    path = traced(folder / "cut.pt")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def damaged_code(folder: Path) -> Path:
    path = folder / "damaged.pt"
    with zipfile.ZipFile(traced(folder / "whole.pt")) as whole, zipfile.ZipFile(path, "w") as damaged:
        for name in whole.namelist():
            is_code = name.endswith(".py")
            damaged.writestr(name, b"def forward(self: nonsense" if is_code else whole.read(name))
    return path


def text_file(folder: Path) -> Path:
    path = folder / "model.txt"
    path.write_text("This is no model.\n" * 20)
    return path


def random_bytes(folder: Path) -> Path:
    path = folder / "noise.pt"
    path.write_bytes(bytes((index * 151 + 7) % 256 for index in range(2000)))
    return path


def pickled_module(folder: Path) -> Path:
    path = folder / "module.pt"
    torch.save(tiny(), path)
    return path


def pickle_of_nothing(folder: Path) -> Path:
    path = folder / "list.pkl"
    path.write_bytes(pickle.dumps([1, 2, 3]))
    return path


def missing_file(folder: Path) -> Path:
    return folder / "missing.pt"


def folder_itself(folder: Path) -> Path:
    return folder


def onnx_bytes(folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:" + bytes(60))
    return path


def zip_without_model(folder: Path) -> Path:
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    return path


FILES: list[tuple[Make, str]] = [
    (state_dict, "state dict"),
    (empty_file, "is empty"),
    (truncated_zip, "cut off or damaged"),
    (damaged_code, "save it again"),
    (text_file, "is a text file"),
    (random_bytes, "no file of a kind known here"),
    (pickled_module, "is a pickled module"),
    (pickle_of_nothing, "saved by torch.save"),
    (missing_file, "does not exist"),
    (folder_itself, "is a directory"),
    (onnx_bytes, "is an ONNX model"),
    (zip_without_model, "zip archive without a model"),
]


def assert_one_sentence(output: str) -> None:
    assert output.startswith("nnapi-check: "), output
    assert output.count("\n") == 1
    assert output.endswith("\n")
    assert "Traceback" not in output
    assert "\x1b" not in output


@pytest.mark.parametrize(("make", "words"), FILES, ids=[make.__name__ for make, _ in FILES])
def test_file_that_is_no_model_is_told_in_one_sentence(make: Make, words: str, tmp_path: Path, run: Run) -> None:
    path = make(tmp_path)

    found = run("check", path, "--api-level", 29)

    assert found.exit_code == 2
    assert found.stdout == ""
    assert_one_sentence(found.stderr)
    assert words in found.stderr
    assert path.name in found.stderr


@pytest.mark.parametrize(("make", "words"), FILES, ids=[make.__name__ for make, _ in FILES])
def test_conversion_of_a_file_that_is_no_model_writes_nothing(make: Make, words: str, tmp_path: Path, run: Run) -> None:
    source = tmp_path / "source"
    source.mkdir()
    path, output = make(source), tmp_path / "out.pt"

    found = run("convert", path, "--api-level", 29, "-o", output)

    assert found.exit_code == 2
    assert_one_sentence(found.stderr)
    assert words in found.stderr
    assert not output.exists()


OPTIONS: list[tuple[str, tuple[object, ...], str]] = [
    ("wrong_channels", ("--api-level", 29, "--input", "f32[1,4,17,19]"), "expected input"),
    ("wrong_rank", ("--api-level", 29, "--input", "f32[7]"), "pass inputs of shapes that it accepts"),
    ("too_many_inputs", ("--api-level", 29, "--input", "f32[1,3,17,19]", "--input", "f32[2]"), "2 are given"),
    ("no_such_input", ("--api-level", 29, "--input", "sound=f32[1,3,17,19]"), "no input 'sound'"),
    ("no_specification", ("--api-level", 29, "--input", "big"), "not an input specification"),
    ("no_element_type", ("--api-level", 29, "--input", "f33[1,3]"), "not an element type"),
    ("api_level_26", ("--api-level", 26), "API level 26 has no NNAPI"),
    ("api_level_99", ("--api-level", 99), "API level 99 is not known"),
    ("feature_level_0", ("--feature-level", 0), "feature level 0 does not exist"),
    ("two_levels", ("--api-level", 29, "--feature-level", 3), "not both"),
    ("page_in_no_folder", ("--api-level", 29, "--html", "/nowhere/report.html"), "/nowhere does not exist"),
    ("page_is_a_folder", ("--api-level", 29, "--html", "/"), "is a folder"),
]


@pytest.mark.parametrize(("options", "words"), [case[1:] for case in OPTIONS], ids=[case[0] for case in OPTIONS])
def test_wrong_option_is_told_in_one_sentence(
    options: tuple[object, ...], words: str, tiny_model: Path, run: Run
) -> None:
    found = run("check", tiny_model, *options)

    assert found.exit_code == 2
    assert found.stdout == ""
    assert_one_sentence(found.stderr)
    assert words in found.stderr


def test_model_without_inputs_names_the_options_to_add(tmp_path: Path, run: Run) -> None:
    found = run("check", scripted(tmp_path / "script.pt"), "--api-level", 29)

    assert found.exit_code == 2
    assert_one_sentence(found.stderr)
    assert "--input 'photo=f32[1,3,224,224]'" in found.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere/out.pt", "nowhere does not exist"), (".", "is a folder"), ("tiny.pt", "is read by this command")],
)
def test_output_that_cannot_be_written_is_told_before_any_work(name: str, words: str, tmp_path: Path, run: Run) -> None:
    model = traced(tmp_path / "tiny.pt")
    before = model.read_bytes()

    found = run("convert", model, "--api-level", 29, "-o", tmp_path / name)

    assert found.exit_code == 2
    assert found.stdout == ""
    assert_one_sentence(found.stderr)
    assert words in found.stderr
    assert model.read_bytes() == before


def test_device_as_output_folder_is_refused(tiny_model: Path, run: Run) -> None:
    found = run("convert", tiny_model, "--api-level", 29, "-o", "/proc/out.pt")

    assert found.exit_code == 2
    assert_one_sentence(found.stderr)
    assert "/proc/out.pt cannot be written" in found.stderr


def test_verification_of_a_file_without_nnapi_models_is_refused(tiny_model: Path, run: Run) -> None:
    found = run("verify", tiny_model, "--against", tiny_model)

    assert found.exit_code == 2
    assert_one_sentence(found.stderr)
    assert "holds no NNAPI model" in found.stderr


@pytest.mark.parametrize("make", [empty_file, text_file, missing_file, truncated_zip, state_dict, folder_itself])
def test_verification_of_a_file_that_is_no_model_is_refused(
    make: Make, tmp_path: Path, tiny_model: Path, run: Run
) -> None:
    found = run("verify", make(tmp_path), "--against", tiny_model)

    assert found.exit_code == 2
    assert_one_sentence(found.stderr)


def test_pickled_module_is_converted_when_that_is_allowed(tmp_path: Path, run: Run) -> None:
    path, output = pickled_module(tmp_path), tmp_path / "out.pt"

    made = run("convert", path, "--api-level", 29, "--allow-pickle", "--input", SPEC, "-o", output)
    found = run("verify", output, "--against", path, "--allow-pickle", "--input", SPEC)

    assert made.exit_code == 0, made.stderr
    assert found.exit_code == 0, found.stderr


class Named(nn.Module):
    """A module whose submodule has a name that means harm."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("<script>alert(1)</script>", Tiny())

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = next(self.children())(photo).erfinv()
        return found


def test_names_with_markup_reach_the_page_as_text(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "<script>evil()&lt;.pt"
    torch.manual_seed(5)
    with torch.no_grad():
        module = torch.jit.trace(Named().eval(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(module, str(tmp_path / "plain.pt"))
    (tmp_path / "plain.pt").rename(path)
    page = tmp_path / "report.html"

    found = run("check", path, "--api-level", 29, "--html", page)

    assert found.exit_code in (0, 1), found.stderr
    written = page.read_text(encoding="utf-8")
    assert "<script>evil()" not in written
    assert "&lt;script&gt;evil()&amp;lt;" in written


@pytest.fixture(scope="session")
def whitening() -> Iterator[torch.library.Library]:
    """An op of somebody's own library.

    It lives as long as the process: TorchScript knows ops by their address, and would take what comes to lie at that of
    an op that is gone for the op.
    """
    library = torch.library.Library("nnapi_check_test", "FRAGMENT")  # type: ignore[no-untyped-call]  # it has no types
    library.define("whiten(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]  # it has no types
    library.impl("whiten", lambda x: x - x.mean(), "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]  # it has no types
    library.impl("whiten", torch.empty_like, "Meta")  # type: ignore[no-untyped-call]  # it has no types
    yield library
    library._destroy()  # type: ignore[no-untyped-call]  # it has no types


class Whitened(nn.Module):
    """The small network with an op that nobody heard of in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.before = Tiny()

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.ops.nnapi_check_test.whiten(self.before(photo))
        return torch.relu(found)


def test_op_that_nobody_heard_of_is_reported_and_fails_a_strict_gate(
    whitening: torch.library.Library, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "whitened.pt"
    with torch.no_grad():
        module = torch.jit.trace(Whitened().eval(), torch.rand(SHAPE))  # type: ignore[no-untyped-call]  # it has no types
    torch.jit.save(module, str(path))

    found, strict = (run("check", path, "--api-level", 29, *flags) for flags in ((), ("--strict",)))

    assert (found.exit_code, strict.exit_code) == (0, 1), found.stderr
    assert "nnapi_check_test.whiten.default: NNC103" in " ".join(found.stdout.split())
    assert "Gate not passed" not in found.stdout
    told = " ".join(strict.stdout.split())
    assert "Nothing is known of nnapi_check_test.whiten.default; a strict gate refuses that." in told
