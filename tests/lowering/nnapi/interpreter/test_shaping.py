"""Shape and order of dimensions, and joining tensors, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from nnapi_check.lowering.nnapi.model import QuantParams
from tests.lowering.nnapi.interpreter.operation_outputs import F4, I4, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import compute, random, random_integers, tensor


def ints(*values: int) -> Array:
    return np.asarray(values, np.int32)


@pytest.mark.parametrize(
    ("shape", "wanted"), [((4, 6), (4, 6)), ((-1,), (24,)), ((3, -1, 2), (3, 4, 2)), ((1, 24, -1), (1, 24, 1))]
)
def test_reshape_computes_the_dimension_written_as_minus_one(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    x = random(2, 3, 4)

    y = compute("RESHAPE", tensor(x), tensor(ints(*shape)))

    np.testing.assert_array_equal(y, x.reshape(wanted))


@pytest.mark.parametrize("shape", [(5, -1), (4, 5), (-1, -1), (-2, 12), (0, -1)])
def test_reshape_fails_where_elements_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ExecutionError, match="RESHAPE"):
        compute("RESHAPE", tensor(random(2, 3, 4)), tensor(ints(*shape)))


def test_reshape_keeps_a_batch_of_none() -> None:
    y = compute("RESHAPE", tensor(random(0, 3)), tensor(ints(-1, 3, 1)))

    assert y.shape == (0, 3, 1)


@pytest.mark.parametrize(
    ("axes", "wanted"), [((1,), (2, 3, 1)), ((-1, 1), (2, 3)), ((1, 1), (2, 3, 1)), (None, (2, 3))]
)
def test_squeeze_drops_named_dimensions_or_all_of_size_one(
    axes: tuple[int, ...] | None, wanted: tuple[int, ...]
) -> None:
    x = random(2, 1, 3, 1)

    (y,) = compute_all("SQUEEZE", tensor(x), None if axes is None else tensor(ints(*axes)), outputs=[F4])

    np.testing.assert_array_equal(y, x.reshape(wanted))


def test_squeeze_leaves_one_dimension() -> None:
    (y,) = compute_all("SQUEEZE", tensor(random(1, 1)), None, outputs=[F4])

    assert y.shape == (1,)


def test_squeeze_fails_on_a_dimension_of_another_size() -> None:
    with pytest.raises(ExecutionError, match="dimension 0 of"):
        compute("SQUEEZE", tensor(random(2, 1)), tensor(ints(0)))


@pytest.mark.parametrize(("axis", "wanted"), [(0, (1, 2, 3)), (1, (2, 1, 3)), (-1, (2, 3, 1)), (-3, (1, 2, 3))])
def test_expand_dims_counts_the_axis_in_the_output(axis: int, wanted: tuple[int, ...]) -> None:
    assert compute("EXPAND_DIMS", tensor(random(2, 3)), axis).shape == wanted


@pytest.mark.parametrize("permutation", [(0, 3, 1, 2), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_transpose_permutes_as_pytorch_does(permutation: tuple[int, ...]) -> None:
    x = random_integers(0, 255, 2, 3, 4, 5)

    y = compute("TRANSPOSE", tensor(x, 0.5, 7), tensor(ints(*permutation)))

    np.testing.assert_array_equal(y, torch.from_numpy(x).permute(permutation).numpy())


def test_transpose_without_a_permutation_transposes_a_matrix_only() -> None:
    x = random(2, 3)

    (y,) = compute_all("TRANSPOSE", tensor(x), None, outputs=[F4])

    np.testing.assert_array_equal(y, x.T)
    with pytest.raises(ExecutionError, match="rank is 3 without a permutation"):
        compute_all("TRANSPOSE", tensor(random(2, 3, 4)), None, outputs=[F4])


@pytest.mark.parametrize("permutation", [(0, 0, 1), (0, 1), (0, 1, 3)])
def test_transpose_fails_on_what_is_no_permutation(permutation: tuple[int, ...]) -> None:
    with pytest.raises(ExecutionError, match="does not permute"):
        compute("TRANSPOSE", tensor(random(2, 3, 4)), tensor(ints(*permutation)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenation_joins_as_pytorch_does(axis: int) -> None:
    shapes = [[2, 3, 4], [2, 3, 4]]
    shapes[1][axis] = 6
    a, b = (random(*shape, seed=seed) for seed, shape in enumerate(shapes))

    y = compute("CONCATENATION", tensor(a), tensor(b), axis)

    np.testing.assert_array_equal(y, torch.cat([torch.from_numpy(a), torch.from_numpy(b)], axis).numpy())


def test_concatenation_brings_quantized_inputs_to_the_scale_of_the_output() -> None:
    a = np.asarray([0, 3, 100, 255], np.uint8)
    b = np.asarray([10, 12, 255], np.uint8)

    y = compute("CONCATENATION", tensor(a, 0.5, 3), tensor(b, 0.1, 12), 0, quant=QuantParams(0.2, 20))

    # Real numbers are -1.5, 0, 48.5, 126 and -0.2, 0, 24.3; the output holds up to 47.
    assert y.tolist() == [12, 20, 255, 255, 19, 20, 142]


def test_concatenation_rounds_halves_away_from_zero() -> None:
    a = np.asarray([1, 3, 5, 7], np.int8)

    y = compute("CONCATENATION", tensor(a, 0.5, 4), 0, quant=QuantParams(1.0, 0))

    # Real numbers are -1.5, -0.5, 0.5, 1.5.
    assert y.tolist() == [-2, -1, 1, 2]


@pytest.mark.parametrize("axis", [-1, 2])
def test_concatenation_takes_no_axis_from_the_back(axis: int) -> None:
    with pytest.raises(ExecutionError, match=f"axis is {axis}"):
        compute("CONCATENATION", tensor(random(2, 3)), tensor(random(2, 3)), axis)


def test_concatenation_fails_on_other_shapes_and_on_rank_five() -> None:
    with pytest.raises(ExecutionError, match="differ in more than dimension 1"):
        compute("CONCATENATION", tensor(random(2, 3)), tensor(random(4, 3)), 1)
    with pytest.raises(ExecutionError, match="rank 5"):
        compute("CONCATENATION", tensor(random(1, 2, 1, 1, 1)), tensor(random(1, 2, 1, 1, 1)), 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pack_stacks_as_pytorch_does(axis: int) -> None:
    parts = [random(2, 3, seed=seed) for seed in range(4)]

    (y,) = compute_all("PACK", axis, *(tensor(part) for part in parts), outputs=[F4])

    np.testing.assert_array_equal(y, torch.stack([torch.from_numpy(part) for part in parts], axis).numpy())


def test_tile_repeats_as_pytorch_does() -> None:
    x = random_integers(-9, 9, 2, 3, 1, dtype="i4")

    y = compute("TILE", tensor(x), tensor(ints(3, 1, 2)))

    np.testing.assert_array_equal(y, torch.from_numpy(x).repeat(3, 1, 2).numpy())


@pytest.mark.parametrize("value", [7, 2.5])
def test_fill_makes_a_tensor_of_one_value(value: float) -> None:
    kind = I4 if isinstance(value, int) else F4

    y = compute("FILL", tensor(ints(2, 3)), value, output=kind)

    np.testing.assert_array_equal(y, np.full((2, 3), value))


def test_rank_is_a_scalar() -> None:
    (y,) = compute_all("RANK", tensor(random(2, 3, 4)), outputs=[OperandType.INT32])

    assert (y.shape, y.item()) == ((), 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reverse_flips_one_dimension(axis: int) -> None:
    x = random(2, 3, 4)

    y = compute("REVERSE", tensor(x), tensor(ints(axis)))

    np.testing.assert_array_equal(y, torch.from_numpy(x).flip(axis).numpy())


def test_moves_keep_every_type_of_element() -> None:
    x = typed(OperandType.TENSOR_QUANT8_ASYMM_SIGNED, [[-128, 0, 127]], 0.5, -3)

    y = compute("TRANSPOSE", x, tensor(ints(1, 0)))

    assert y.dtype == np.int8
    assert y.tolist() == [[-128], [0], [127]]


def test_concatenation_fails_by_name_where_another_dimension_differs() -> None:
    with pytest.raises(ExecutionError, match="differ in more than dimension 0"):
        compute("CONCATENATION", tensor(random(2, 3, 4)), tensor(random(2, 5, 4)), 0)
