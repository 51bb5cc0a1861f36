"""What NNAPI rounds twice is counted in: by the scales, and as often as it is."""

import pytest

from nnapi_check.coverage_db.queries import Registry, open_registry
from tests.analyzer.judging.test_halves import found

# PyTorch warns of what the examples try as well.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

MANY = {"input": "quint8(0.5,120)[1,2,37,29]", "weight": "qint8(0.4,3)[5,2,3,2]!", "bias": "f32[5]!"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.mark.parametrize(
    ("made", "share"),
    [
        (0.78, 0.25),  # The factor is 0.26.
        (1.54, 0.125),  # 0.13
        (18.34, 0.0078),  # 0.011
        (0.26, 0.0),  # 0.77 is rounded once.
    ],
)
def test_products_are_off_where_the_factor_lies_below_a_half(made: float, share: float, registry: Registry) -> None:
    stated, off = found("quantized.conv2d.new", "regular", registry, made, **MANY)

    assert share <= stated <= share + 0.001
    # Most of such sums saturate where the output's steps are small.
    assert share / 20 <= off <= share * 1.5 + 0.0005


def test_products_of_two_tensors_are_off_as_often(registry: Registry) -> None:
    tensors = {"qa": "quint8(0.5,120)[70,60]", "qb": "quint8(0.4,100)[70,60]"}

    stated, off = found("quantized.mul.default", "operation", registry, 0.78, **tensors)

    assert 0.25 <= stated <= 0.251
    assert 0.01 <= off <= stated


def test_products_with_a_number_are_exact(registry: Registry) -> None:
    stated, off = found("quantized.mul_scalar.default", "operation", registry, None, qa="quint8(0.05,120)[70,60]")

    assert (stated, off) == (0.0, 0.0)
