"""Complex numbers of Fourier transforms, carried as pairs: which are, and that the program stays what it was."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.coverage_db.queries import open_registry
from tests.lowering.whole_graphs import runs

SOUND = torch.randn(2, 96, generator=torch.Generator().manual_seed(5))
WINDOW = torch.hann_window(16)
LEVELS = (3, 4, 6, 8)

Function = Callable[[torch.Tensor], object]


def frames(x: torch.Tensor) -> torch.Tensor:
    return torch.stft(x, 16, 4, window=WINDOW, return_complex=True)


def sound(spectrum: torch.Tensor) -> torch.Tensor:
    return torch.istft(spectrum, 16, 4, window=WINDOW)


def captured(function: Function, x: torch.Tensor = SOUND) -> Captured:
    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> object:
            return function(x)

    traced = torch.jit.trace(Module(), x, check_trace=False)  # type: ignore[no-untyped-call]  # no types
    return capture(traced, (x,), weights=True)


def ops_of(found: Captured) -> set[str]:
    return {node.op.split(".")[1] for node in found.graph.nodes()}


COMPLEX = {"stft", "istft", "complex", "polar", "view_as_complex", "view_as_real", "angle", "abs", "real", "imag"}

EXPRESSED: dict[str, Function] = {
    "magnitudes": lambda x: frames(x).abs(),
    "angles": lambda x: frames(x).angle(),
    "parts": lambda x: (frames(x).real, frames(x).imag),
    "a tensor of parts": lambda x: torch.view_as_real(frames(x)),
    "parts from the start": lambda x: torch.view_as_real(frames(x)).sum(-1),
    "a mask": lambda x: sound(frames(x) * torch.sigmoid(frames(x).abs())),
    "a mask first": lambda x: sound(torch.sigmoid(frames(x).abs()) * frames(x)),
    "a complex mask": lambda x: sound(frames(x) * torch.view_as_complex(torch.view_as_real(frames(x)).tanh())),
    "polar": lambda x: sound(torch.polar(frames(x).abs(), frames(x).angle())),
    "of parts": lambda x: sound(torch.complex(frames(x).real.relu(), frames(x).imag)),
    "conjugates": lambda x: (frames(x).conj() * frames(x) - -frames(x)).abs(),
    "numbers": lambda x: (frames(x) * 0.5 / 3.0).abs(),
    "divisors": lambda x: (frames(x) / (frames(x).abs() + 1.0)).abs(),
    "moves": lambda x: frames(x).transpose(1, 2)[:, 1:, 2:].unsqueeze(1).permute(0, 3, 2, 1).abs(),
    "a mean": lambda x: frames(x).mean(-1).abs(),
}


@pytest.mark.parametrize("name", EXPRESSED)
def test_what_is_done_to_complex_numbers_is_done_to_their_parts(name: str) -> None:
    found = captured(EXPRESSED[name])

    assert not ops_of(found) & COMPLEX


@pytest.mark.parametrize("name", EXPRESSED)
def test_pairs_compute_the_same_at_every_level(name: str) -> None:
    found = runs(EXPRESSED[name], [SOUND], open_registry())

    assert set(LEVELS) <= set(found)
    assert [found[level].differences for level in LEVELS if found[level].differences] == []


def test_a_spectrum_with_readers_of_both_kinds_is_put_together_once() -> None:
    def both(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        spectrum = frames(x)
        return spectrum.abs(), torch.exp(spectrum), spectrum

    found = captured(both)

    assert [node.op for node in found.graph.nodes()].count("aten.complex.default") == 1
    for got, wanted in zip(found.module._get_method("forward")(SOUND), both(SOUND), strict=True):
        assert torch.allclose(got, wanted, atol=1e-4)


def test_a_spectrum_that_nothing_known_reads_stays_as_it_is() -> None:
    found = captured(lambda x: torch.exp(frames(x)))

    assert "stft" in ops_of(found)


def test_a_window_that_an_input_changes_is_left_to_pytorch() -> None:
    found = captured(lambda x: torch.stft(x, 16, 4, window=x[0, :16], return_complex=True).abs())

    assert "stft" in ops_of(found)


def test_nodes_of_a_transform_stand_where_it_stands() -> None:
    found = captured(EXPRESSED["magnitudes"])

    lines = {node.source.line for node in found.graph.nodes() if node.op.startswith(("aten.conv1d", "aten.sqrt"))}
    assert None not in lines


@settings(max_examples=25)
@given(
    st.integers(4, 20),
    st.integers(1, 12),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 9),
)
def test_every_form_of_a_transform(
    n: int, hop: int, narrower: int, is_centered: bool, is_normalized: bool, is_alone: bool, more: int
) -> None:
    width = n - narrower
    window = torch.rand(width, generator=torch.Generator().manual_seed(n)) + 0.5
    x = torch.randn(2, 3 * n + more, generator=torch.Generator().manual_seed(hop))
    x = x[0] if is_alone else x

    def transformed(x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(
            torch.stft(x, n, hop, width, window, is_centered, "reflect", is_normalized, return_complex=True)
        )

    found = captured(transformed, x)

    assert "stft" not in ops_of(found)
    got = found.module._get_method("forward")(x)
    assert got.shape == transformed(x).shape
    assert torch.allclose(got, transformed(x), atol=1e-5 * n)


@settings(max_examples=25)
@given(st.integers(4, 20), st.integers(1, 10), st.booleans(), st.booleans(), st.booleans())
def test_every_form_of_an_inverse(n: int, hop: int, is_normalized: bool, is_alone: bool, has_length: bool) -> None:
    hop = min(hop, n // 2)
    window = torch.rand(n, generator=torch.Generator().manual_seed(n)) + 0.5
    x = torch.randn(2, 3 * n, generator=torch.Generator().manual_seed(hop))
    x = x[0] if is_alone else x
    length = 2 * n if has_length else None

    def back(x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(x, n, hop, window=window, normalized=is_normalized, return_complex=True)
        return torch.istft(spectrum * 2.0, n, hop, window=window, normalized=is_normalized, length=length)

    found = captured(back, x)

    assert "istft" not in ops_of(found)
    got = found.module._get_method("forward")(x)
    assert got.shape == back(x).shape
    assert torch.allclose(got, back(x), atol=1e-4)
