"""What lies halfway between two steps is counted in: by the scales, and only where there are halves."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nnapi_check.analyzer.judging.halves import simplest_denominator
from nnapi_check.analyzer.torchscript import quantized_as_on_phones
from nnapi_check.coverage_db.cards import Example
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.lowering.examples.measure import example_numbers
from tests.cards import cards

# PyTorch warns of tensors with other parameters than the first, and joins them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:All inputs of this cat operator:UserWarning")
PARAMETERS = {"output_zero_point": 100, "zero_point": 100}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


def found(op: str, way: str, registry: Registry, made: float | None, **tensors: str | list[str]) -> tuple[float, float]:
    """The share of elements that is stated to be off, and that which is, of a call with these tensors."""
    card = cards()[op]
    named = next(item for item in card.ways if item.name == way)
    example = next(item for item in named.examples if item.expect is None)
    args = {name: PARAMETERS.get(name, value) for name, value in example.args}
    scales = {"output_scale", "scale"} & set(args) if made is not None else set()
    drawn: Example = replace(
        example,
        tensors=tuple((name, tuple(spec) if isinstance(spec, list) else spec) for name, spec in tensors.items()),
        args=tuple({**args, **dict.fromkeys(scales, made)}.items()),
    )
    with quantized_as_on_phones():
        _, bounded, (numbers,) = example_numbers(card, named, drawn, registry)
    bound = bounded.bound
    assert (numbers.steps or 0) <= (bound.steps if bound else 0)
    return (bound.share if bound else 0.0), numbers.steps_share or 0.0


@pytest.mark.parametrize(
    ("op", "way", "tensors"),
    [
        ("quantized.cat.default", "operation", {"qx": ["quint8(0.03125,128)[2,30]", "quint8(0.0625,9)[2,40]"]}),
        ("aten.cat.default", "operation", {"tensors": ["quint8(0.0625,9)[2,40]", "quint8(0.03125,128)[2,90]"]}),
        ("quantized.leaky_relu.default", "operation", {"qx": "quint8(0.03125,128)[3,50]"}),
        ("quantized.elu.default", "in-floats", {"self": "quint8(0.03125,128)[3,50]"}),
    ],
)
def test_halves_are_stated_where_a_scale_is_half_the_result_s(
    op: str, way: str, tensors: dict[str, str | list[str]], registry: Registry
) -> None:
    stated, off = found(op, way, registry, 0.0625, **tensors)

    assert stated >= 0.25
    assert 0 < off <= stated


@pytest.mark.parametrize("first", ["0.0625", "0.1875", "0.0217"])
def test_nothing_is_stated_where_no_whole_multiple_lies_halfway(first: str, registry: Registry) -> None:
    tensors = [f"quint8({first},128)[2,30]", "quint8(0.0625,9)[2,40]"]

    assert found("quantized.cat.default", "operation", registry, 0.0625, qx=tensors) == (0.0, 0.0)


def test_sums_round_what_lies_exactly_halfway_as_engines_of_phones_do(registry: Registry) -> None:
    tensors = {"qa": "quint8(0.03125,128)[2,3,40,50]", "qb": "quint8(0.015625,17)[2,3,40,50]"}

    stated, off = found("quantized.add.default", "operation", registry, 0.0625, **tensors)

    assert stated == 0.0002
    assert off == 0.0


def test_sums_are_held_to_halves_that_are_so_but_for_the_last_bits_of_scales(registry: Registry) -> None:
    tensors = {"qa": "quint8(0.03,128)[2,3,40,50]", "qb": "quint8(0.09,17)[2,3,40,50]"}

    stated, off = found("quantized.add.default", "operation", registry, 0.06, **tensors)

    assert stated > 0.2
    assert off <= stated


@given(
    st.one_of(
        st.builds(lambda over, under: over / under, st.integers(1, 600), st.integers(1, 600)), st.floats(1e-6, 1e6)
    ),
    st.sampled_from([0.0, 1e-7, -1e-7, 3e-6]),
)
def test_simplest_denominator_is_the_least_of_all_that_are_near_enough(fraction: float, off: float) -> None:
    size, near = fraction * (1 + off), 1e-6

    found = simplest_denominator(size * (1 - near), size * (1 + near))

    errors = [abs(size * d - round(size * d)) / (size * d) for d in range(1, 512)]
    # At the bound itself, rounding decides.
    assume(all(abs(error - near) > near / 1000 for error in errors))
    least = next((d for d, error in enumerate(errors, 1) if error <= near), None)
    assert found == least if least is not None else found > len(errors)
