"""Long short-term memory layers against PyTorch's cells, and against the equations of the specification."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError, Tensor
from tests.lowering.nnapi.interpreter.operation_outputs import F2, F4, Input, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import assert_close, random, tensor

Floats = npt.NDArray[np.float32]

BATCHES, INPUTS, UNITS, OUTPUTS, STEPS = 2, 3, 5, 4, 6
TANH = 4
GATES = ("input", "forget", "cell", "output")


@dataclass(frozen=True)
class Weights:
    """The weights of one LSTM by gate. Gates and options that it lacks are missing from the mappings."""

    x: dict[str, Floats]
    h: dict[str, Floats]
    bias: dict[str, Floats]
    peephole: dict[str, Floats] = field(default_factory=dict)
    norm: dict[str, Floats] = field(default_factory=dict)
    aux: dict[str, Floats] = field(default_factory=dict)
    projection: Floats | None = None
    projection_bias: Floats | None = None

    def row(self) -> list[Input]:
        """The 17 inputs of weights in NNAPI's order."""
        return [
            *(given(self.x.get(gate)) for gate in GATES),
            *(given(self.h.get(gate)) for gate in GATES),
            *(given(self.peephole.get(gate)) for gate in ("input", "forget", "output")),
            *(given(self.bias.get(gate)) for gate in GATES),
            given(self.projection),
            given(self.projection_bias),
        ]

    def norms(self) -> list[Input]:
        """The four inputs of layer normalization."""
        return [given(self.norm.get(gate)) for gate in GATES]


def given(array: Floats | None) -> Input:
    return None if array is None else tensor(array)


def weights(outputs: int = UNITS, inputs: int = INPUTS, seed: int = 0) -> Weights:
    return Weights(
        x={gate: random(UNITS, inputs, seed=seed + 10 + i) for i, gate in enumerate(GATES)},
        h={gate: random(UNITS, outputs, seed=seed + 20 + i) for i, gate in enumerate(GATES)},
        bias={gate: random(UNITS, seed=seed + 30 + i) for i, gate in enumerate(GATES)},
    )


def without_input_gate(given_weights: Weights) -> Weights:
    def others(mapping: dict[str, Floats]) -> dict[str, Floats]:
        return {gate: array for gate, array in mapping.items() if gate != "input"}

    return replace(
        given_weights,
        x=others(given_weights.x),
        h=others(given_weights.h),
        bias=others(given_weights.bias),
        peephole=others(given_weights.peephole),
        norm=others(given_weights.norm),
        aux=others(given_weights.aux),
    )


def sigma(z: Floats) -> Floats:
    result: Floats = np.reciprocal(1 + np.exp(-z))
    return result


def step(
    w: Weights,
    x: Floats,
    h: Floats,
    c: Floats,
    *,
    cell_clip: float = 0.0,
    projection_clip: float = 0.0,
    aux: Floats | None = None,
) -> tuple[Floats, Floats]:
    """The equations of the specification, written once more and slowly."""

    def total(gate: str, cell: Floats) -> Floats:
        rows = []
        for b in range(len(x)):
            row = w.x[gate] @ x[b] + w.h[gate] @ h[b]
            if gate in w.peephole:
                row = row + w.peephole[gate] * cell[b]
            if gate in w.aux and aux is not None:
                row = row + w.aux[gate] @ aux[b]
            if gate in w.norm:
                row = (row - row.mean()) / row.std() * w.norm[gate]
            rows.append(row + w.bias[gate])
        return np.stack(rows)

    f = sigma(total("forget", c))
    i = sigma(total("input", c)) if "input" in w.x else 1 - f
    new = f * c + i * np.tanh(total("cell", c))
    if cell_clip:
        new = np.clip(new, -cell_clip, cell_clip)
    out = sigma(total("output", new)) * np.tanh(new)
    if w.projection is not None:
        out = out @ w.projection.T + (0 if w.projection_bias is None else w.projection_bias)
        if projection_clip:
            out = np.clip(out, -projection_clip, projection_clip)
    return out, new


def run(
    w: Weights, x: Floats, h: Floats, c: Floats, *, cell_clip: float = 0.0, projection_clip: float = 0.0
) -> tuple[Array, ...]:
    """LSTM, whose layer normalization is given where the weights have one."""
    norms = w.norms() if w.norm else []
    return compute_all(
        "LSTM", tensor(x), *w.row(), tensor(h), tensor(c), TANH, cell_clip, projection_clip, *norms, outputs=[F4] * 4
    )


def torch_weights(w: Weights) -> list[torch.Tensor]:
    """PyTorch's order of gates is input, forget, cell, output, in one matrix, with two biases."""
    x, h, bias = (torch.from_numpy(np.concatenate([part[gate] for gate in GATES])) for part in (w.x, w.h, w.bias))
    return [x, h, bias, torch.zeros_like(bias)]


def test_one_step_is_that_of_pytorch() -> None:
    w, x, h, c = weights(), random(BATCHES, INPUTS), random(BATCHES, UNITS, seed=1), random(BATCHES, UNITS, seed=2)

    scratch, output_state, cell_state, output = run(w, x, h, c)

    wanted_h, wanted_c = torch.lstm_cell(
        torch.from_numpy(x), [torch.from_numpy(h), torch.from_numpy(c)], *torch_weights(w)
    )
    assert_close(output, wanted_h.numpy(), rtol=1e-5, atol=1e-6)
    assert_close(cell_state, wanted_c.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(output_state, output)
    assert scratch.shape == (BATCHES, 4 * UNITS)


def all_options() -> dict[str, Weights]:
    plain = weights(OUTPUTS)
    projected = replace(plain, projection=random(OUTPUTS, UNITS, seed=40), projection_bias=random(OUTPUTS, seed=41))
    peepholes = {gate: random(UNITS, seed=50 + i) for i, gate in enumerate(("input", "forget", "output"))}
    norms = {gate: random(UNITS, seed=60 + i) for i, gate in enumerate(GATES)}
    return {
        "projection": projected,
        "projection without bias": replace(projected, projection_bias=None),
        "peepholes": replace(projected, peephole=peepholes),
        "layer normalization": replace(projected, norm=norms),
        "no input gate": without_input_gate(projected),
        "everything": replace(projected, peephole=peepholes, norm=norms),
        "everything but an input gate": without_input_gate(replace(projected, peephole=peepholes, norm=norms)),
    }


@pytest.mark.parametrize("name", all_options())
@pytest.mark.parametrize(("cell_clip", "projection_clip"), [(0.0, 0.0), (0.4, 0.3)])
def test_one_step_obeys_the_equations_with_every_option(name: str, cell_clip: float, projection_clip: float) -> None:
    w = all_options()[name]
    x, h, c = random(BATCHES, INPUTS), random(BATCHES, OUTPUTS, seed=1), random(BATCHES, UNITS, seed=2)

    scratch, _, cell_state, output = run(w, x, h, c, cell_clip=cell_clip, projection_clip=projection_clip)

    wanted_h, wanted_c = step(w, x, h, c, cell_clip=cell_clip, projection_clip=projection_clip)
    assert_close(output, wanted_h, rtol=1e-4, atol=1e-5)
    assert_close(cell_state, wanted_c, rtol=1e-4, atol=1e-5)
    assert scratch.shape == (BATCHES, (4 if "input" in w.x else 3) * UNITS)


@pytest.mark.parametrize("dropped", [1, 5, 12, 9, 24])
def test_options_are_given_as_a_whole_or_not_at_all(dropped: int) -> None:
    w = all_options()["everything"]
    x, h, c = random(BATCHES, INPUTS), random(BATCHES, OUTPUTS), random(BATCHES, UNITS)
    inputs: list[Input] = [tensor(x), *w.row(), tensor(h), tensor(c), TANH, 0.0, 0.0, *w.norms()]
    inputs[dropped] = None

    with pytest.raises(ExecutionError, match="wanted all or none"):
        compute_all("LSTM", *inputs, outputs=[F4] * 4)


def test_weights_of_another_shape_are_an_error() -> None:
    w = weights()
    w.bias["forget"] = random(1)

    with pytest.raises(ExecutionError, match=r"input 13 has shape \(1,\), wanted \(5,\)"):
        run(w, random(BATCHES, INPUTS), random(BATCHES, UNITS), random(BATCHES, UNITS))


@pytest.mark.parametrize("is_time_major", [False, True])
def test_a_sequence_is_that_of_pytorch(is_time_major: bool) -> None:
    w = weights()
    x, h, c = random(STEPS, BATCHES, INPUTS), random(BATCHES, UNITS, seed=1), random(BATCHES, UNITS, seed=2)

    given_x = x if is_time_major else x.swapaxes(0, 1)
    output, last_h, last_c = compute_all(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        *(tensor(given_x), *w.row(), tensor(h), tensor(c), TANH, 0.0, 0.0, is_time_major, None, None, None, None),
        outputs=[F4] * 3,
    )

    state = (torch.from_numpy(h)[None], torch.from_numpy(c)[None])
    wanted, wanted_h, wanted_c = torch.lstm(
        torch.from_numpy(x), state, torch_weights(w), True, 1, 0.0, False, False, False
    )
    assert_close(output if is_time_major else output.swapaxes(0, 1), wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert_close(last_h, wanted_h[0].numpy(), rtol=1e-5, atol=1e-5)
    assert_close(last_c, wanted_c[0].numpy(), rtol=1e-5, atol=1e-5)


def test_a_sequence_in_float16_is_that_in_float32_within_its_precision() -> None:
    zeros = np.zeros((BATCHES, UNITS), np.float32)
    tensors = [tensor(random(BATCHES, STEPS, INPUTS)), *weights().row(), tensor(zeros), tensor(zeros)]
    halves = [typed(F2, each.array) if isinstance(each, Tensor) else None for each in tensors]
    rest: list[Input] = [False, None, None, None, None]
    no_clip = typed(OperandType.FLOAT16, 0.0)

    (output,) = compute_all("UNIDIRECTIONAL_SEQUENCE_LSTM", *halves, TANH, no_clip, no_clip, *rest, outputs=[F2])

    (wanted,) = compute_all("UNIDIRECTIONAL_SEQUENCE_LSTM", *tensors, TANH, 0.0, 0.0, *rest, outputs=[F4])
    assert output.dtype == np.float16
    assert_close(output, wanted, rtol=4e-3, atol=4e-3)


def bidirectional(
    forward: Weights,
    backward: Weights,
    x: Floats,
    states: list[Floats],
    *,
    aux: Floats | None = None,
    merge: bool = False,
    outputs: int = 6,
) -> tuple[Array, ...]:
    aux_row: list[Input] = [given(each.aux.get(gate)) for each in (forward, backward) for gate in GATES]
    inputs: list[Input] = [tensor(x), *forward.row(), *backward.row(), *(tensor(state) for state in states)]
    inputs += [given(aux), *aux_row, TANH, 0.0, 0.0, merge, True, *[None] * 8]
    return compute_all("BIDIRECTIONAL_SEQUENCE_LSTM", *inputs, outputs=[F4] * outputs)


def states() -> list[Floats]:
    return [random(BATCHES, UNITS, seed=seed) for seed in range(1, 5)]


def test_both_directions_are_those_of_pytorch() -> None:
    forward, backward, x = weights(), weights(seed=100), random(STEPS, BATCHES, INPUTS)

    ahead, back, *last = bidirectional(forward, backward, x, states())

    first = [torch.from_numpy(state) for state in states()]
    begin = (torch.stack([first[0], first[2]]), torch.stack([first[1], first[3]]))
    both = torch_weights(forward) + torch_weights(backward)
    wanted, wanted_h, wanted_c = torch.lstm(torch.from_numpy(x), begin, both, True, 1, 0.0, False, True, False)
    assert_close(np.concatenate([ahead, back], axis=2), wanted.numpy(), rtol=1e-5, atol=1e-5)
    for found, expected in zip(last, (wanted_h[0], wanted_c[0], wanted_h[1], wanted_c[1]), strict=True):
        assert_close(found, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_merged_outputs_stand_before_the_states() -> None:
    forward, backward, x = weights(), weights(seed=100), random(STEPS, BATCHES, INPUTS)

    ahead, back, *last = bidirectional(forward, backward, x, states())
    merged, *merged_last = bidirectional(forward, backward, x, states(), merge=True, outputs=5)

    np.testing.assert_array_equal(merged, np.concatenate([ahead, back], axis=2))
    for found, expected in zip(merged_last, last, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_auxiliary_input_without_weights_is_what_the_backward_direction_reads() -> None:
    forward, backward = weights(), weights(inputs=4, seed=100)
    x, aux = random(STEPS, BATCHES, INPUTS), random(STEPS, BATCHES, 4, seed=9)

    ahead, back = bidirectional(forward, backward, x, states(), aux=aux, outputs=2)

    wanted_ahead = bidirectional(forward, weights(seed=100), x, states(), outputs=2)[0]
    wanted_back = bidirectional(weights(inputs=4), backward, aux, states(), outputs=2)[1]
    np.testing.assert_array_equal(ahead, wanted_ahead)
    np.testing.assert_array_equal(back, wanted_back)


def test_an_auxiliary_input_with_weights_enters_every_gate_of_both_directions() -> None:
    def with_aux(w: Weights, seed: int) -> Weights:
        return replace(w, aux={gate: random(UNITS, 4, seed=seed + i) for i, gate in enumerate(GATES)})

    forward, backward = with_aux(weights(), 70), with_aux(weights(seed=100), 80)
    x, aux = random(STEPS, BATCHES, INPUTS), random(STEPS, BATCHES, 4, seed=9)

    ahead, back, *_ = bidirectional(forward, backward, x, states(), aux=aux)

    h, c = states()[:2]
    for time in range(STEPS):
        h, c = step(forward, x[time], h, c, aux=aux[time])
        assert_close(ahead[time], h, rtol=1e-4, atol=1e-5)
    h, c = states()[2:]
    for time in reversed(range(STEPS)):
        h, c = step(backward, x[time], h, c, aux=aux[time])
        assert_close(back[time], h, rtol=1e-4, atol=1e-5)


def test_auxiliary_weights_need_an_auxiliary_input() -> None:
    forward = replace(weights(), aux={gate: random(UNITS, 4) for gate in GATES})
    backward = replace(weights(), aux={gate: random(UNITS, 4) for gate in GATES})

    with pytest.raises(ExecutionError, match="auxiliary weights"):
        bidirectional(forward, backward, random(STEPS, BATCHES, INPUTS), states())
