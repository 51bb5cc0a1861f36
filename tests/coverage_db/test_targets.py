"""What carries a model to the device, as it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.platform_facts import load_functions
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.coverage_db.targets import (
    TARGETS_FILE,
    LoaderFormat,
    OwnFormat,
    ValueSource,
    load_targets,
    target_names,
)
from nnapi_check.coverage_db.text import TextError


def test_pytorch_mobile_takes_constants_from_the_model_or_a_buffer() -> None:
    mobile, _ = load_targets()

    assert isinstance(mobile.format, LoaderFormat)
    assert mobile.format.value_sources == ((ValueSource.IMMEDIATE, 0), (ValueSource.NUMBERED_BUFFER, 2))


def test_pytorch_mobile_takes_four_dtypes_as_inputs() -> None:
    mobile, _ = load_targets()

    assert [accepted.dtype for accepted in mobile.inputs] == ["float32", "quint8", "int32", "int16"]
    assert OperandType.TENSOR_BOOL8 not in mobile.input_types


def test_pytorch_mobile_starts_where_its_functions_do_and_the_ndk_where_nnapi_does() -> None:
    mobile, ndk = load_targets()

    assert (mobile.lowest_level, ndk.lowest_level) == (3, 1)
    assert "ANeuralNetworksExecution_compute" in mobile.lowest_level_because
    assert isinstance(ndk.format, OwnFormat)


def test_a_target_reaches_down_to_where_all_that_it_calls_is_there() -> None:
    since = {facts.name: facts.since for facts in load_functions()}

    for target in load_targets():
        assert target.lowest_level == max((since[function] for function in target.calls), default=1), target.name


def test_targets_are_asked_for_by_name_or_left_open() -> None:
    assert target_names() == ("pytorch-mobile", "ndk", "auto")


def test_an_unknown_source_of_values_is_refused(tmp_path: Path) -> None:
    text = TARGETS_FILE.read_text(encoding="utf-8").replace("numbered-buffer = 2", "numbered-memory = 3")
    (tmp_path / "targets.toml").write_text(text, encoding="utf-8")

    with pytest.raises(TextError, match="'numbered-memory' is no ValueSource"):
        load_targets(tmp_path / "targets.toml")


def test_a_lowest_level_without_its_reason_is_refused(tmp_path: Path) -> None:
    text = TARGETS_FILE.read_text(encoding="utf-8").replace("lowest_level = 1", "lowest_level = 2")
    (tmp_path / "targets.toml").write_text(text, encoding="utf-8")

    with pytest.raises(TextError, match="wants the reason of a lowest level above 1"):
        load_targets(tmp_path / "targets.toml")
