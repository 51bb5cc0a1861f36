from pathlib import Path

import numpy as np
import pytest

from benchmarks.planted import Plant, Result, spoiled, try_model


@pytest.mark.parametrize("plant", Plant)
@pytest.mark.parametrize("dtype", ["f4", "i4", "u1"])
def test_planted_fault_changes_numbers_and_neither_shape_nor_type(plant: Plant, dtype: str) -> None:
    array = np.arange(1, 13).reshape(2, 3, 2).astype(dtype)

    made = spoiled(array, plant)

    assert (made.shape, made.dtype) == (array.shape, array.dtype)
    assert not np.array_equal(made, array)


def test_truth_values_and_single_channels_are_spoiled_where_they_can_be() -> None:
    truth = np.array([True, False])

    assert spoiled(truth, Plant.GREATER).tolist() == [False, True]
    assert spoiled(np.zeros((2, 1)), Plant.SWAPPED).tolist() == [[0.0], [0.0]]


def test_faults_planted_into_a_small_model_are_found(tmp_path: Path) -> None:
    found = list(try_model("mlp", 1, 0, 3, tmp_path))

    assert [fault.plant for fault, _ in found] == list(Plant)
    assert {result for _, result in found} <= {Result.BY_OUTPUTS, Result.BY_LAYERS}
