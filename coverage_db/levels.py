"""Feature levels and API levels, read from ``coverage_db/nnapi/levels.toml``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.errors import LevelError
from nnapi_check.coverage_db.spec import ApiLevel, Level
from nnapi_check.coverage_db.text import Table, read_tables

LEVELS_FILE = Path(__file__).parent / "nnapi" / "levels.toml"


@dataclass(frozen=True, slots=True)
class LevelSpans:
    """The known levels in words, such as "1 to 8". ``updates`` are the feature levels without an API level."""

    api: str
    feature: str
    updates: str


def load_levels(path: Path = LEVELS_FILE) -> tuple[Level, ...]:
    """The feature levels from lowest to highest, each with the API levels that guarantee it."""
    text = read_tables(path)
    levels = text.tables("levels")
    api_levels = tuple(_api_level(row) for row in text.tables("api_levels"))
    text.finish()
    known = {row.integer("feature_level") for row in levels}
    for row, api_level in zip(text.tables("api_levels"), api_levels, strict=True):
        if api_level.feature_level not in known:
            raise row.fail("feature_level", f"{api_level.feature_level} is not among the levels")
    return tuple(sorted((_level(row, api_levels) for row in levels), key=lambda level: level.feature_level))


def feature_levels(path: Path = LEVELS_FILE) -> tuple[int, ...]:
    """The numbers of the feature levels, from lowest to highest."""
    return tuple(level.feature_level for level in load_levels(path))


def level_spans(path: Path = LEVELS_FILE) -> LevelSpans:
    """The known levels, as help and errors name them."""
    levels = load_levels(path)
    return LevelSpans(
        api=_span([api.api_level for level in levels for api in level.api_levels]),
        feature=_span([level.feature_level for level in levels]),
        updates=", ".join(str(level.feature_level) for level in levels if not level.api_levels),
    )


def api_to_feature_level(api_level: int, levels: tuple[Level, ...] | None = None) -> int:
    """The feature level that comes with ``api_level`` on every device.

    ``levels`` are those to look in, by default the registry's. Raises ``LevelError`` for an API level without
    NNAPI, or newer than what is known.
    """
    known = {
        android.api_level: android.feature_level
        for level in (load_levels() if levels is None else levels)
        for android in level.api_levels
    }
    if api_level in known:
        return known[api_level]
    first = min(known)
    if api_level < first:
        raise LevelError(f"API level {api_level} has no NNAPI; it came with API level {first} (Android 8.1)")
    raise LevelError(f"API level {api_level} is not known; the known ones are {_span([*known])}")


def check_feature_level(feature_level: int, levels: tuple[Level, ...] | None = None) -> int:
    """``feature_level`` itself if it is one of NNAPI's; raises ``LevelError`` otherwise."""
    known = [level.feature_level for level in (load_levels() if levels is None else levels)]
    if feature_level not in known:
        raise LevelError(f"feature level {feature_level} does not exist; NNAPI has {_span(known)}")
    return feature_level


def _span(levels: Sequence[int]) -> str:
    return f"{min(levels)} to {max(levels)}"


def _level(row: Table, api_levels: tuple[ApiLevel, ...]) -> Level:
    feature_level = row.integer("feature_level")
    level = Level(
        feature_level=feature_level,
        c_value=row.integer("c_value"),
        came_with=row.text("came_with"),
        api_levels=tuple(api for api in api_levels if api.feature_level == feature_level),
    )
    row.finish()
    return level


def _api_level(row: Table) -> ApiLevel:
    api_level = ApiLevel(
        api_level=row.integer("api_level"),
        android=row.text("android"),
        feature_level=row.integer("feature_level"),
        is_deprecated=row.flag("is_deprecated"),
    )
    row.finish()
    return api_level
