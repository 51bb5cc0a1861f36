"""Chains of elementwise operations, for rules that compose a function of several."""

from __future__ import annotations

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.emission.emitter import Emitter
from nnapi_check.lowering.emission.model_draft import OperandId
from nnapi_check.lowering.emission.recipes import full
from nnapi_check.lowering.emission.tensor_spec import TensorSpec


class Elementwise:
    """Writes elementwise operations whose results all have the shape and element type of ``spec``.

    Numbers are stored with the element type of ``like``; without a spec, results are like the node's output.
    """

    def __init__(self, emit: Emitter, like: OperandId, spec: TensorSpec | None = None) -> None:
        self._emit = emit
        self._like = like
        self._spec = spec if spec is not None else emit.output_spec()

    def number(self, value: float) -> OperandId:
        """A constant tensor of one element."""
        return self._emit.number(value, self._like)

    def of(self, kind: str, *inputs: OperandId) -> OperandId:
        """The result of an operation that takes tensors only, such as RELU or EXP."""
        return self._emit.operation(kind, inputs, self._spec)

    def add(self, left: OperandId, right: OperandId) -> OperandId:
        """The sum."""
        return self.fusible("ADD", left, right)

    def sub(self, left: OperandId, right: OperandId) -> OperandId:
        """The difference."""
        return self.fusible("SUB", left, right)

    def mul(self, left: OperandId, right: OperandId) -> OperandId:
        """The product."""
        return self.fusible("MUL", left, right)

    def div(self, left: OperandId, right: OperandId) -> OperandId:
        """The quotient."""
        return self.fusible("DIV", left, right)

    def shifted(self, operand: OperandId, term: float) -> OperandId:
        """The sum with a number."""
        return self.add(operand, self.number(term))

    def scaled(self, operand: OperandId, factor: float) -> OperandId:
        """The product with a number."""
        return self.mul(operand, self.number(factor))

    def negated(self, operand: OperandId) -> OperandId:
        """The product with -1, which unlike NEG exists from feature level 1."""
        return self.scaled(operand, -1.0)

    def fusible(self, kind: str, left: OperandId, right: OperandId) -> OperandId:
        """The result of an operation of two tensors that could hold a fused activation, without one."""
        return self._emit.operation(kind, [left, right, self._emit.fuse()], self._spec)


def truncated(write: Elementwise, x: OperandId) -> OperandId:
    """Rounded towards zero: FLOOR(RELU(x)) - FLOOR(RELU(-x))."""
    above = write.of("FLOOR", write.of("RELU", x))
    below = write.of("FLOOR", write.of("RELU", write.negated(x)))
    return write.add(above, write.negated(below))


def log_of_one_plus(write: Elementwise, x: OperandId) -> OperandId:
    """LOG(1 + x) between 0 and 1, with what the sum rounds off: a small x keeps all of its digits."""
    above = write.shifted(x, 1.0)
    lost = write.add(write.shifted(above, -1.0), write.negated(x))
    return write.add(write.of("LOG", above), write.negated(write.div(lost, above)))


def full_like(emit: Emitter, number: float) -> OperandId:
    """A constant with every element equal to ``number``, like the node's output, where nothing broadcasts."""
    return emit.weight(full(emit.output_spec().shape, number, emit.node.output_type().dtype))


def truth_spec(spec: TensorSpec) -> TensorSpec:
    """A tensor of truth values in another one's shape."""
    return TensorSpec(OperandType.TENSOR_BOOL8, spec.shape)


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
