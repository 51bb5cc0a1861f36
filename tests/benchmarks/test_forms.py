"""One module has one answer, whatever form it comes in."""

import inspect
import logging
import os
import typing
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.form_blocks import blocks
from benchmarks.form_modules import TEXTS, TEXTS_OF_OWN, Case, own
from benchmarks.form_reasons import Answer, differs
from benchmarks.forms import Outcome, answers, ask_all, told

QUICK = (
    "Conv1d(6, 12, 2, padding=same, dilation=1, groups=3)",
    "Conv2d(6, 12, 2, padding=same, dilation=1, groups=1)",
    "Conv2d(6, 12, 3, padding=valid, dilation=2, groups=6)",
    "Conv2d(3, 5, 3, padding=1, padding_mode=reflect)",
    "Upsample(mode=bilinear, align_corners=False, scale_factor=2)",
    "AdaptiveMaxPool1d(1)",
    "LSTM(5, 7, 1, bidirectional=False, batch_first=True)",
    "TripletMarginLoss()",
    "GRUCell(5, 7)",
    "TransformerEncoderLayer(8, 2, 12, activation=relu, norm_first=True, batch_first=True) of (5, 8)",
    "Attention(causal)",
)


@pytest.fixture(autouse=True)
def quiet_export() -> typing.Iterator[None]:
    """Exporting a program logs what nobody here can mend."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("start", QUICK)
def test_forms_of_a_module_are_answered_alike_but_where_a_reason_is_stated(start: str) -> None:
    (case,) = [case for case in (*blocks(), *own()) if case.name.startswith(start)]

    found, not_made = answers(case)

    assert len(found) == 5
    assert not not_made
    assert not differs(case, found, explained=True), "\n".join(told(found))


class Deadly(nn.Module):
    """Ends the process that makes it."""

    def __init__(self) -> None:
        os._exit(3)


@pytest.mark.filterwarnings("ignore")
def test_module_of_which_a_process_dies_is_told_and_the_next_one_is_asked() -> None:
    deadly, alike = case_of(Deadly), replace(case_of(nn.ReLU), inputs=(torch.rand(2, 3),))

    found = list(ask_all([deadly, alike], jobs=1))

    assert [(one.name, one.outcome) for one in found] == [("Deadly", Outcome.ENDED), ("ReLU", Outcome.ALIKE)]
    assert found[0].told == ("    exit code 3",)
    assert found[1].forms == 5


def test_every_text_that_a_constructor_takes_is_tried() -> None:
    modules = [found for found in vars(nn).values() if inspect.isclass(found) and issubclass(found, nn.Module)]
    taken = {
        parameter.name
        for module in modules
        for parameter in inspect.signature(module).parameters.values()
        if isinstance(parameter.default, str) or "Literal" in str(parameter.annotation)
    }

    assert taken - set(TEXTS) - set(TEXTS_OF_OWN) == set()


def answered(score: float, *ops: str, below_level_3: float | None = None, multiply_adds: int = 0) -> Answer:
    """An answer with one score at every level, or another one at levels 1 and 2."""
    scores = [score if below_level_3 is None else below_level_3] * 2 + [score] * 6
    return Answer(tuple(("ready", item, 1, 1.0) for item in scores), multiply_adds, ops)


def case_of(kind: type[nn.Module], **given: object) -> Case:
    return Case(kind.__name__, partial(kind, **given), ())


def test_another_score_of_one_form_is_a_difference() -> None:
    case, ready, worse = case_of(nn.ReLU), answered(100), answered(99)

    assert not differs(case, {"traced": ready, "scripted": ready}, explained=True)
    assert differs(case, {"traced": ready, "scripted": worse}, explained=True)
    assert differs(case, {"traced": ready, "scripted": "ValueError: no"}, explained=True)


def test_stated_reason_excuses_the_op_that_it_names_and_no_other() -> None:
    case, whole = case_of(nn.L1Loss), answered(0, "aten.l1_loss.default")

    assert not differs(case, {"traced": whole, "decomposed": answered(100, "aten.sub.Tensor")}, explained=True)
    assert differs(case, {"traced": whole, "scripted": answered(100, "aten.l1_loss.default")}, explained=True)
    assert differs(case_of(nn.MSELoss), {"traced": whole, "decomposed": answered(100)}, explained=True)


def test_stated_reason_excuses_the_argument_and_the_levels_that_it_names_and_no_other() -> None:
    linear, area = (case_of(nn.Upsample, mode=mode) for mode in ("linear", "area"))
    whole, places = answered(100), answered(100, "aten.index.Tensor", below_level_3=0)

    assert not differs(linear, {"traced": whole, "decomposed": places}, explained=True)
    assert differs(area, {"traced": whole, "decomposed": places}, explained=True)
    assert differs(linear, {"traced": whole, "decomposed": answered(99, "aten.index.Tensor")}, explained=True)


def test_stated_reason_excuses_multiply_adds_alone() -> None:
    case, whole = case_of(nn.LSTM), answered(100, "aten.lstm.input", multiply_adds=9)

    assert not differs(case, {"traced": whole, "decomposed": answered(100, multiply_adds=5)}, explained=True)
    assert differs(case, {"traced": whole, "decomposed": answered(99, multiply_adds=5)}, explained=True)


def test_stated_reason_excuses_the_refusal_that_it_names_and_no_other() -> None:
    case, whole = case_of(nn.GRU), answered(100, "aten.gru.input")

    assert not differs(case, {"traced": whole, "scripted": "InputError: it has no method 'forward'"}, explained=True)
    assert differs(case, {"traced": whole, "scripted": "InternalError: no"}, explained=True)
