"""Packed sequences of one known length run on NNAPI as padded ones do; of other lengths, none of it is promised."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import rnn

import nnapi_check
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime
from tests.lowering.running_packages import load_scripted

Tensor = torch.Tensor
BATCH, STEPS, BINS, UNITS = 3, 4, 48, 40


class Packed(nn.Module):
    """Layers over sequences that are packed, with lengths that the model holds."""

    lengths: Tensor

    def __init__(self, layers: nn.Module, lengths: Sequence[int], *, is_sorted: bool, total: int | None = None) -> None:
        super().__init__()
        self.layers, self.is_sorted, self.total = layers, is_sorted, total
        self.register_buffer("lengths", torch.tensor(lengths))
        self.batch_first: bool = layers.batch_first  # type: ignore[assignment]  # a module's attributes may be anything

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        packed = rnn.pack_padded_sequence(x, self.lengths, self.batch_first, self.is_sorted)
        y, length = rnn.pad_packed_sequence(self.layers(packed)[0], self.batch_first, -1.5, self.total)
        return y, length


class OfStates(nn.Module):
    """The same with states that come in and go out, and lengths that the shape of the input tells."""

    def __init__(self, *, is_sorted: bool) -> None:
        super().__init__()
        self.layers, self.is_sorted = nn.LSTM(BINS, UNITS, 2, batch_first=True, bidirectional=True), is_sorted

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        lengths = torch.full((x.shape[0],), x.shape[1])
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=self.is_sorted)
        y, (h, c) = self.layers(packed, (h, c))
        return rnn.pad_packed_sequence(y, batch_first=True)[0], h, c


class OfLengthsGiven(nn.Module):
    """The same with lengths that the caller gives."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.GRU(BINS, UNITS, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return rnn.pad_packed_sequence(self.layers(packed)[0], batch_first=True)[0]


def in_form(model: nn.Module, form: str, inputs: Sequence[Tensor]) -> nn.Module:
    traced: Callable[..., nn.Module] = torch.jit.trace
    match form:
        case "traced":
            return traced(model, tuple(inputs))
        case "scripted":
            return torch.jit.script(model)
        case _:
            return model


def is_one_part(model: nn.Module, inputs: Sequence[Tensor], folder: Path, level: int, target: str) -> bool:
    """Whether a model becomes one part for NNAPI, with the numbers of PyTorch."""
    report = nnapi_check.convert(model, folder / target, list(inputs), feature_level=level, target=target)
    assert report.verification is not None
    return report.verification.is_within_tolerance and (report.readiness, len(report.parts)) == ("ready", 1)


LAYERS: list[Callable[[], nn.Module]] = [
    lambda: nn.LSTM(BINS, UNITS, batch_first=True),
    lambda: nn.LSTM(BINS, UNITS, 2, proj_size=36),
    lambda: nn.GRU(BINS, UNITS, 2, batch_first=True, bidirectional=True),
    lambda: nn.GRU(BINS, UNITS, bias=False),
    lambda: nn.RNN(BINS, UNITS, batch_first=True, nonlinearity="relu"),
    lambda: nn.RNN(BINS, UNITS, bidirectional=True),
]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("form", "level", "target", "is_sorted"),
    [
        ("live", 3, "pytorch-mobile", True),
        ("traced", 5, "ndk", False),
        ("scripted", 8, "pytorch-mobile", False),
        ("scripted", 3, "ndk", True),
    ],
)
@pytest.mark.parametrize("layers", LAYERS, ids=range(len(LAYERS)))
def test_layers_over_sequences_of_one_length_are_one_part(
    layers: Callable[[], nn.Module], form: str, level: int, target: str, is_sorted: bool, tmp_path: Path
) -> None:
    torch.manual_seed(level)
    model = Packed(layers(), [STEPS] * BATCH, is_sorted=is_sorted).eval()
    x = torch.randn((BATCH, STEPS, BINS) if model.batch_first else (STEPS, BATCH, BINS))

    assert is_one_part(in_form(model, form, [x]), [x], tmp_path, level, target)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("form", ["live", "traced", "scripted"])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_states_go_in_and_out(form: str, is_sorted: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = OfStates(is_sorted=is_sorted).eval()
    inputs = [torch.randn(BATCH, STEPS, BINS), torch.randn(4, BATCH, UNITS), torch.randn(4, BATCH, UNITS)]

    assert is_one_part(in_form(model, form, inputs), inputs, tmp_path, 3, "pytorch-mobile")


@pytest.mark.parametrize(("lengths", "total"), [([2, 2, 2], None), ([2, 2, 2], 7), ([STEPS] * BATCH, 7)])
def test_sequences_are_cut_and_padded_as_they_are_told(lengths: list[int], total: int | None, tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = Packed(nn.GRU(BINS, UNITS, batch_first=True), lengths, is_sorted=True, total=total).eval()

    assert is_one_part(torch.jit.script(model), [torch.randn(BATCH, STEPS, BINS)], tmp_path, 3, "pytorch-mobile")


def test_one_sequence_runs_from_the_first_level_on(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = Packed(nn.GRU(BINS, UNITS, batch_first=True), [STEPS], is_sorted=False).eval()

    assert is_one_part(torch.jit.script(model), [torch.randn(1, STEPS, BINS)], tmp_path, 1, "ndk")


def test_many_sequences_come_out_in_their_order(tmp_path: Path) -> None:
    # PyTorch sorts 40 equal lengths into another order, which the CPU of a phone need not find again.
    torch.manual_seed(4)
    model = Packed(nn.GRU(BINS, UNITS, batch_first=True), [STEPS] * 40, is_sorted=False).eval()

    assert is_one_part(torch.jit.script(model), [torch.randn(40, STEPS, BINS)], tmp_path, 3, "pytorch-mobile")
    assert "sort(" not in load_scripted(tmp_path / "pytorch-mobile").model.nnapi_forward.code


@pytest.mark.parametrize("target", ["pytorch-mobile", "ndk"])
@pytest.mark.parametrize("form", ["live", "scripted"])
def test_sequences_of_other_lengths_stay_on_the_cpu_and_say_what_to_do(form: str, target: str) -> None:
    x = torch.randn(BATCH, STEPS, BINS)
    differ = Packed(nn.GRU(BINS, UNITS, batch_first=True), [4, 3, 1], is_sorted=True).eval()
    cases: list[tuple[nn.Module, list[Tensor]]] = [
        (differ, [x]),
        (OfLengthsGiven().eval(), [x, torch.tensor([4, 3, 1])]),
        (OfLengthsGiven().eval(), [x, torch.tensor([STEPS] * BATCH)]),
    ]
    for model, inputs in cases:
        report = nnapi_check.check(in_form(model, form, inputs), inputs, feature_level=8, target=target)

        told = {found.op: found for found in report.blockers if found.reason == "NNC104"}
        assert {"aten._pack_padded_sequence.default", "aten.gru.data", "aten._pad_packed_sequence.default"} == set(told)
        assert all("every sequence has the same length" in found.wanted for found in told.values())
        assert all("mask what lies behind" in found.fix for found in told.values())
        assert report.readiness in ("unsupported", "not worthwhile")


def test_a_model_with_shorter_sequences_keeps_its_numbers(nnapi: HostRuntime, tmp_path: Path) -> None:
    class Between(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Linear(BINS, 64), nn.Linear(UNITS, 64)
            self.packed = Packed(nn.GRU(64, UNITS, batch_first=True), [4, 3, 1], is_sorted=True)

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.after(self.packed(torch.tanh(self.before(x)))[0]))

    torch.manual_seed(6)
    model, x = Between().eval(), torch.randn(BATCH, STEPS, BINS)

    report = nnapi_check.convert(
        torch.jit.script(model), tmp_path / "out.pt", [x], feature_level=3, min_score=0, requires_ready=False
    )

    assert report.readiness != "ready"
    if report.artifact is not None:
        assert report.verification is not None
        assert report.verification.is_within_tolerance


@pytest.mark.filterwarnings("ignore:pack_padded_sequence has been called with a Python list")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("form", ["live", "scripted"])
def test_lengths_are_constants_of_other_kinds_as_well(form: str, tmp_path: Path) -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.GRU(BINS, UNITS, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            packed = rnn.pack_padded_sequence(x, [4, 4, 4], batch_first=True, enforce_sorted=False)
            y = rnn.pad_packed_sequence(self.layers(packed)[0], batch_first=True)[0]
            again = rnn.pack_padded_sequence(y.tanh(), torch.tensor([x.size(1)] * x.size(0)), batch_first=True)
            return again.data

    torch.manual_seed(7)
    model, x = Listed().eval(), torch.randn(BATCH, STEPS, BINS)

    assert is_one_part(in_form(model, form, [x]), [x], tmp_path, 3, "pytorch-mobile")
