"""Scales that no quantization may have: zero, negative, not finite, or without an inverse in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from nnapi_check.analyzer.errors import InputError
from nnapi_check.analyzer.nnapi_types import SCALES

_NAMES = ("scale", "scales", "output_scale")
_FIX = "calibrate the model with inputs that are finite and not all 0, and convert it anew"


def scale_fault(given: Mapping[str, object]) -> str | None:
    """What is wrong with a scale among the arguments of a call, by their names; None where nothing is known to be."""
    for name in _NAMES:
        scale = _first_wrong(given.get(name))
        if scale is not None:
            told, (low, high) = name.replace("_", " ").removesuffix("s"), SCALES
            return f"its {told} is {scale:g}, and a scale is a number between {low:.2g} and {high:.2g}"
    return None


def refuse_scale_fault(op: str, given: Mapping[str, object]) -> None:
    """Raise an `InputError` where a call rounds to steps, or reads such, of a scale that none may have."""
    fault = scale_fault(given)
    if fault is not None:
        raise InputError(f"{op} has no meaning: {fault}; {_FIX}.")


def traced_scale_fault(error: BaseException) -> str | None:
    """What is wrong with the scale that PyTorch's own rounding divided by, where that made a trace fail."""
    trace = error.__traceback__
    if not isinstance(error, ZeroDivisionError) or trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame
    fault = scale_fault(frame.f_locals)
    return None if fault is None else f"{frame.f_code.co_name} has no meaning: {fault}; {_FIX}"


def _first_wrong(found: object) -> float | None:
    match found:
        case bool():
            return None
        case int() | float():
            numbers: Sequence[float] = [float(found)]
        case torch.Tensor() if found.is_floating_point() and not found.is_meta:
            numbers = found.detach().flatten().tolist()
        case _:
            return None
    low, high = SCALES
    return next((number for number in numbers if not low <= number <= high), None)
