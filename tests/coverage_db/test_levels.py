"""API levels name feature levels; what NNAPI does not have is an error."""

from __future__ import annotations

import pytest

from coverage_db.levels import LevelError, api_to_feature_level, check_feature_level, load_levels


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
    with pytest.raises(LevelError, match="37 is not known; the known ones are 27 to 36"):
        api_to_feature_level(37)


@pytest.mark.parametrize("feature_level", [0, 9, 27])
def test_other_feature_levels_do_not_exist(feature_level: int) -> None:
    with pytest.raises(LevelError, match=f"feature level {feature_level} does not exist; NNAPI has 1 to 8"):
        check_feature_level(feature_level)


@pytest.mark.parametrize("feature_level", range(1, 9))
def test_nnapis_feature_levels_pass(feature_level: int) -> None:
    assert check_feature_level(feature_level) == feature_level


def test_no_api_level_stands_for_the_levels_that_came_as_updates() -> None:
    with_api_level = [level.feature_level for level in load_levels() if level.api_levels]

    assert with_api_level == [1, 2, 3, 4, 5]


def test_nnapi_is_deprecated_from_api_level_35() -> None:
    deprecated = [api.api_level for level in load_levels() for api in level.api_levels if api.is_deprecated]

    assert deprecated == [35, 36]
