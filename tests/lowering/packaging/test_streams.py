"""Models that hand their state on: over 200 frames a package that lives on its own state stays with PyTorch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import rnn

import nnapi_check
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from nnapi_check.lowering.packaging.artifact import open_artifact

Tensor = torch.Tensor
BINS, UNITS, FRAMES = 41, 12, 200


class OfCells(nn.Module):
    """Two cells of gated units, and a complex gain for each bin."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.GRUCell(2 * BINS, UNITS), nn.GRUCell(UNITS, UNITS + 1)
        self.gains = nn.Linear(UNITS + 1, 2 * BINS)

    def forward(self, spectrum: Tensor, h1: Tensor, h2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        real, imag = spectrum[..., 0], spectrum[..., 1]
        h1 = self.first(torch.cat([real, imag], dim=-1), h1)
        h2 = self.second(h1, h2)
        by_real, by_imag = torch.tanh(self.gains(h2)).chunk(2, dim=-1)
        cleaned = torch.stack([real * by_real - imag * by_imag, real * by_imag + imag * by_real], dim=-1)
        return cleaned, h1, h2


class OfLayersInOneState(nn.Module):
    """Two layers of long short-term memory after another, whose states are places of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.gains = nn.LayerNorm(BINS), nn.Linear(UNITS, BINS)
        self.first, self.second = nn.LSTM(BINS, UNITS, batch_first=True), nn.LSTM(UNITS, UNITS, batch_first=True)

    def forward(self, spectrum: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        power = (spectrum**2).sum(-1).unsqueeze(1)
        h1, c1, h2, c2 = states[:1, ..., 0], states[:1, ..., 1], states[1:, ..., 0], states[1:, ..., 1]
        y, (h1, c1) = self.first(self.norm(torch.log(power + 1e-7)), (h1, c1))
        y, (h2, c2) = self.second(y, (h2, c2))
        gains = torch.sigmoid(self.gains(y)).transpose(1, 2)
        return spectrum * gains, torch.stack((torch.cat((h1, h2)), torch.cat((c1, c2))), dim=-1)


class OfMemoryCells(nn.Module):
    """One cell of long short-term memory."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.gains = nn.LSTMCell(2 * BINS, UNITS), nn.Linear(UNITS, 2 * BINS)

    def forward(self, spectrum: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h, c = self.cell(spectrum.flatten(1), (h, c))
        return spectrum * torch.sigmoid(self.gains(h)).view_as(spectrum), h, c


class OfKeptFrames(nn.Module):
    """Convolutions over this frame and the two before it, which are a state as well."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(2, 6, (3, 5), stride=(1, 2), padding=(0, 2)), nn.BatchNorm2d(6), nn.PReLU(6)
        )
        self.gru, self.spread = nn.GRU(6 * (BINS // 2 + 1), UNITS), nn.Linear(UNITS, 6 * (BINS // 2 + 1))
        self.decode = nn.ConvTranspose2d(12, 2, (1, 5), stride=(1, 2), padding=(0, 2))

    def forward(self, spectrum: Tensor, kept: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        frames = torch.cat([kept, spectrum.unsqueeze(2).permute(0, 3, 2, 1)], dim=2)
        encoded = self.encode(frames)
        y, state = self.gru(encoded.permute(2, 0, 1, 3).flatten(2), state)
        y = self.spread(y).view(1, 1, 6, -1).permute(1, 2, 0, 3)
        gains = torch.tanh(self.decode(torch.cat([encoded, y], dim=1)))
        return spectrum * gains.squeeze(2).transpose(1, 2), frames[:, :, 1:], state


class OfPackedFrames(nn.Module):
    """Gated units over this frame and the two before it, which are packed as a sequence of their full length."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.gains = nn.GRU(2 * BINS, UNITS, batch_first=True), nn.Linear(UNITS, 2 * BINS)

    def forward(self, spectrum: Tensor, kept: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        frames = torch.cat([kept, spectrum.flatten(1).unsqueeze(1)], dim=1)
        lengths = torch.full((frames.shape[0],), frames.shape[1])
        packed = rnn.pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        y, state = self.gru(packed, state)
        last = rnn.pad_packed_sequence(y, batch_first=True)[0][:, -1]
        return spectrum * torch.tanh(self.gains(last)).view_as(spectrum), frames[:, 1:], state


def _frames() -> Tensor:
    """[200, 1, bins, 2]: a rising tone in noise."""
    size, hop = 2 * (BINS - 1), 37
    time = torch.arange(size + (FRAMES - 1) * hop)
    noise = torch.randn(time.shape, generator=torch.Generator().manual_seed(3))
    signal = torch.sin(time**2 / 9000) + 0.3 * noise
    found = torch.stft(signal, size, hop, window=torch.hann_window(size), center=False, return_complex=True)
    return torch.view_as_real(found).permute(1, 0, 2).unsqueeze(1).contiguous()


def _streamed(run: Callable[..., object], states: Sequence[Tensor]) -> Tensor:
    outputs = []
    for frame in _frames():
        output, *states = flat_tensors(run(frame, *states))
        outputs.append(output)
    return torch.cat(outputs)


def _in_form(model: nn.Module, form: str, inputs: Sequence[Tensor]) -> nn.Module:
    match form:
        case "traced":
            traced: nn.Module = torch.jit.trace(model, tuple(inputs))  # type: ignore[no-untyped-call]  # untyped
            return traced
        case "scripted":
            return torch.jit.script(model)
        case _:
            return model


@pytest.mark.parametrize("form", ["traced", "scripted", "live"])
@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        (OfCells, [(1, UNITS), (1, UNITS + 1)]),
        (OfLayersInOneState, [(2, 1, UNITS, 2)]),
        (OfMemoryCells, [(1, UNITS), (1, UNITS)]),
        (OfKeptFrames, [(1, 2, 2, BINS), (1, 1, UNITS)]),
        (OfPackedFrames, [(1, 2, 2 * BINS), (1, 1, UNITS)]),
    ],
)
def test_a_package_that_lives_on_its_own_state_stays_with_pytorch(
    kind: type[nn.Module],
    shapes: list[tuple[int, ...]],
    form: str,
    nnapi: HostRuntime,
    tmp_path: Path,
) -> None:
    torch.manual_seed(5)
    model = kind().eval()
    inputs = [torch.randn(1, BINS, 2), *(torch.zeros(shape) for shape in shapes)]
    given = _in_form(model, form, inputs)
    report = nnapi_check.convert(given, tmp_path / "out.pt", inputs, feature_level=3, verify=False)
    before = nnapi.executions

    with torch.no_grad():
        expected = _streamed(model, inputs[1:])
        found = _streamed(open_artifact(tmp_path / "out.pt").run, inputs[1:])

    assert (report.readiness, len(report.parts)) == ("ready", 1)
    assert nnapi.executions - before == FRAMES
    assert float((found - expected).abs().max()) <= 1e-6 * float(expected.abs().max())
