"""The tail of the normal distribution, of which erf and gelu are composed: NNAPI has no error function."""

from __future__ import annotations

from nnapi_check.lowering.compositions.elementwise import Elementwise
from nnapi_check.lowering.emission.model_draft import OperandId

# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: at most 1.5e-7 from the true value.
_P = 0.3275911
_COEFFICIENTS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def complementary(write: Elementwise, size: OperandId) -> OperandId:
    """1 - erf(size) of a tensor that is nowhere negative, with MUL, ADD, DIV and EXP."""
    t = write.div(write.number(1.0), write.shifted(write.scaled(size, _P), 1.0))
    return write.mul(_polynomial(write, t), write.of("EXP", write.negated(write.mul(size, size))))


def _polynomial(write: Elementwise, t: OperandId) -> OperandId:
    found = write.scaled(t, _COEFFICIENTS[0])
    for coefficient in _COEFFICIENTS[1:]:
        found = write.mul(write.shifted(found, coefficient), t)
    return found
