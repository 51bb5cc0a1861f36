"""What ``nnapi-check inspect`` shows of converted files, and that it refuses all others in a sentence."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn
from torch.backends._nnapi.prepare import convert_model_to_nnapi

import nnapi_check
from nnapi_check.cli import main
from nnapi_check.coverage_db.spec import OperandType

trace = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.trace)


class TwoParts(nn.Module):
    """Two convolutions with an op between them that has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, (3, 2))
        self.second = nn.Conv2d(5, 7, (2, 3), stride=(2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.lgamma(self.first(x))))


@pytest.fixture(scope="module", params=["full", "lite"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    torch.manual_seed(0)
    torch.jit.save(trace(TwoParts().eval(), torch.rand(1, 3, 37, 41)), str(folder / "model.pt"))
    report = nnapi_check.convert(
        folder / "model.pt", folder / "out.pt", feature_level=3, lite=request.param == "lite", verify=False
    )
    assert report.artifact is not None
    return folder / "out.pt"


@pytest.fixture(scope="module")
def converters_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of PyTorch's own converter."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.ReLU()).eval()
    x = torch.rand(1, 3, 7, 9).contiguous(memory_format=torch.channels_last)
    x.nnapi_nhwc = True  # type: ignore[attr-defined]  # how its converter is told the layout
    converted = convert_model_to_nnapi(trace(module, x), x)  # type: ignore[no-untyped-call]  # PyTorch's
    path = tmp_path_factory.mktemp("converter") / "model.pt"
    torch.jit.save(converted, str(path))
    return path


def ran(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def document(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    result = ran(*arguments, "--format", "json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def rewritten(path: Path, folder: Path, edit: Callable[[str, bytes], bytes]) -> Path:
    """The archive with each member as ``edit`` gives it."""
    changed = folder / "changed.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, edit(name, source.read(name)))
    return changed


def test_the_text_shows_models_operations_and_where_weights_lie(package: Path) -> None:
    result = ran(package, "--all")

    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == f"{package}: 2 NNAPI models, made by nnapi-check for feature level 3"
    parts = [line for line in lines if line.startswith("part ")]
    assert [line.split(":")[0] for line in parts] == ["part 0 nnapi_part_0", "part 1 nnapi_part_1"]
    assert all(line.endswith(" bytes and 2 buffers") for line in parts)
    assert "takes %0: PyTorch's f32[1,3,37,41] as f32[1,37,41,3], dimensions in order 0,2,3,1" in lines
    assert "feature level 1, as written 1" in lines
    weight = next(line.split()[0] for line in lines if " weight TENSOR_FLOAT32 [5,3,2,3] 360 bytes in buffer " in line)
    assert any(line.startswith("0 CONV_2D %0 ") and f" filter={weight} " in line for line in lines)


def test_the_text_counts_operands_and_operations_unless_all_is_asked_for(package: Path) -> None:
    short, whole = (ran(package, *more).stdout.splitlines() for more in ((), ("--all",)))

    *told, _, hint = short
    assert hint == "(--all lists every operand, operation and buffer.)"
    assert set(told) < set(whole)
    assert "  1 operations: 1 CONV_2D" in told
    assert not any("%" in line for line in told if not line.startswith(("  takes ", "  gives ")))


def test_json_has_what_the_text_shows(package: Path) -> None:
    found = document(package)

    assert found["producer"] == "nnapi-check"
    assert found["converted_for_level"] == 3
    assert found["part_count"] == 2
    first, second = found["parts"]
    assert [operation["kind"] for operation in first["operations"]] == ["CONV_2D"]
    assert (first["level"], first["level_as_written"], first["faults"]) == (1, 1, [])
    assert first["takes"][0]["nnapi"] == "f32[1,37,41,3]"
    assert first["takes"][0]["operand"] == first["inputs"][0]
    weights = [operand for operand in first["operands"] if operand["place"] == "weight"]
    assert sorted((weight["dims"], weight["bytes"]) for weight in weights) == [([5], 20), ([5, 3, 2, 3], 360)]
    for weight in weights:
        assert first["buffers"][weight["buffer"]["index"]] == {
            "index": weight["buffer"]["index"],
            "dtype": "float32",
            "shape": weight["dims"],
            "size": weight["bytes"],
            "reach": weight["bytes"],
        }
    assert second["sizes"]["inputs"] == 4 * 35 * 40 * 5


def test_small_weights_are_shown_by_value(package: Path) -> None:
    operands = document(package)["parts"][0]["operands"]
    (bias,) = (operand for operand in operands if operand["dims"] == [5])

    torch.manual_seed(0)
    wanted = TwoParts().first.bias
    assert wanted is not None
    assert [float(number) for number in bias["value"].split()] == pytest.approx(wanted.tolist())


def test_one_part_is_shown_alone(package: Path) -> None:
    found = document(package, "--part", "1")

    assert [part["name"] for part in found["parts"]] == ["nnapi_part_1"]
    assert found["part_count"] == 2


@pytest.mark.parametrize("part", ["2", "-1"])
def test_a_part_that_does_not_exist_is_refused(package: Path, part: str) -> None:
    result = ran(package, "--part", part)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"has no part {part}; it holds 2 NNAPI models, parts 0 to 1" in result.stderr


def test_a_file_of_pytorch_s_own_converter_is_shown(converters_file: Path) -> None:
    found = document(converters_file)

    assert (found["producer"], found["converted_for_level"]) == ("PyTorch's converter", None)
    (part,) = found["parts"]
    assert part["operations"][0]["kind"] == "CONV_2D"
    assert "takes" not in part
    # Its layout flag is a default, which the runtime drops.
    assert (part["level"], part["level_as_written"]) == (1, 3)
    assert [buffer["shape"] for buffer in part["buffers"]] == [[5], [5, 3, 2, 3]]
    assert "made by PyTorch's own converter" in ran(converters_file).stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"", "no zip archive"), (b"weights", "no zip archive")],
)
def test_what_is_no_archive_is_refused_in_one_sentence(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "model.pt"
    if content is not None:
        path.write_bytes(content)

    result = ran(path)

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_model_without_nnapi_is_refused(tmp_path: Path) -> None:
    torch.jit.save(trace(nn.Tanh(), torch.rand(2, 3)), str(tmp_path / "model.pt"))

    result = ran(tmp_path / "model.pt")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "holds no NNAPI model" in result.stderr


def test_a_manifest_over_a_module_without_models_is_refused(package: Path, tmp_path: Path) -> None:
    torch.jit.save(trace(nn.Tanh(), torch.rand(2, 3)), str(tmp_path / "model.pt"))
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(tmp_path / "model.pt", "a") as target:
        manifest = next(name for name in source.namelist() if name.endswith("nnapi_check.json"))
        target.writestr("model/extra/nnapi_check.json", source.read(manifest))

    result = ran(tmp_path / "model.pt")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is a damaged package" in result.stderr


def test_a_manifest_that_names_no_crossings_is_refused(package: Path, tmp_path: Path) -> None:
    def edit(name: str, data: bytes) -> bytes:
        if not name.endswith("nnapi_check.json"):
            return data
        manifest = json.loads(data)
        manifest["parts"][0]["inputs"] = []
        return json.dumps(manifest).encode()

    result = ran(rewritten(package, tmp_path, edit))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "does not say how the inputs and outputs of part 0 cross" in result.stderr


class Claims(nn.Module):
    """A module that claims to hold an NNAPI model."""

    def __init__(self, words: list[int], weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.register_buffer("ser_model", torch.tensor(words, dtype=torch.int32))
        self.weights = weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def claiming(folder: Path, words: list[int], weights: list[torch.Tensor]) -> Path:
    path = folder / "claims.pt"
    torch.jit.save(cast("Callable[..., torch.jit.ScriptModule]", torch.jit.script)(Claims(words, weights)), str(path))
    return path


def test_bytes_that_are_no_model_are_refused(tmp_path: Path) -> None:
    result = ran(claiming(tmp_path, [7, 1, 2, 3, 4, 5], [torch.zeros(2)]))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "part 0 () is no NNAPI model: the format's version is 7, wanted 1" in result.stderr


def test_weights_outside_the_file_are_faults(converters_file: Path, tmp_path: Path) -> None:
    load = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.load)
    inner = load(str(converters_file)).mod
    words = inner.ser_model.tolist()

    found = document(claiming(tmp_path, words, [torch.zeros(4)]), code=1)

    assert found["parts"][0]["faults"] == [
        "Operand 3: found bytes 0 to 20 of buffer 0; wanted bytes from 0 to 16.",
        "Buffer 1: found none in the file; wanted 360 bytes.",
    ]


def test_a_model_that_nnapi_refuses_is_shown_with_its_faults(converters_file: Path, tmp_path: Path) -> None:
    load = cast("Callable[..., torch.jit.ScriptModule]", torch.jit.load)
    inner = load(str(converters_file)).mod
    words = inner.ser_model.tolist()
    # The header has 6 words, and 4 follow for each operand: the first is its type. Operand 2 is the input.
    assert words[6 + 4 * 2] == OperandType.TENSOR_FLOAT32
    words[6 + 4 * 2] = OperandType.TENSOR_INT32

    result = ran(claiming(tmp_path, words, list(inner.weights)))

    assert result.exit_code == 1
    assert "fault: Operation 0 (CONV_2D), input 0, operand 2: found TENSOR_INT32; wanted " in result.stdout
