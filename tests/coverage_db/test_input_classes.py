from pathlib import Path

import pytest

from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.differences import load_differences
from nnapi_check.coverage_db.input_classes import InputClass, range_words
from nnapi_check.coverage_db.queries import open_registry
from nnapi_check.reports.registry_text import explained

TEXT = """
[made-up]
title = "Something differs"
pytorch = "One thing."
nnapi = "Another."
bridge = "Not bridged."
source = "nowhere"
"""


def test_a_difference_names_the_elements_that_it_concerns(tmp_path: Path) -> None:
    path = tmp_path / "differences.toml"
    path.write_text(TEXT + 'inputs = ["nan", "ties"]\nspreads = true\n')

    found = load_differences(path)["made-up"]

    assert (found.inputs, found.spreads) == ((InputClass.NAN, InputClass.TIES), True)


def test_a_class_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "differences.toml"
    path.write_text(TEXT + 'inputs = ["odd"]\n')

    with pytest.raises(CardError, match="odd"):
        load_differences(path)


@pytest.mark.parametrize("kind", InputClass)
def test_every_class_has_words(kind: InputClass) -> None:
    assert kind.words in range_words((kind,), spreads=False)


def test_a_difference_without_elements_has_no_range() -> None:
    assert range_words((), spreads=False) == ""


def test_explain_tells_the_input_range() -> None:
    assert "equal elements" in explained("top-k-ties", open_registry()).text
