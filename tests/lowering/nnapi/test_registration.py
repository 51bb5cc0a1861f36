"""Kernels and shape inferences are registered once for an operation, and stay functions that anyone may call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nnapi_check.lowering.nnapi.interpreter import kernels
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, Call
from nnapi_check.lowering.nnapi.shapes import shapes
from nnapi_check.lowering.nnapi.shapes.shapes import NOTHING, Inferred, ShapeCall


def compute_nothing(call: Call) -> Sequence[Array]:
    del call
    return ()


def infer_nothing(call: ShapeCall) -> Inferred:
    del call
    return NOTHING


def test_a_kernel_is_registered_once_and_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "KERNELS", {})

    assert kernels.kernel("FIRST", "SECOND")(compute_nothing) is compute_nothing
    assert {"FIRST": compute_nothing, "SECOND": compute_nothing} == kernels.KERNELS
    with pytest.raises(ValueError, match="SECOND: two kernels are registered"):
        kernels.kernel("SECOND")(compute_nothing)


def test_an_inference_is_registered_once_and_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "INFERENCES", {})

    assert shapes.infers("FIRST", "SECOND")(infer_nothing) is infer_nothing
    assert {"FIRST": infer_nothing, "SECOND": infer_nothing} == shapes.INFERENCES
    with pytest.raises(ValueError, match="SECOND: two inferences are registered"):
        shapes.infers("SECOND")(infer_nothing)
