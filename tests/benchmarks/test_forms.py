"""One module has one answer, whatever form it comes in."""

import inspect
import logging
import typing

import pytest
from torch import nn

from benchmarks.form_modules import TEXTS, TEXTS_OF_OWN, Case, own
from benchmarks.forms import Answer, answers, differs, told

QUICK = (
    "Conv1d(6, 12, 2, padding=same, dilation=1, groups=3)",
    "Conv2d(6, 12, 2, padding=same, dilation=1, groups=1)",
    "Conv2d(6, 12, 3, padding=valid, dilation=2, groups=6)",
    "Conv2d(3, 5, 3, padding=1, padding_mode=reflect)",
    "Upsample(mode=bilinear, align_corners=False, scale_factor=2)",
    "AdaptiveMaxPool1d(1)",
    "LSTM(5, 7, 1, bidirectional=False, batch_first=True)",
    "TripletMarginLoss()",
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
    (case,) = [case for case in own() if case.name.startswith(start)]

    found = answers(case)

    assert len(found) == 5
    assert not differs(case, found, explained=True), "\n".join(told(found))


def test_every_text_that_a_constructor_takes_is_tried() -> None:
    modules = [found for found in vars(nn).values() if inspect.isclass(found) and issubclass(found, nn.Module)]
    taken = {
        parameter.name
        for module in modules
        for parameter in inspect.signature(module).parameters.values()
        if isinstance(parameter.default, str) or "Literal" in str(parameter.annotation)
    }

    assert taken - set(TEXTS) - set(TEXTS_OF_OWN) == set()


def test_another_score_of_one_form_is_a_difference() -> None:
    case = Case("ReLU()", nn.ReLU, ())
    ready, worse = (Answer((("ready", score, 1, 1.0),) * 8, 0, ()) for score in (100.0, 99.0))

    assert not differs(case, {"traced": ready, "scripted": ready}, explained=True)
    assert differs(case, {"traced": ready, "scripted": worse}, explained=True)
    assert differs(case, {"traced": ready, "scripted": "ValueError: no"}, explained=True)


def test_stated_reason_excuses_the_form_that_it_names_and_no_other() -> None:
    case = Case("LSTM(5, 7)", nn.LSTM, ())
    ready, worse = (Answer((("ready", score, 1, 1.0),) * 8, 0, ()) for score in (100.0, 99.0))

    assert not differs(case, {"traced": ready, "decomposed": worse}, explained=True)
    assert differs(case, {"traced": ready, "exported": worse}, explained=True)
