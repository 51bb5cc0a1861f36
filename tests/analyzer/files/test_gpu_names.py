"""Models that name a GPU, in every form, on a machine that has none."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import nnapi_check
from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.files.gpu_names import without_gpus

X = torch.tensor([[-1.0, 2.0, 3.0]])
script: Callable[[nn.Module], torch.jit.ScriptModule] = torch.jit.script
save_script: Callable[..., None] = torch.jit.save
load_script: Callable[..., torch.jit.ScriptModule] = torch.jit.load


class Made(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() + torch.zeros(3, device="cuda") + x.new_full((3,), 2.0, device=torch.device("cuda:0"))


class Moved(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to("cuda:0").relu() + x.cuda()


class OfAnAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cuda:0")
        self.name = "cuda"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() + torch.ones(3, device=self.device) + torch.ones(3, device=self.name)


class OfAnArgument(nn.Module):
    def forward(self, x: torch.Tensor, device: torch.device = torch.device("cuda")) -> torch.Tensor:  # noqa: B008
        return x.relu() + torch.ones_like(x, device=device)


class OfAText(nn.Module):
    def forward(self, x: torch.Tensor, index: int = 0) -> torch.Tensor:
        return x.relu() + torch.arange(3, device=torch.device(f"cuda:{index}")).to(torch.float32)


class Chosen(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        device = torch.device("cuda")
        if x.device != device:
            x = x.to(device)
        return x.relu() + torch.tensor([1.0, 2.0, 3.0], device="xpu")


def converted(model: nn.Module | Path, folder: Path) -> list[list[float]]:
    """What the converted model gives for X on its CPU path."""
    report = nnapi_check.convert(model, folder / "made.pt", [X], feature_level=4)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    made = load_script(folder / "made.pt")
    made.use_cpu()
    found: list[list[float]] = made(X).tolist()
    return found


@pytest.mark.parametrize("form", ["live", "scripted", "file"])
@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Made, [[2.0, 4.0, 5.0]]),
        (Moved, [[-1.0, 4.0, 6.0]]),
        (OfAnAttribute, [[2.0, 4.0, 5.0]]),
        (OfAnArgument, [[1.0, 3.0, 4.0]]),
        (OfAText, [[0.0, 3.0, 5.0]]),
        (Chosen, [[1.0, 4.0, 6.0]]),
    ],
)
def test_model_that_names_a_gpu_is_converted_as_phones_run_it(
    kind: type[nn.Module], wanted: list[list[float]], form: str, tmp_path: Path
) -> None:
    module = kind().eval()
    model = module if form == "live" else script(module)
    if form == "file":
        save_script(model, tmp_path / "model.pt")

    found = converted(tmp_path / "model.pt" if form == "file" else model, tmp_path)

    assert found == wanted


def test_scripted_module_of_the_user_keeps_the_gpu_that_it_names(tmp_path: Path) -> None:
    model = script(Made().eval())

    converted(model, tmp_path)

    assert 'value="cuda"' in str(model.graph)


class Exported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 5)
        self.shift = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = torch.zeros(3, device="cpu") + torch.ones_like(x, device="cpu") + torch.tensor([1.0, 2.0, 3.0])
        found: torch.Tensor = self.linear(x.to("cpu") + made + self.shift)
        return found.relu()


def changed_archive(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """A zip archive with its members changed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as copy:
        for info in archive.infolist():
            copy.writestr(info.filename, change(info.filename, archive.read(info)))
    return made.getvalue()


def placed_on_a_gpu(name: str, data: bytes) -> bytes:
    """A member of a program as a machine with a GPU writes it."""
    if name.endswith(".json"):
        return re.sub(rb'{"type": "cpu"(, "index": null)?}', b'{"type": "cuda", "index": 0}', data)
    if name.endswith("data.pkl"):
        return data.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0")
    return changed_archive(data, placed_on_a_gpu) if name.endswith(".pt") else data


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("is_decomposed", [False, True])
def test_program_that_was_exported_on_a_gpu_is_converted_as_phones_run_it(
    is_decomposed: bool, trust: bool, tmp_path: Path
) -> None:
    model = Exported().eval()
    program = torch.export.export(model, (X,))
    written, path = io.BytesIO(), tmp_path / "gpu.pt2"
    torch.export.save(program.run_decompositions() if is_decomposed else program, written)
    path.write_bytes(changed_archive(written.getvalue(), placed_on_a_gpu))
    with zipfile.ZipFile(path) as archive:
        texts = [archive.read(name) for name in archive.namelist() if name.endswith(".json")]
        assert any("cuda" in devices_in(json.loads(text)) for text in texts)

    report = nnapi_check.convert(path, tmp_path / "made.pt", feature_level=4, trust=trust)

    assert report.verification is not None
    assert report.verification.is_within_tolerance
    made = load_script(tmp_path / "made.pt")
    made.use_cpu()
    torch.testing.assert_close(made(X), model(X))


def devices_in(document: object) -> set[str]:
    """The kind of every device that a description names."""
    match document:
        case {"type": str(kind), "index": _}:
            return {kind}
        case dict():
            return set().union(*map(devices_in, document.values()))
        case list():
            return set().union(*map(devices_in, document))
        case _:
            return set()


class Refusing(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


class OfTheUserError(Exception):
    """An error of a class of the user's own."""


@pytest.mark.parametrize(
    "error", [AssertionError("odd"), ZeroDivisionError("odd"), OfTheUserError("odd"), StopIteration("odd")], ids=repr
)
def test_error_of_a_module_s_own_code_is_told_as_such(error: Exception) -> None:
    with pytest.raises(InputError, match="cannot be traced with inputs of these shapes: odd"):
        nnapi_check.check(Refusing(error), [X], feature_level=4)


RUNS: list[bool] = []
"""Of each run of `Reading`, whether what it names of GPUs was put on the processor."""


class Reading(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        modes: Callable[[], list[object]] = torch.overrides._get_current_function_mode_stack
        RUNS.append(any(type(mode).__module__ == without_gpus.__module__ for mode in modes()))
        return x * x.max().item()


def test_model_that_runs_and_is_refused_is_not_run_again_as_if_a_gpu_were_missing() -> None:
    RUNS.clear()

    with pytest.raises(InputError, match="takes numbers out of its inputs' values"):
        nnapi_check.check(Reading().eval(), [X], feature_level=4)

    assert RUNS
    assert not any(RUNS)
