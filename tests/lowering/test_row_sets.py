"""Outputs compared as sets of rows."""

import torch

from lowering.row_sets import ROW_TOLERANCE, compare_rows, row_sets

BOXES = torch.tensor([[0.0, 0.0, 30.0, 40.0], [5.0, 6.0, 90.0, 100.0], [1.0, 2.0, 60.0, 50.0]])
SCORES = torch.tensor([0.9, 0.8, 0.7])
LABELS = torch.tensor([3, 1, 3])
TABLE = (BOXES, SCORES, LABELS)


def reordered(*rows: int) -> tuple[torch.Tensor, ...]:
    return tuple(column[list(rows)] for column in TABLE)


def test_rows_in_another_order_are_the_same() -> None:
    (found,) = row_sets(reordered(2, 0, 1), TABLE, [0, 1, 2], [])

    assert (found.outputs, found.found, found.wanted, found.matched) == ((0, 1, 2), 3, 3, 3)
    assert found.is_within_tolerance


def test_row_that_is_missing_or_new_counts_on_its_side() -> None:
    missing, new = (
        compare_rows(reordered(0, 2), TABLE, (0, 1, 2)),
        compare_rows(
            TABLE,
            reordered(
                1,
            ),
            (0, 1, 2),
        ),
    )

    assert (missing.found, missing.wanted, missing.matched, missing.unmatched) == (2, 3, 2, 1)
    assert (new.found, new.wanted, new.matched, new.unmatched) == (3, 1, 1, 2)
    assert not missing.is_within_tolerance


def test_numbers_that_belong_together_are_compared_together() -> None:
    swapped = (BOXES, SCORES[[1, 0, 2]], LABELS)

    assert compare_rows(swapped, TABLE, (0, 1, 2)).matched == 1


def test_another_label_is_another_row_and_a_small_error_is_not() -> None:
    near = (BOXES + 0.5 * ROW_TOLERANCE * 100, SCORES, LABELS)

    assert compare_rows(near, TABLE, (0, 1, 2)).matched == 3
    assert compare_rows((BOXES, SCORES, torch.tensor([3, 1, 4])), TABLE, (0, 1, 2)).matched == 2
    assert compare_rows((BOXES + 3 * ROW_TOLERANCE * 100, SCORES, LABELS), TABLE, (0, 1, 2)).matched == 0


def test_one_row_answers_for_one_row_only() -> None:
    assert compare_rows(reordered(0, 0, 0), TABLE, (0, 1, 2)).matched == 1


def test_as_many_rows_may_differ_as_pytorch_s_own_allow_for() -> None:
    own = [reordered(0, 1), TABLE]

    (one,) = row_sets(reordered(1, 2), TABLE, [0, 1, 2], own)
    (none,) = row_sets((BOXES + 50, SCORES, LABELS), TABLE, [0, 1, 2], own)

    assert one.own_unmatched == 1
    assert one.is_within_tolerance
    assert not none.is_within_tolerance
    assert "2 of PyTorch's 3 rows are among the 2" in one.words


def test_outputs_with_other_numbers_of_rows_are_other_tables() -> None:
    other = torch.rand(5, 2)

    found = row_sets((*TABLE, other), (*TABLE, other.flip(0)), [0, 1, 2, 3], [])

    assert [rows.outputs for rows in found] == [(0, 1, 2), (3,)]
    assert all(rows.is_within_tolerance for rows in found)


def test_no_rows_on_one_side_match_none() -> None:
    empty = tuple(column[:0] for column in TABLE)

    assert compare_rows(empty, TABLE, (0, 1, 2)).matched == 0
    assert compare_rows(TABLE, empty, (0, 1, 2)).unmatched == 3


def test_outputs_without_rows_and_of_another_type_are_left_out() -> None:
    assert row_sets((torch.tensor(1.0), LABELS.int()), (torch.tensor(2.0), LABELS), [0, 1], []) == ()


def test_long_rows_such_as_masks_are_compared_where_the_others_are_the_same() -> None:
    masks = torch.rand(3, 1, 20, 20)

    assert compare_rows((SCORES.flip(0), masks.flip(0)), (SCORES, masks), (0, 1)).matched == 3
    assert compare_rows((SCORES, masks.flip(0)), (SCORES, masks), (0, 1)).matched == 1
