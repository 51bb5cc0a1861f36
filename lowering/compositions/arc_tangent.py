"""The arc tangent between -1 and 1, of which NNAPI's missing inverse trigonometric functions are composed."""

from __future__ import annotations

from math import pi

from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.model_draft import OperandId

HALF_PI = pi / 2

# Fitted for the least relative error over [0, 1]: t + t * u * p(u), where u = t * t. Their own error is 2.6e-9, so that
# what is left is the rounding of float32.
_COEFFICIENTS = (
    -0.001793622946637095,
    0.010914611387197497,
    -0.03117785655776424,
    0.0579576045332085,
    -0.08403450981851376,
    0.10952186002947131,
    -0.14264241724304635,
    0.19998548288429188,
    -0.33333299089260393,
)


def small_angle(write: Elementwise, t: OperandId) -> OperandId:
    """The arc tangent of a tensor between -1 and 1, with MUL and ADD; nan stays nan."""
    square = write.mul(t, t)
    found = write.scaled(square, _COEFFICIENTS[0])
    for coefficient in _COEFFICIENTS[1:]:
        found = write.mul(write.shifted(found, coefficient), square)
    return write.add(t, write.mul(t, found))
