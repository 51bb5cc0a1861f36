"""API levels name feature levels; what NNAPI does not have is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check.coverage_db.errors import LevelError
from nnapi_check.coverage_db.levels import (
    LEVELS_FILE,
    api_to_feature_level,
    check_feature_level,
    level_spans,
    load_levels,
)
from tests.registry_numbers import API_LEVELS, HIGHEST_LEVEL, LEVELS, NEXT_LEVEL


@pytest.mark.parametrize(
    ("api_level", "feature_level"),
    [(27, 1), (28, 2), (29, 3), (30, 4), (31, 5), (32, 5), (33, 5), (34, 5), (35, 5), (36, 5)],
)
def test_an_api_level_brings_its_feature_level(api_level: int, feature_level: int) -> None:
    assert api_to_feature_level(api_level) == feature_level


@pytest.mark.parametrize("api_level", [-1, 0, 21, 26])
def test_there_is_no_nnapi_below_api_level_27(api_level: int) -> None:
    with pytest.raises(LevelError, match=f"API level {api_level} has no NNAPI"):
        api_to_feature_level(api_level)


def test_an_api_level_of_the_future_is_not_guessed() -> None:
    last = API_LEVELS[-1]

    with pytest.raises(LevelError, match=f"{last + 1} is not known; the known ones are 27 to {last}"):
        api_to_feature_level(last + 1)


@pytest.mark.parametrize("feature_level", [0, NEXT_LEVEL, 27])
def test_other_feature_levels_do_not_exist(feature_level: int) -> None:
    with pytest.raises(
        LevelError, match=f"feature level {feature_level} does not exist; NNAPI has 1 to {HIGHEST_LEVEL}"
    ):
        check_feature_level(feature_level)


@pytest.mark.parametrize("feature_level", LEVELS)
def test_nnapis_feature_levels_pass(feature_level: int) -> None:
    assert check_feature_level(feature_level) == feature_level


def test_spans_follow_the_text(tmp_path: Path) -> None:
    path = tmp_path / "levels.toml"
    level = f'\n[[levels]]\nfeature_level = {NEXT_LEVEL}\nc_value = {1_000_000 + NEXT_LEVEL}\ncame_with = "Android Z"\n'
    path.write_text(LEVELS_FILE.read_text(encoding="utf-8") + level, encoding="utf-8")

    before, after = level_spans(), level_spans(path)

    assert (before.api, before.feature) == (f"27 to {API_LEVELS[-1]}", f"1 to {HIGHEST_LEVEL}")
    assert before.updates.startswith("6, 7, 8")
    assert (after.api, after.feature) == (before.api, f"1 to {NEXT_LEVEL}")
    assert after.updates == f"{before.updates}, {NEXT_LEVEL}"


def test_no_api_level_stands_for_the_levels_that_came_as_updates() -> None:
    with_api_level = [level.feature_level for level in load_levels()[:8] if level.api_levels]

    assert with_api_level == [1, 2, 3, 4, 5]


def test_nnapi_is_deprecated_from_api_level_35() -> None:
    deprecated = [api.api_level for level in load_levels() for api in level.api_levels if api.is_deprecated]

    assert deprecated == [level for level in API_LEVELS if level >= 35]
