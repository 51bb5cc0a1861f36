import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.file_kind import FileKind, kind_of
from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.analyzer.inputs.specification import parse_input_spec
from nnapi_check.analyzer.torchscript import trace
from tests.analyzer.torch_models import Small, scripted_file, traced_file

INPUT = [parse_input_spec("f32[1,3,7,9]")]


def written(name: str, data: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return write


def saved(found: object, *, is_zip: bool = True) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "saved.pt"
        torch.save(found, path, _use_new_zipfile_serialization=is_zip)
        return path

    return write


def truncated(folder: Path) -> Path:
    path = traced_file(folder, Small(), torch.rand(1, 3, 7, 9))
    path.write_bytes(path.read_bytes()[:-500])
    return path


def without_code(folder: Path) -> Path:
    path = folder / "lite.ptl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lite/data.pkl", b"")
        archive.writestr("lite/bytecode.pkl", b"")
    return path


def other_zip(folder: Path) -> Path:
    path = folder / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"hello")
    return path


class _Doubled(torch.autograd.Function):
    """A function of Python, which TorchScript can trace and cannot save."""

    @staticmethod
    def forward(_context: object, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(_context: object, *grown: torch.Tensor) -> torch.Tensor:
        return grown[0] * 2


class WithPython(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = _Doubled.apply(x * self.weight)
        return found


def failed_to_save(folder: Path) -> Path:
    path = folder / "half.pt"
    traced = trace(WithPython().eval(), [torch.rand(3)])
    with pytest.raises(RuntimeError, match="Python function"):
        traced.save(str(path))
    return path


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: folder / "missing.pt", "does not exist; pass the path"),
        (lambda folder: folder, "is a directory; pass the model's file"),
        (written("empty.pt", b""), "is empty; pass a model"),
        (written("notes.pt", b"hello world\n" * 99), "is a text file, not a model"),
        (written("noise.pt", bytes(range(255, 100, -1)) * 9), "no file of a kind known here"),
        (written("model.onnx", b"\x08\x07\x12\x07pytorch"), "is an ONNX model, not TorchScript"),
        (written("model.bin", b"\x08\x07\x12\x07pytorch"), "is an ONNX model, not TorchScript"),
        (written("model.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 99), "is a TensorFlow Lite model"),
        (written("model.ptl", b"\x1c\0\0\0PTMF" + b"\0" * 99), "flatbuffer format.*without _use_flatbuffer"),
        (written("model.safetensors", b'\x40\0\0\0\0\0\0\0{"a": 1}'), "tensors only \\(safetensors\\)"),
        (written("model.h5", b"\x89HDF\r\n\x1a\n"), "is an HDF5 file"),
        (written("old.pt", b"\0" * 257 + b"ustar" + b"\0" * 300), "is a tar archive"),
        (truncated, "cut off or damaged"),
        (without_code, "bytecode only, which cannot be analyzed; save it with"),
        (other_zip, "zip archive without a model in it"),
        (saved(Small().state_dict()), "holds tensors but no model.*load_state_dict"),
        (saved({"epoch": 3, "state": Small().state_dict()}), "holds tensors but no model.*load_state_dict"),
        (saved(Small().state_dict(), is_zip=False), "holds tensors but no model.*load_state_dict"),
        (failed_to_save, "weights of a TorchScript module, and none of its code.*; save it again"),
        (saved(Small()), "is a pickled module .*Small.*, which runs code.*torch.jit.trace"),
        (saved(Small(), is_zip=False), "is a pickled module .*Small.*, which runs code.*torch.jit.trace"),
    ],
)
def test_says_in_one_sentence_what_a_file_is_and_what_to_do(
    make: Callable[[Path], Path], found: str, tmp_path: Path
) -> None:
    path = make(tmp_path)

    with pytest.raises(InputError, match=found) as error:
        capture(path, INPUT, weights=False)

    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_says_that_a_file_may_not_be_read(tmp_path: Path) -> None:
    path = written("model.pt", b"PK")(tmp_path)
    path.chmod(0)

    with pytest.raises(InputError, match="permission denied"):
        capture(path, INPUT, weights=False)


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_is_never_run(is_zip: bool, tmp_path: Path) -> None:
    path = saved({"model": Trap(tmp_path / "trapped")}, is_zip=is_zip)(tmp_path)

    with pytest.raises(InputError):
        capture(path, INPUT, weights=False)

    assert not (tmp_path / "trapped").exists()


def test_a_pickle_in_an_exported_program_is_never_run(tmp_path: Path) -> None:
    inputs = (torch.rand(1, 3, 7, 9),)
    path, trapped = tmp_path / "model.pt2", tmp_path / "trapped.pt2"
    torch.export.save(torch.export.export(Small().eval(), inputs), path)
    replaced = 0
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(trapped, "w") as out:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".pt"):
                data = saved(Trap(tmp_path / "sprung"))(tmp_path).read_bytes()
                replaced += 1
            out.writestr(name, data)

    with pytest.raises(InputError, match="plain tensors"):
        capture(trapped, None, weights=False)

    assert replaced
    assert not (tmp_path / "sprung").exists()


def test_a_pickled_module_is_opened_when_allowed(tmp_path: Path) -> None:
    path = saved(Small())(tmp_path)

    captured = capture(path, INPUT, weights=True, trust=True)

    assert captured.graph.type_of(captured.graph.body.outputs[0]) == TensorType(ElementType.FLOAT32, (1, 192))


def test_a_state_dict_is_no_model_even_when_pickles_are_allowed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="load_state_dict"):
        capture(saved(Small().state_dict())(tmp_path), INPUT, weights=True, trust=True)


def test_a_lite_file_with_code_is_torchscript(tmp_path: Path) -> None:
    path = tmp_path / "model.ptl"
    torch.jit.script(Small().eval())._c._save_for_mobile(str(path), {}, False, False)

    assert kind_of(path) is FileKind.TORCHSCRIPT
    lite = capture(path, INPUT, weights=False).graph
    full = capture(scripted_file(tmp_path, Small()), INPUT, weights=False).graph
    assert [node.op for node in lite.nodes()] == [node.op for node in full.nodes()]


def changed(path: Path, old: bytes, new: bytes) -> Path:
    """The archive with other text in its code."""
    other = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w") as out:
        for name in archive.namelist():
            data = archive.read(name)
            out.writestr(name, data.replace(old, new) if "/code/" in name else data)
    return other


def test_damaged_code_is_told(tmp_path: Path) -> None:
    path = changed(scripted_file(tmp_path, Small()), b"torch.flatten(", b"torch.flatten((")

    with pytest.raises(InputError, match=r"changed\.pt cannot be loaded by PyTorch") as error:
        capture(path, INPUT, weights=False)

    assert "\n" not in str(error.value)


def test_damaged_bytes_are_told(tmp_path: Path) -> None:
    path = scripted_file(tmp_path, Small())
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = next(info.header_offset for info in archive.infolist() if info.filename.endswith("data.pkl"))
    data[place + 200 : place + 240] = bytes(40)
    path.write_bytes(data)

    with pytest.raises(InputError, match=r"scripted\.pt"):
        capture(path, INPUT, weights=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return traced_file(tmp_path_factory.mktemp("whole"), Small(), torch.rand(1, 3, 7, 9)).read_bytes()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), length=st.integers(1, 200), filler=st.none() | st.binary(min_size=1, max_size=200))
def test_any_damage_gets_one_sentence_or_none(
    whole: bytes, place: float, length: int, filler: bytes | None, tmp_path: Path
) -> None:
    start = int(place * len(whole))
    path = tmp_path / "damaged.pt"
    path.write_bytes(
        whole[:start] + (filler or b"") + whole[start + length if filler is None else start + len(filler) :]
    )

    answer = answer_of(path)

    assert "\n" not in answer
    assert answer == "5 nodes" or str(path) in answer


@pytest.mark.parametrize("field", ["signature", "size", "name", "last of the name", "place"])
def test_damage_to_the_directory_of_any_member_is_told_as_damage(whole: bytes, field: str, tmp_path: Path) -> None:
    # Where the fields of an entry begin: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.12
    path = tmp_path / "damaged.pt"
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = [whole.index(b"PK\1\2", archive.start_dir)]
        for info in archive.infolist():
            entries.append(entries[-1] + 46 + len(info.filename) + len(info.extra) + len(info.comment))
    for entry, info in zip(entries, archive.infolist(), strict=False):
        fields = {"signature": 0, "size": 24, "name": 46, "last of the name": 45 + len(info.filename), "place": 42}
        damaged = bytearray(whole)
        damaged[entry + fields[field]] ^= 1
        path.write_bytes(damaged)

        answer = answer_of(path)

        if not (field == "size" and "/data/" in info.filename):  # A check reads no elements of tensors.
            assert "damaged" in answer.replace(str(path), ""), (info.filename, answer)


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_damaged_example_inputs_are_told_as_damage(cut: int, tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))
    other = tmp_path / "other.pt"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w") as out:
        for name in archive.namelist():
            is_inputs = name.endswith("traced_inputs.pkl")
            out.writestr(name, archive.read(name)[:cut] if is_inputs else archive.read(name))

    with pytest.raises(InputError, match=r"traced_inputs\.pkl is damaged"):
        capture(other, None, weights=False)


def answer_of(path: Path) -> str:
    """The number of nodes, or the message of the error that is the caller's to mend."""
    try:
        return f"{len(list(capture(path, None, weights=False).graph.nodes()))} nodes"
    except InputError as error:
        return str(error)


def test_a_pickle_of_example_inputs_is_never_run(tmp_path: Path) -> None:
    path = traced_file(tmp_path, Small(), torch.rand(1, 3, 7, 9))
    other = tmp_path / "other.pt"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w") as out:
        for name in archive.namelist():
            is_inputs = name.endswith("traced_inputs.pkl")
            out.writestr(name, pickle.dumps(Trap(tmp_path / "sprung"), 2) if is_inputs else archive.read(name))

    with pytest.raises(InputError, match="holds no example inputs"):
        capture(other, None, weights=True)

    assert not (tmp_path / "sprung").exists()


def test_an_op_that_is_not_installed_is_named(tmp_path: Path) -> None:
    path = changed(scripted_file(tmp_path, Small()), b"torch.flatten(", b"ops.mine.flat(")

    with pytest.raises(InputError, match=r"does not have \(mine::flat\); import their library"):
        capture(path, INPUT, weights=False)
