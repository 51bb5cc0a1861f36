"""Operand types are read as they are written, and malformed text is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nnapi_check.coverage_db.platform_facts import TYPES_FILE, load_functions, load_types
from nnapi_check.coverage_db.spec import OperandType, Quantization
from nnapi_check.coverage_db.text import TextError


def test_quantized_types_are_those_that_say_so_in_their_name() -> None:
    quantized = {facts.type for facts in load_types() if facts.quantization is not Quantization.NONE}

    assert quantized == {kind for kind in OperandType if "QUANT" in kind.name}


def test_only_asymmetric_types_have_bounds_of_the_zero_point() -> None:
    bounded = {facts.type for facts in load_types() if facts.zero_point_max is not None}

    assert bounded == {kind for kind in OperandType if "_ASYMM" in kind.name}


def test_zero_points_cover_every_stored_number() -> None:
    for facts in load_types():
        if facts.element_bytes and facts.zero_point_min is not None and facts.zero_point_max is not None:
            assert facts.zero_point_max - facts.zero_point_min + 1 == 256**facts.element_bytes


def test_a_type_that_is_missing_is_refused(tmp_path: Path) -> None:
    text = TYPES_FILE.read_text(encoding="utf-8")
    (tmp_path / "types.toml").write_text(text[: text.index("# A reference")], encoding="utf-8")

    with pytest.raises(TextError, match="key 'MODEL': is missing"):
        load_types(tmp_path / "types.toml")


def test_a_type_with_another_code_is_refused(tmp_path: Path) -> None:
    text = TYPES_FILE.read_text(encoding="utf-8").replace("code = 11", "code = 12")
    (tmp_path / "types.toml").write_text(text, encoding="utf-8")

    with pytest.raises(TextError, match="TENSOR_QUANT8_SYMM_PER_CHANNEL, key 'code': wants 11, found 12"):
        load_types(tmp_path / "types.toml")


def test_every_level_up_to_5_brought_functions() -> None:
    by_level = Counter(facts.since for facts in load_functions())

    assert by_level == {1: 23, 2: 1, 3: 19, 4: 19, 5: 7}


def test_an_answer_without_an_event_came_with_level_3() -> None:
    since = {facts.name.removeprefix("ANeuralNetworks"): facts.since for facts in load_functions()}

    assert (since["Execution_startCompute"], since["Event_wait"], since["Execution_compute"]) == (1, 1, 3)


def test_a_function_without_a_level_is_refused(tmp_path: Path) -> None:
    (tmp_path / "functions.toml").write_text("ANeuralNetworks_getDevice = {}\n", encoding="utf-8")

    with pytest.raises(TextError, match="ANeuralNetworks_getDevice, key 'since'"):
        load_functions(tmp_path / "functions.toml")
