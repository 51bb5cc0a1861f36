"""Basic recurrent layers against PyTorch's, and SVDF by its definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import F4, Input, compute_all
from tests.lowering.nnapi.interpreter.single_operation import assert_close, random, tensor

Floats = npt.NDArray[np.float32]

BATCHES, INPUTS, UNITS, STEPS = 2, 3, 5, 6
RELU, TANH = 1, 4


def weights(seed: int, inputs: int = INPUTS) -> list[Floats]:
    return [random(UNITS, inputs, seed=seed), random(UNITS, UNITS, seed=seed + 1) * 0.3, random(UNITS, seed=seed + 2)]


def torch_weights(seed: int) -> list[torch.Tensor]:
    x, h, bias = (torch.from_numpy(array) for array in weights(seed))
    return [x, h, bias, torch.zeros_like(bias)]


def given(arrays: list[Floats]) -> list[Input]:
    return [tensor(array) for array in arrays]


@pytest.mark.parametrize(("activation", "cell"), [(RELU, torch.rnn_relu_cell), (TANH, torch.rnn_tanh_cell)])
def test_one_step_is_that_of_pytorch(activation: int, cell: object) -> None:
    x, h = random(BATCHES, INPUTS), random(BATCHES, UNITS, seed=1)

    state, output = compute_all("RNN", tensor(x), *given(weights(10)), tensor(h), activation, outputs=[F4] * 2)

    assert callable(cell)
    wanted = cell(torch.from_numpy(x), torch.from_numpy(h), *torch_weights(10)).numpy()
    assert_close(output, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(state, output)


@pytest.mark.parametrize("is_time_major", [0, 1])
def test_a_sequence_is_that_of_pytorch(is_time_major: int) -> None:
    x, h = random(STEPS, BATCHES, INPUTS), random(BATCHES, UNITS, seed=1)

    given_x = x if is_time_major else x.swapaxes(0, 1)
    output, last = compute_all(
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        *(tensor(given_x), *given(weights(10)), tensor(h), RELU, is_time_major),
        outputs=[F4] * 2,
    )

    wanted, wanted_last = torch.rnn_relu(
        torch.from_numpy(x), torch.from_numpy(h)[None], torch_weights(10), True, 1, 0.0, False, False, False
    )
    assert_close(output if is_time_major else output.swapaxes(0, 1), wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert_close(last, wanted_last[0].numpy(), rtol=1e-5, atol=1e-5)


def bidirectional(
    x: Floats, forward: list[Floats], backward: list[Floats], *aux: Floats, merge: bool, outputs: int
) -> tuple[Array, ...]:
    states = [random(BATCHES, UNITS, seed=seed) for seed in (1, 2)]
    inputs = [tensor(x), *given(forward), tensor(states[0]), *given(backward), tensor(states[1])]
    more = [*given(list(aux)), *[None] * (3 - len(aux))]
    return compute_all("BIDIRECTIONAL_SEQUENCE_RNN", *inputs, *more, TANH, True, merge, outputs=[F4] * outputs)


@pytest.mark.parametrize("merge", [False, True])
def test_both_directions_are_those_of_pytorch(merge: bool) -> None:
    x = random(STEPS, BATCHES, INPUTS)

    found = bidirectional(x, weights(10), weights(20), merge=merge, outputs=3 if merge else 4)

    begin = torch.stack([torch.from_numpy(random(BATCHES, UNITS, seed=seed)) for seed in (1, 2)])
    both = torch_weights(10) + torch_weights(20)
    wanted, last = torch.rnn_tanh(torch.from_numpy(x), begin, both, True, 1, 0.0, False, True, False)
    outputs = found[0] if merge else np.concatenate(found[:2], axis=2)
    assert_close(outputs, wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert_close(np.stack(found[-2:]), last.numpy(), rtol=1e-5, atol=1e-5)


def test_states_may_be_left_out() -> None:
    found = bidirectional(random(STEPS, BATCHES, INPUTS), weights(10), weights(20), merge=False, outputs=2)

    assert [array.shape for array in found] == [(STEPS, BATCHES, UNITS)] * 2


def test_an_auxiliary_input_without_weights_is_what_the_backward_direction_reads() -> None:
    x, aux = random(STEPS, BATCHES, INPUTS), random(STEPS, BATCHES, 4, seed=9)

    ahead, back = bidirectional(x, weights(10), weights(20, inputs=4), aux, merge=False, outputs=2)

    np.testing.assert_array_equal(ahead, bidirectional(x, weights(10), weights(20), merge=False, outputs=2)[0])
    alone = bidirectional(aux, weights(10, inputs=4), weights(20, inputs=4), merge=False, outputs=2)
    np.testing.assert_array_equal(back, alone[1])


def test_auxiliary_weights_act_as_more_columns_of_the_input_weights() -> None:
    x, aux = random(STEPS, BATCHES, INPUTS), random(STEPS, BATCHES, 4, seed=9)
    extra = [random(UNITS, 4, seed=seed) for seed in (30, 31)]

    found = bidirectional(x, weights(10), weights(20), aux, *extra, merge=False, outputs=4)

    wide = [weights(10), weights(20)]
    for each, more in zip(wide, extra, strict=True):
        each[0] = np.concatenate([each[0], more], axis=1)
    wanted = bidirectional(np.concatenate([x, aux], axis=2), wide[0], wide[1], merge=False, outputs=4)
    for one, other in zip(found, wanted, strict=True):
        assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_auxiliary_weights_come_for_both_directions() -> None:
    with pytest.raises(ExecutionError, match="auxiliary weights"):
        bidirectional(
            random(STEPS, BATCHES, INPUTS),
            weights(10),
            weights(20),
            random(STEPS, BATCHES, 4),
            random(UNITS, 4),
            merge=False,
            outputs=2,
        )


@pytest.mark.parametrize("has_bias", [True, False])
def test_svdf_filters_the_last_inputs_in_time(has_bias: bool) -> None:
    rank, memory, filters = 2, 4, 6
    features, times, bias = random(filters, INPUTS), random(filters, memory, seed=1), random(3, seed=2)
    steps = random(memory + 2, BATCHES, INPUTS, seed=3)
    state: Array = np.zeros((BATCHES, filters * memory), np.float32)

    for x in steps:
        state, output = compute_all(
            "SVDF",
            *(tensor(x), tensor(features), tensor(times), tensor(bias) if has_bias else None, tensor(state), rank, 0),
            outputs=[F4] * 2,
        )

    # By now the memory holds the last four inputs of every filter; two filters make one unit.
    wanted = np.zeros((BATCHES, 3), np.float32)
    for unit in range(3):
        for each in (2 * unit, 2 * unit + 1):
            for age in range(memory):
                wanted[:, unit] += times[each, memory - 1 - age] * (steps[-1 - age] @ features[each])
    assert_close(output, wanted + (bias if has_bias else 0), rtol=1e-4, atol=1e-5)


def test_svdf_needs_filters_by_rank() -> None:
    with pytest.raises(ExecutionError, match="6 filters are not a multiple of rank 4"):
        compute_all(
            "SVDF",
            *(tensor(random(1, 3)), tensor(random(6, 3)), tensor(random(6, 2)), None, tensor(random(1, 12)), 4, 0),
            outputs=[F4] * 2,
        )
