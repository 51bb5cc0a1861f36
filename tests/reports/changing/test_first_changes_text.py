"""Where the ops of a change stand, in words."""

import pytest

from nnapi_check.reports.changing.first_changes_text import where_words
from nnapi_check.reports.naming import NOWHERE
from nnapi_check.reports.views import CauseView, PlaceView

OWN = "/home/a/net.py"
PYTORCH = "/env/lib/python3.12/site-packages/torch/nn/functional.py"


def change(*places: tuple[str, str | None, int | None]) -> CauseView:
    found = tuple(PlaceView("aten.max_pool2d.default", module, file, line, "") for module, file, line in places)
    return CauseView(("aten.max_pool2d.default",), "", (), (), found)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([("body.pool", OWN, 12)], "/home/a/net.py:12"),
        ([("1", PYTORCH, 837)], "torch/nn/functional.py:837 in 1"),
        ([("1", PYTORCH, 837), ("4.0", PYTORCH, 837), ("1", PYTORCH, 837)], "torch/nn/functional.py:837 in 1, 4.0"),
        ([("", PYTORCH, 837)], "torch/nn/functional.py:837"),
        ([("1", PYTORCH, 837), ("body", OWN, 3)], "torch/nn/functional.py:837, /home/a/net.py:3"),
        ([("1", None, None)], NOWHERE),
    ],
)
def test_lines_that_are_pytorch_s_own_are_told_with_the_user_s_modules(
    places: list[tuple[str, str | None, int | None]], words: str
) -> None:
    assert where_words(change(*places)) == words
