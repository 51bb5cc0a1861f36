"""Quantized long short-term memory layers against the same layers in real numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.fixed_point import logistic, tanh
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import I1, I4, U1, Input, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import random_integers

Reals = npt.NDArray[np.float64]

I2 = OperandType.TENSOR_QUANT16_SYMM
W1 = OperandType.TENSOR_QUANT8_SYMM

BATCHES, INPUTS, UNITS, OUTPUTS = 2, 3, 5, 4
GATES = ("input", "forget", "cell", "output")


def reals(array: Array) -> Reals:
    return array.astype(np.float64)


def sigma(z: Reals) -> Reals:
    result: Reals = 1 / (1 + np.exp(-z))
    return result


def sixteen_bit_inputs(weight_scale: float = 0.01) -> dict[str, list[Array]]:
    return {
        "x": [random_integers(0, 256, BATCHES, INPUTS)],
        "weights": [random_integers(0, 256, UNITS, INPUTS, seed=i) for i in range(4)],
        "recurrent": [random_integers(0, 256, UNITS, UNITS, seed=10 + i) for i in range(4)],
        "bias": [random_integers(-9000, 9000, UNITS, dtype="i4", seed=20 + i) for i in range(4)],
        "state": [random_integers(-4000, 4000, BATCHES, UNITS, dtype="i2", seed=30)],
        "output": [random_integers(0, 256, BATCHES, UNITS, seed=31)],
    }


def run_sixteen_bit(arrays: dict[str, list[Array]], *, scale: float = 0.01, zero_point: int = 110) -> tuple[Array, ...]:
    weights = [typed(U1, array, scale, zero_point) for name in ("weights", "recurrent") for array in arrays[name]]
    biases = [typed(I4, array, scale / 128) for array in arrays["bias"]]
    return compute_all(
        "QUANTIZED_16BIT_LSTM",
        *(typed(U1, arrays["x"][0], 1 / 128, 128), *weights, *biases),
        typed(I2, arrays["state"][0], 2.0**-11),
        typed(U1, arrays["output"][0], 1 / 128, 128),
        outputs=[(I2, 2.0**-11, 0), (U1, 1 / 128, 128)],
    )


def test_sixteen_bit_step_is_that_in_real_numbers_within_its_precision() -> None:
    arrays = sixteen_bit_inputs()

    cell_state, output = run_sixteen_bit(arrays)

    x, h = ((reals(arrays[name][0]) - 128) / 128 for name in ("x", "output"))
    c = reals(arrays["state"][0]) / 2**11
    gates = []
    for weights, recurrent, bias in zip(arrays["weights"], arrays["recurrent"], arrays["bias"], strict=True):
        matrix = (np.concatenate([recurrent, weights], axis=1).astype(float) - 110) * 0.01
        gates.append(np.concatenate([x, h], axis=1) @ matrix.T + reals(bias) * 0.01 / 128)
    new = sigma(gates[1]) * c + sigma(gates[0]) * np.tanh(gates[2])
    np.testing.assert_allclose(reals(cell_state) / 2**11, new, atol=3e-3)
    np.testing.assert_allclose((reals(output) - 128) / 128, sigma(gates[3]) * np.tanh(new), atol=1.2 / 128)


def test_sixteen_bit_state_saturates() -> None:
    arrays = sixteen_bit_inputs()
    arrays["state"] = [np.full((BATCHES, UNITS), 2**15 - 1, np.int16)]
    # The forget gate and the input gate are open, and the candidate is 1.
    arrays["bias"] = [np.full(UNITS, 10**7, np.int32)] * 4

    cell_state, _ = run_sixteen_bit(arrays)

    assert (cell_state == 2**15 - 1).all()


@pytest.mark.parametrize(
    ("index", "scale", "message"), [(0, 0.01, "1/128"), (13, 2.0**-10, "cell state"), (3, 0.02, "weights 3")]
)
def test_sixteen_bit_scales_are_fixed(index: int, scale: float, message: str) -> None:
    arrays = sixteen_bit_inputs()
    inputs: list[Input] = [typed(U1, arrays["x"][0], 1 / 128, 128)]
    inputs += [typed(U1, array, 0.01, 110) for name in ("weights", "recurrent") for array in arrays[name]]
    inputs += [typed(I4, array, 0.01 / 128) for array in arrays["bias"]]
    inputs += [typed(I2, arrays["state"][0], 2.0**-11), typed(U1, arrays["output"][0], 1 / 128, 128)]
    kept = inputs[index]
    assert not isinstance(kept, bool | int | float | None)
    inputs[index] = typed(kept.type, kept.array, scale, kept.quant.zero_point)  # type: ignore[union-attr]

    with pytest.raises(ExecutionError, match=message):
        compute_all("QUANTIZED_16BIT_LSTM", *inputs, outputs=[(I2, 2.0**-11, 0), (U1, 1 / 128, 128)])


class EightBit:
    """The stored inputs of QUANTIZED_LSTM with all its options, and the step they stand for in real numbers."""

    x_scale, h_scale, hidden_scale = 0.02, 0.015, 0.008
    weight_scale, recurrent_scale, peephole_scale, norm_scale, projection_scale = 0.01, 0.012, 2.0**-14, 2.0**-13, 0.005
    x_zero, h_zero, hidden_zero = 3, -5, 7
    state_bits = 12

    def __init__(self, *, has_input_gate: bool, has_norm: bool, has_peepholes: bool, has_projection: bool) -> None:
        self.gates = GATES if has_input_gate else GATES[1:]
        self.has_norm, self.has_peepholes, self.has_projection = has_norm, has_peepholes, has_projection
        self.outputs = OUTPUTS if has_projection else UNITS
        self.gate_scale = 2.0**-9 if has_norm else 2.0**-12
        self.x = random_integers(-128, 128, BATCHES, INPUTS, dtype="i1")
        self.h = random_integers(-128, 128, BATCHES, self.outputs, dtype="i1", seed=1)
        self.c = random_integers(-8000, 8000, BATCHES, UNITS, dtype="i2", seed=2)
        self.w = {g: random_integers(-127, 128, UNITS, INPUTS, dtype="i1", seed=10 + i) for i, g in enumerate(GATES)}
        self.r = {
            g: random_integers(-127, 128, UNITS, self.outputs, dtype="i1", seed=20 + i) for i, g in enumerate(GATES)
        }
        self.p = {g: random_integers(-9000, 9000, UNITS, dtype="i2", seed=30 + i) for i, g in enumerate(GATES)}
        self.n = {g: random_integers(3000, 9000, UNITS, dtype="i2", seed=40 + i) for i, g in enumerate(GATES)}
        self.b = {g: random_integers(-2500, 2500, UNITS, dtype="i4", seed=50 + i) for i, g in enumerate(GATES)}
        if has_norm:
            self.b = {gate: bias * 1000 for gate, bias in self.b.items()}
        self.projection = random_integers(-127, 128, OUTPUTS, UNITS, dtype="i1", seed=60)
        self.projection_bias = random_integers(-3000, 3000, OUTPUTS, dtype="i4", seed=61)

    def inputs(self, cell_clip: float = 0.0, projection_clip: float = 0.0) -> list[Input]:
        def row(
            kind: OperandType, arrays: dict[str, Array], scale: float, gates: tuple[str, ...] = GATES
        ) -> list[Input]:
            return [typed(kind, arrays[gate], scale) if gate in self.gates else None for gate in gates]

        peephole_gates = ("input", "forget", "output")
        none3: list[Input] = [None] * 3
        none4: list[Input] = [None] * 4
        return [
            typed(I1, self.x, self.x_scale, self.x_zero),
            *row(W1, self.w, self.weight_scale),
            *row(W1, self.r, self.recurrent_scale),
            *(row(I2, self.p, self.peephole_scale, peephole_gates) if self.has_peepholes else none3),
            *row(I4, self.b, 0.0),
            typed(W1, self.projection, self.projection_scale) if self.has_projection else None,
            typed(I4, self.projection_bias) if self.has_projection else None,
            typed(I1, self.h, self.h_scale, self.h_zero),
            typed(I2, self.c, 2.0**-self.state_bits),
            *(row(I2, self.n, self.norm_scale) if self.has_norm else none4),
            cell_clip,
            projection_clip,
            *[self.gate_scale] * 4,
            self.hidden_zero,
            self.hidden_scale,
        ]

    def run(self, cell_clip: float = 0.0, projection_clip: float = 0.0) -> tuple[Array, ...]:
        quant = (self.h_scale, self.h_zero) if self.has_projection else (self.hidden_scale, self.hidden_zero)
        outputs = [(I1, *quant), (I2, 2.0**-self.state_bits, 0), (I1, *quant)]
        return compute_all("QUANTIZED_LSTM", *self.inputs(cell_clip, projection_clip), outputs=outputs)

    def wanted(self, cell_clip: float = 0.0, projection_clip: float = 0.0) -> tuple[Reals, Reals]:
        """Output and cell state in real numbers."""
        x = (reals(self.x) - self.x_zero) * self.x_scale
        h = (reals(self.h) - self.h_zero) * self.h_scale
        c = reals(self.c) * 2.0**-self.state_bits

        def gate(name: str, cell: Reals) -> Reals:
            z = x @ (reals(self.w[name]) * self.weight_scale).T + h @ (reals(self.r[name]) * self.recurrent_scale).T
            if self.has_peepholes and name != "cell":
                z = z + reals(self.p[name]) * self.peephole_scale * cell
            if not self.has_norm:
                return z + reals(self.b[name]) * self.weight_scale * self.x_scale
            z = (z - z.mean(1, keepdims=True)) / z.std(1, keepdims=True)
            scaled: Reals = z * reals(self.n[name]) * self.norm_scale + reals(self.b[name]) * self.norm_scale / 1024
            return scaled

        f = sigma(gate("forget", c))
        i = sigma(gate("input", c)) if "input" in self.gates else 1 - f
        new = f * c + i * np.tanh(gate("cell", c))
        if cell_clip:
            new = np.clip(new, -cell_clip, cell_clip)
        out = sigma(gate("output", new)) * np.tanh(new)
        if self.has_projection:
            bias = reals(self.projection_bias) * self.projection_scale * self.hidden_scale
            out = out @ (reals(self.projection) * self.projection_scale).T + bias
            if projection_clip:
                out = np.clip(out, -projection_clip, projection_clip)
        return out, new


@pytest.mark.parametrize("has_input_gate", [True, False])
@pytest.mark.parametrize("has_norm", [True, False])
@pytest.mark.parametrize("has_peepholes", [True, False])
@pytest.mark.parametrize("has_projection", [True, False])
def test_eight_bit_step_is_that_in_real_numbers_within_its_precision(
    has_input_gate: bool, has_norm: bool, has_peepholes: bool, has_projection: bool
) -> None:
    layer = EightBit(
        has_input_gate=has_input_gate, has_norm=has_norm, has_peepholes=has_peepholes, has_projection=has_projection
    )

    output_state, cell_state, output = layer.run()

    wanted, wanted_state = layer.wanted()
    np.testing.assert_allclose(reals(cell_state) * 2.0**-layer.state_bits, wanted_state, atol=4e-3)
    scale, zero = (layer.h_scale, layer.h_zero) if has_projection else (layer.hidden_scale, layer.hidden_zero)
    limits = (np.asarray([-128, 127]) - zero) * scale
    np.testing.assert_allclose((reals(output) - zero) * scale, np.clip(wanted, *limits), atol=1.5 * scale)
    np.testing.assert_array_equal(output_state, output)


def test_eight_bit_clips_the_state_and_the_projection() -> None:
    layer = EightBit(has_input_gate=True, has_norm=False, has_peepholes=False, has_projection=True)

    _, cell_state, output = layer.run(cell_clip=0.5, projection_clip=0.2)

    wanted, wanted_state = layer.wanted(cell_clip=0.5, projection_clip=0.2)
    assert np.abs(reals(cell_state)).max() == 0.5 * 2**layer.state_bits
    np.testing.assert_allclose(reals(cell_state) * 2.0**-layer.state_bits, wanted_state, atol=4e-3)
    np.testing.assert_allclose((reals(output) - layer.h_zero) * layer.h_scale, wanted, atol=1.5 * layer.h_scale)


def test_a_clip_beyond_16_bits_leaves_a_state_as_far_below_zero_as_above() -> None:
    layer = EightBit(has_input_gate=True, has_norm=False, has_peepholes=False, has_projection=True)
    layer.c = np.full_like(layer.c, -(2**15))
    # The forget gate and the input gate are open, and the candidate is -1.
    layer.b |= {gate: np.full(UNITS, 10**6, np.int32) for gate in ("input", "forget")}
    layer.b["cell"] = np.full(UNITS, -(10**6), np.int32)

    _, free, _ = layer.run()
    _, clipped, _ = layer.run(cell_clip=100.0)

    assert (free == -(2**15)).all()
    assert (clipped == 1 - 2**15).all()


@pytest.mark.parametrize(
    ("sums", "variance"),
    [((1, -1, 0, 0, 0), 1), ((2, -1, 0, -1, 0), 1), ((3, -1, -1, -1, 0), 2), ((4, -4, 0, 0, 0), 6)],
)
def test_eight_bit_normalization_drops_the_variance_s_fraction_and_is_at_least_1(
    sums: tuple[int, ...], variance: int
) -> None:
    layer = EightBit(has_input_gate=False, has_norm=True, has_peepholes=False, has_projection=False)
    layer.gate_scale = layer.weight_scale * layer.x_scale
    layer.x = np.full_like(layer.x, layer.x_zero)
    layer.x[:, 0] = layer.x_zero + 1
    layer.h = np.full_like(layer.h, layer.h_zero)
    layer.w = {gate: np.zeros_like(array) for gate, array in layer.w.items()}
    layer.w["forget"][:, 0] = sums
    layer.n = {gate: np.full(UNITS, 2**13, np.int16) for gate in GATES}
    layer.b = {gate: np.zeros(UNITS, np.int32) for gate in GATES}

    _, cell_state, _ = layer.run()

    # The candidate is 0, so that only the forget gate shows.
    wanted = sigma(np.asarray(sums) / np.sqrt(variance)) * reals(layer.c)
    np.testing.assert_allclose(reals(cell_state), wanted, atol=6)


@pytest.mark.parametrize("integer_bits", [0, 3, 4, 6])
def test_fixed_point_functions_are_within_some_units_of_the_last_place(integer_bits: int) -> None:
    stored = np.arange(-(2**15), 2**15)

    found_tanh, found_logistic = tanh(stored, integer_bits), logistic(stored, integer_bits)

    real = stored / 2.0 ** (15 - integer_bits)
    assert np.abs(found_tanh - np.tanh(real) * 2**15).max() < 12
    assert np.abs(found_logistic - sigma(real) * 2**15).max() < 7
    np.testing.assert_array_equal(found_tanh[1:], -found_tanh[:0:-1])
    assert (found_logistic >= 0).all()
    assert found_logistic[2**15] == 2**14
