"""Outputs compared as sets of rows."""

import torch

from nnapi_check.lowering.verification.compared_set import ROW_TOLERANCE, Unit
from nnapi_check.lowering.verification.row_sets import compare_rows, row_sets

BOXES = torch.tensor([[0.0, 0.0, 30.0, 40.0], [5.0, 6.0, 90.0, 100.0], [1.0, 2.0, 60.0, 50.0]])
SCORES = torch.tensor([0.9, 0.8, 0.7])
LABELS = torch.tensor([3, 1, 3])
TABLE = (BOXES, SCORES, LABELS)


def reordered(*rows: int) -> tuple[torch.Tensor, ...]:
    return tuple(column[list(rows)] for column in TABLE)


def test_rows_in_another_order_are_the_same_where_pytorch_s_own_are_reordered() -> None:
    (found,) = row_sets(reordered(2, 0, 1), TABLE, [0, 1, 2], [reordered(1, 2, 0), reordered(2, 1, 0)])

    assert (found.outputs, found.found, found.wanted, found.matched) == ((0, 1, 2), 3, 3, 3)
    assert found.is_within_tolerance


def test_rows_whose_order_is_certain_are_held_to_it() -> None:
    own = [reordered(0, 2, 1), reordered(0, 2, 1)]

    (tied,), (certain,) = (row_sets(reordered(*rows), TABLE, [0], own) for rows in ((0, 2, 1), (1, 0, 2)))

    assert tied.is_within_tolerance
    assert certain.matched == 3
    assert certain.unexplained.lost == 1
    assert not certain.is_within_tolerance


def test_wrong_number_in_a_row_that_moves_is_found_by_how_far_it_lies() -> None:
    noise = torch.randn(4, *BOXES.shape, generator=torch.Generator().manual_seed(0))
    noise[:, 0] = 0
    own = [(BOXES + 0.2 * off, SCORES, LABELS) for off in noise]
    near, far = (BOXES - 0.1 * noise[0], SCORES, LABELS), (BOXES.clone(), SCORES, LABELS)
    far[0][1, 2] += 15

    (moved,), (wrong,) = (row_sets(found, TABLE, [1, 2], own) for found in (near, far))

    assert moved.is_within_tolerance
    assert wrong.unexplained.is_allowed_by(wrong.own_unexplained, wrong.unit)
    assert wrong.unexplained.new <= 2 * wrong.own_unexplained.new
    assert not wrong.is_within_tolerance


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

    found = row_sets((*TABLE, other), (*TABLE, other.flip(0)), [0, 1, 2, 3], [(*TABLE, other)])

    assert [rows.outputs for rows in found] == [(0, 1, 2), (3,)]
    assert all(rows.is_within_tolerance for rows in found)


def test_no_rows_on_one_side_match_none() -> None:
    empty = tuple(column[:0] for column in TABLE)

    assert compare_rows(empty, TABLE, (0, 1, 2)).matched == 0
    assert compare_rows(TABLE, empty, (0, 1, 2)).unmatched == 3


def test_outputs_without_rows_are_compared_in_place_and_those_of_another_type_left_out() -> None:
    (one,) = row_sets((torch.tensor(4), LABELS.int()), (torch.tensor(2), LABELS), [0, 1], [(torch.tensor(3), LABELS)])

    assert (one.outputs, one.unit, one.wanted) == ((0,), Unit.ELEMENTS, 1)


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
    # The row behind it comes to stand elsewhere.
    assert loses_another.unexplained.lost == 2
    assert not loses_another.is_within_tolerance


def test_row_that_is_lost_is_held_to_those_that_own_draws_lose_or_have_anew() -> None:
    own = [(BOXES + torch.tensor([[0.0], [0.0], [off]]), SCORES, LABELS) for off in (3.0, 6.0, 9.0)]
    lost = (BOXES + torch.tensor([[3.0], [0.0], [6.0]]), SCORES, LABELS)
    alone = [own[0], own[0], own[0]]

    (one_more,), (of_none,) = (row_sets(lost, TABLE, [0, 1, 2], draws) for draws in (own, alone))

    # All of PyTorch's own lose the last row, and each has another in its place that no other has.
    assert (one_more.unexplained.lost, one_more.own_unexplained.lost) == (1, 0)
    assert (one_more.unexplained.new, one_more.own_unexplained.new) == (1, 1)
    assert one_more.is_within_tolerance
    assert of_none.own_unexplained.new == 0
    assert not of_none.is_within_tolerance


def test_masks_do_not_excuse_the_columns_beside_them() -> None:
    masks = torch.rand(3, 1, 20, 20)
    wanted = (*TABLE, masks)
    own = [(*TABLE, masks.flip(0)), (*TABLE, masks.flip(2))]

    tables = row_sets((BOXES * 1.01, *TABLE[1:], masks.flip(0)), wanted, [3], own)

    assert [rows.outputs for rows in tables] == [(0, 1, 2), (0, 1, 2, 3)]
    assert [rows.is_within_tolerance for rows in tables] == [False, False]
    assert tables[1].unexplained.is_allowed_by(tables[1].own_unexplained, tables[1].unit)


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
    wanted = torch.zeros(1, 20)
    own = torch.randn(8, 1, 20, generator=torch.Generator().manual_seed(0))

    (rows,), (far,) = (
        row_sets((found,), (wanted,), [0], [(draw,) for draw in own]) for found in (own[0] / 2, own[0] * 50)
    )

    assert rows.is_within_tolerance
    assert rows.is_blind
    assert "0 held exactly, 0 as one of what its own give, 20 by distance only" in rows.words
    assert not far.is_within_tolerance


def test_words_tell_how_much_was_held_in_which_way() -> None:
    (rows,) = row_sets(reordered(0, 2, 1), TABLE, [0], [reordered(0, 1), reordered(0, 2)])

    assert "Of PyTorch's rows, 1 held exactly, 2 as one of what its own give, 0 by distance only" in rows.words
