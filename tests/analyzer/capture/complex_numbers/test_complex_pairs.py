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


def of_phases(x: torch.Tensor) -> torch.Tensor:
    """A sound of these magnitudes, whose phases are found in two rounds as Griffin and Lim find them."""
    sizes, before = frames(x).abs(), torch.tensor(0.0)
    phases = torch.full(sizes.shape, 1, dtype=torch.complex64)
    for _ in range(2):
        rebuilt = frames(sound(sizes * phases))
        phases = rebuilt - before * 0.5
        phases = phases.div(phases.abs().add(1e-3))
        before = rebuilt
    return sound(sizes * phases)


def captured(function: Function, x: torch.Tensor = SOUND) -> Captured:
    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> object:
            return function(x)

    traced = torch.jit.trace(Module(), x, check_trace=False)  # type: ignore[no-untyped-call]  # no types
    return capture(traced, (x,), weights=True)


def ops_of(found: Captured) -> set[str]:
    return {node.op.split(".")[1] for node in found.graph.nodes() if not node.is_constant}


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
    "a spectrum": lambda x: torch.fft.rfft(x).abs(),
    "a spectrum along the first dimension": lambda x: torch.fft.fft(x, dim=0).real,
    "filtered": lambda x: torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(x.flip(-1)), n=96),
    "there and back in two dimensions": lambda x: torch.fft.ifft2(torch.fft.fft2(x) * 0.5).real,
    "a constant": lambda x: sound(frames(x).abs() * torch.full([2, 9, 25], 1 - 2j, dtype=torch.complex64)),
    "a constant and complex numbers": lambda x: (torch.full([9, 1], 1 - 2j) * frames(x)).abs(),
    "sums with real numbers": lambda x: (frames(x).abs() + (frames(x) + 0.5) - x[:, :25].unsqueeze(1)).abs(),
    "phases found by rounds": of_phases,
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


def test_a_sum_that_broadens_complex_numbers_reads_them_put_together() -> None:
    found = captured(lambda x: (frames(x)[0] + frames(x).abs()).abs())

    assert "complex" in ops_of(found)


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


TRANSFORMS = ("fft", "ifft", "rfft", "irfft")
SOME = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(7))


def read_as_products(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> None:
    """The function is captured without Fourier transforms, and its program gives the same."""
    found = captured(function, x)

    assert not [name for name in ops_of(found) if "fft" in name]
    got, wanted = found.module._get_method("forward")(x), function(x)
    assert got.shape == wanted.shape
    assert torch.allclose(got, wanted, atol=3e-5)


@settings(max_examples=60)
@given(
    st.sampled_from(TRANSFORMS),
    st.sampled_from([None, 1, 4, 5, 8]),
    st.integers(-3, 2),
    st.sampled_from([None, "backward", "ortho", "forward"]),
    st.booleans(),
)
def test_every_form_of_a_transform_along_one_dimension(
    name: str, n: int | None, dim: int, norm: str | None, is_complex: bool
) -> None:
    def transformed(x: torch.Tensor) -> torch.Tensor:
        given = torch.complex(x, x.flip(0) * 0.5) if name == "irfft" or (is_complex and name != "rfft") else x
        made: torch.Tensor = getattr(torch.fft, name)(given, n, dim, norm)
        return torch.stack([made.real, made.imag], -1) if made.is_complex() else made

    read_as_products(transformed, SOME)


@settings(max_examples=60)
@given(
    st.sampled_from(TRANSFORMS),
    st.sampled_from([(-2, -1), (0, 2), (2, 0), (1,), (0, 1, 2), None]),
    st.sampled_from([None, 4, 7]),
    st.sampled_from([None, "ortho", "forward"]),
    st.booleans(),
)
def test_every_form_of_a_transform_along_several_dimensions(
    name: str, dims: tuple[int, ...] | None, size: int | None, norm: str | None, is_complex: bool
) -> None:
    sizes = None if size is None else [size] if dims is None else [size, *[-1] * (len(dims) - 1)]

    def transformed(x: torch.Tensor) -> torch.Tensor:
        given = torch.complex(x, x.flip(0) * 0.5) if name == "irfft" or (is_complex and name != "rfft") else x
        made: torch.Tensor = getattr(torch.fft, f"{name}n")(given, sizes, dims, norm)
        return torch.stack([made.real, made.imag], -1) if made.is_complex() else made

    read_as_products(transformed, SOME)


@pytest.mark.parametrize("normalization", [0, 1, 2])
@pytest.mark.parametrize("is_onesided", [False, True])
def test_transforms_as_decompositions_write_them(normalization: int, is_onesided: bool) -> None:
    aten = torch.ops.aten

    def back(x: torch.Tensor) -> torch.Tensor:
        spectrum = aten._fft_r2c(x, [0, 2], normalization, is_onesided)
        spectrum = aten._fft_c2c(spectrum * 2.0, [1], normalization, False)
        return torch.view_as_real(aten._fft_c2c(spectrum, [0], normalization, True)).sum(-1)

    read_as_products(back, SOME)
    read_as_products(lambda x: aten._fft_c2r(torch.complex(x, x * 0.5), [1, 2], normalization, 11), SOME)


def test_what_is_real_of_a_spectrum_has_no_imaginary_part_at_all() -> None:
    found = captured(lambda x: torch.fft.rfft(x, n=48).imag)

    got = found.module._get_method("forward")(SOUND)
    assert not got[:, [0, -1]].any()


def test_a_transform_of_many_numbers_is_left_to_pytorch() -> None:
    found = captured(lambda x: torch.fft.rfft(x, n=4096).abs())

    assert "fft_rfft" in ops_of(found)
