"""Outputs compared as sets of rows."""

import torch

from nnapi_check.lowering.verification.row_sets import ROW_TOLERANCE, Unit, compare_rows, row_sets

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


def test_columns_of_one_table_are_compared_together_though_one_alone_jumps() -> None:
    swapped = (BOXES, torch.tensor([1, 3, 3]), SCORES)

    (rows,) = row_sets(swapped, (BOXES, torch.tensor([3, 1, 3]), SCORES), [1], [])

    assert rows.outputs == (0, 1, 2)
    assert rows.jumping == (1,)
    assert rows.matched == 1
    assert not rows.is_within_tolerance


def test_row_that_pytorch_never_loses_is_not_excused_by_others_that_it_does() -> None:
    own = [reordered(0, 1), reordered(1, 2), TABLE]
    stable = [reordered(0, 1), reordered(0, 1), TABLE]

    (loses_what_moves,) = row_sets(reordered(1, 2), TABLE, [0], own)
    (loses_another,) = row_sets(reordered(1, 2), TABLE, [0], stable)

    assert loses_what_moves.is_within_tolerance
    assert loses_another.unmatched <= 2 * loses_another.own_unmatched
    assert loses_another.unexplained.lost == 1
    assert not loses_another.is_within_tolerance


def test_masks_do_not_excuse_the_columns_beside_them() -> None:
    masks = torch.rand(3, 1, 20, 20)
    wanted = (*TABLE, masks)
    own = [(*TABLE, masks.flip(0)), (*TABLE, masks.flip(2))]

    tables = row_sets((BOXES * 1.01, *TABLE[1:], masks.flip(0)), wanted, [3], own)

    assert [rows.outputs for rows in tables] == [(0, 1, 2), (0, 1, 2, 3)]
    assert [rows.is_within_tolerance for rows in tables] == [False, True]


def test_elements_are_compared_where_pytorch_keeps_no_row() -> None:
    wanted = torch.arange(40).reshape(2, 20)
    own = wanted.clone()
    own[:, 3] += 1
    elsewhere = wanted.clone()
    elsewhere[1, 4] += 1

    (moved,), (fault,) = (row_sets((found,), (wanted,), [0], [(own,), (own,)]) for found in (own, elsewhere))

    assert (moved.unit, moved.wanted, moved.unmatched, moved.own_unmatched) == (Unit.ELEMENTS, 40, 4, 4)
    assert moved.is_within_tolerance
    assert "element by element" in moved.words
    assert fault.unexplained.lost == 1
    assert not fault.is_within_tolerance


def test_numbers_of_which_pytorch_keeps_none_are_said_to_be_unknown() -> None:
    wanted = torch.arange(20).reshape(1, 20)

    (rows,) = row_sets((wanted + 2,), (wanted,), [0], [(wanted + 1,)])

    assert rows.is_blind
    assert "nothing is known of these numbers" in rows.words
