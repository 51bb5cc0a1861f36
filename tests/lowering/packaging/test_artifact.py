"""NNAPI models are read back from packages and from files of PyTorch's own converter; other files are refused."""

import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.backends._nnapi.prepare import convert_model_to_nnapi

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.graph import ElementType, TensorType
from nnapi_check.lowering.packaging.artifact import open_artifact
from nnapi_check.lowering.packaging.border import Border
from nnapi_check.lowering.packaging.saving import Form, save_package
from tests.lowering.hand_made_parts import (
    elementwise_part,
    nodes_of,
    packaged,
    plain_convolution_part,
    random_tensor,
)
from tests.lowering.running_packages import FORMS, captured_module, save_traced


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 5, (3, 2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.cumsum(self.layers(x), 1))


@FORMS
def test_package_gives_models_buffers_and_borders(form: Form, tmp_path: Path) -> None:
    module = Two()
    captured = captured_module(module, random_tensor(1, 3, 7, 9))
    parts = [
        plain_convolution_part(captured, *nodes_of(captured, "conv2d")),
        elementwise_part(captured, nodes_of(captured, "relu")),
    ]
    package = packaged(captured, *parts)
    save_package(package, tmp_path / "model.pt", form=form)

    artifact = open_artifact(tmp_path / "model.pt")

    assert artifact.manifest == package.manifest
    assert [part.serialized for part in artifact.parts] == [part.serialized for part in parts]
    assert [part.name for part in artifact.parts] == ["nnapi_part_0", "nnapi_part_1"]
    conv = module.layers[0]
    assert isinstance(conv, nn.Conv2d)
    torch.testing.assert_close(
        artifact.parts[0].buffers, (conv.weight.permute(0, 2, 3, 1).contiguous(), conv.bias), check_stride=True
    )
    assert artifact.parts[1].buffers == ()
    record = artifact.parts[0].record
    assert record is not None
    assert record.inputs == (
        Border(
            parts[0].inputs[0].value,
            TensorType(ElementType.FLOAT32, (1, 3, 7, 9)),
            TensorType(ElementType.FLOAT32, (1, 7, 9, 3)),
            (0, 2, 3, 1),
        ),
    )


def test_models_of_pytorchs_own_converter_are_found(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 5, (3, 2)), nn.ReLU()).eval()
    x = random_tensor(1, 3, 7, 9).contiguous(memory_format=torch.channels_last)
    x.nnapi_nhwc = True  # type: ignore[attr-defined]  # how its converter is told the layout
    converted = convert_model_to_nnapi(torch.jit.trace(module, x), x)  # type: ignore[no-untyped-call]  # PyTorch's
    torch.jit.save(converted, str(tmp_path / "model.pt"))

    artifact = open_artifact(tmp_path / "model.pt")

    assert artifact.manifest is None
    (part,) = artifact.parts
    assert (part.name, part.record) == ("mod", None)
    assert part.serialized[:4] == b"\x01\0\0\0"
    assert sorted(tuple(buffer.shape) for buffer in part.buffers) == [(5,), (5, 3, 2, 3)]


def test_file_without_nnapi_models_is_refused(tmp_path: Path) -> None:
    save_traced(nn.Tanh(), random_tensor(2, 3), tmp_path / "model.pt")

    with pytest.raises(InputError, match="holds no NNAPI model"):
        open_artifact(tmp_path / "model.pt")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.pt cannot be read: No such file"):
        open_artifact(tmp_path / "model.pt")


def test_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")

    with pytest.raises(InputError, match="no zip archive"):
        open_artifact(tmp_path / "model.pt")


def test_archive_that_is_no_torchscript_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/readme", "hello")

    with pytest.raises(InputError, match="cannot be loaded by PyTorch"):
        open_artifact(tmp_path / "model.pt")


def test_package_with_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    save_traced(nn.Tanh(), random_tensor(2, 3), tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "model.pt", "a") as archive:
        archive.writestr("model/extra/nnapi_check.json", "{}")

    with pytest.raises(InputError, match="damaged package: the manifest lacks 'format'"):
        open_artifact(tmp_path / "model.pt")
