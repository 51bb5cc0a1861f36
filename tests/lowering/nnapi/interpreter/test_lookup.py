"""Lookups by index, by key and by hash."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnapi_check.lowering.nnapi.interpreter.farmhash import fingerprint64
from nnapi_check.lowering.nnapi.interpreter.kernels import Array, ExecutionError
from tests.lowering.nnapi.interpreter.operation_outputs import F4, I4, U1, compute_all, typed
from tests.lowering.nnapi.interpreter.single_operation import random, random_integers, tensor

FINGERPRINTS = {
    0: 11160318154034397263,
    1: 4787810249829893994,
    3: 3979540680440595841,
    4: 14708324829907283305,
    7: 10810953559526984053,
    8: 9029840561075318013,
    16: 15579719139305551062,
    17: 6692022265393568454,
    24: 12041956627441848363,
    32: 11543571239247179175,
    33: 9480451918888261270,
    50: 10887053566664242400,
    64: 4226431515964725,
    65: 18101669290602532278,
    100: 669828348884226933,
    128: 3742283891066476345,
    129: 14054188206783653085,
    192: 16318747815340858659,
    300: 8075393831970212021,
}
"""Of the first bytes of ``37 * i + 11 modulo 256``, from Google's own C++ (pyfarmhash 0.5.1)."""


def ints(*values: int) -> Array:
    return np.asarray(values, np.int32)


def test_embedding_lookup_picks_rows_as_pytorch_does() -> None:
    table = random(5, 2, 3)

    (rows,) = compute_all("EMBEDDING_LOOKUP", tensor(ints(4, 0, 4)), tensor(table), outputs=[F4])

    np.testing.assert_array_equal(rows, torch.from_numpy(table)[[4, 0, 4]].numpy())


@pytest.mark.parametrize("index", [-1, 5])
def test_embedding_lookup_fails_out_of_bounds(index: int) -> None:
    with pytest.raises(ExecutionError, match="wanted 0 to 4"):
        compute_all("EMBEDDING_LOOKUP", tensor(ints(index)), tensor(random(5, 2)), outputs=[F4])


def test_hashtable_lookup_gives_zeros_and_no_hit_for_unknown_keys() -> None:
    table = random_integers(1, 255, 3, 2)

    rows, hits = compute_all(
        "HASHTABLE_LOOKUP",
        *(tensor(ints(1234, -292, -11, 0, 9999)), tensor(ints(-11, 0, 1234)), tensor(table, 0.5, 4)),
        outputs=[(U1, 0.5, 4), (U1, 1.0, 0)],
    )

    assert hits.tolist() == [1, 0, 1, 1, 0]
    np.testing.assert_array_equal(rows, np.stack([table[2], [0, 0], table[0], table[1], [0, 0]]))


def test_hashtable_lookup_needs_ascending_keys() -> None:
    with pytest.raises(ExecutionError, match="ascending"):
        compute_all("HASHTABLE_LOOKUP", *(tensor(ints(1)), tensor(ints(3, 1)), tensor(random(2, 2))), outputs=[F4, U1])


@pytest.mark.parametrize("size", FINGERPRINTS)
def test_fingerprints_are_those_of_farmhash(size: int) -> None:
    data = bytes((37 * index + 11) % 256 for index in range(size))

    assert fingerprint64(data) == FINGERPRINTS[size]


def project(kind: int, seeds: Array, items: Array, weights: Array | None) -> Array:
    weight = None if weights is None else tensor(weights)
    (found,) = compute_all("LSH_PROJECTION", tensor(seeds), tensor(items), weight, kind, outputs=[I4])
    return found


def wanted_bits(seeds: Array, items: Array, weights: Array) -> list[list[int]]:
    """By definition: the sign of the weighted sum of signed fingerprints of seed and item."""
    bits: list[list[int]] = []
    for row in seeds:
        bits.append([])
        for seed in row:
            total = 0.0
            for item, weight in zip(items, weights, strict=True):
                unsigned = fingerprint64(seed.tobytes() + item.tobytes())
                total += float(weight) * (unsigned - 2**64 if unsigned >= 2**63 else unsigned)
            bits[-1].append(int(total > 0))
    return bits


def test_projections_say_the_same_bits_in_three_ways() -> None:
    seeds, items, weights = random(4, 3), random_integers(-99, 99, 5, 2, dtype="i4"), random(5, seed=1)

    bits = wanted_bits(seeds, items, weights)

    flat = [bit for row in bits for bit in row]
    numbers = [4 * row[0] + 2 * row[1] + row[2] for row in bits]
    assert len(set(flat)) == 2
    assert project(2, seeds, items, weights).tolist() == flat
    assert project(1, seeds, items, weights).tolist() == numbers
    assert project(3, seeds, items, weights).tolist() == [8 * index + number for index, number in enumerate(numbers)]


def test_omitted_weights_are_one() -> None:
    seeds, items = random(4, 3), random_integers(-99, 99, 5, dtype="i4")

    found = project(2, seeds, items, None)

    np.testing.assert_array_equal(found, project(2, seeds, items, np.ones(5, np.float32)))


def test_float16_seeds_are_hashed_as_float32() -> None:
    seeds, items = np.asarray([[0.5, -2.25, 1.125]], np.float16), random_integers(-99, 99, 5, dtype="i4")

    found = project(2, seeds, items, np.ones(5, np.float16))

    np.testing.assert_array_equal(found, project(2, seeds.astype(np.float32), items, np.ones(5, np.float32)))


@pytest.mark.parametrize("kind", [0, 4])
def test_projections_of_another_type_are_an_error(kind: int) -> None:
    with pytest.raises(ExecutionError, match=f"type is {kind}"):
        project(kind, random(1, 2), ints(1), None)


def test_signatures_with_offsets_must_fit_their_bits() -> None:
    with pytest.raises(ExecutionError, match="do not fit 32 bits"):
        project(3, random(3, 31), ints(1), None)


def draws(logits: Array, count: int, seeds: tuple[int, int]) -> Array:
    (found,) = compute_all("RANDOM_MULTINOMIAL", tensor(logits), count, typed(I4, seeds), outputs=[I4])
    return found


def test_draws_follow_the_distribution() -> None:
    logits = random(2, 5)
    logits[1, 2] = -np.inf

    found = draws(logits, 20_000, (3, 4))

    wanted = torch.from_numpy(logits).softmax(dim=1).numpy()
    for row in range(2):
        np.testing.assert_allclose(np.bincount(found[row], minlength=5) / 20_000, wanted[row], atol=0.012)


def test_the_same_seeds_give_the_same_draws_and_zeros_give_others() -> None:
    logits: Array = np.zeros((1, 1000), np.float32)

    np.testing.assert_array_equal(draws(logits, 50, (3, 4)), draws(logits, 50, (3, 4)))
    assert (draws(logits, 50, (3, 4)) != draws(logits, 50, (4, 3))).any()
    assert (draws(logits, 50, (0, 0)) != draws(logits, 50, (0, 0))).any()


def test_no_draws_may_be_asked_for() -> None:
    assert draws(random(2, 5), 0, (3, 4)).shape == (2, 0)
