"""Ops on integers that stand for rounded floats are within their bound, for parameters of any size."""

import warnings

import pytest

from benchmarks.exported_quantized_ops import SAMPLES, try_op
from nnapi_check.coverage_db.queries import Registry, open_registry

IN_FLOATS = {"hard swish", "softmax", "bilinear", "sigmoid", "convolution and relu6"}
"""What no op on integers computes as well, or with drawn steps."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return open_registry()


@pytest.mark.parametrize("name", SAMPLES)
def test_drawn_parameters_keep_the_bound(name: str, registry: Registry) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = try_op(name, registry, 3, seed=1)

    assert row.beyond == []
    assert row.runs
    assert row.ops or name in IN_FLOATS
