"""The command that compares two levels. It does not import PyTorch."""

from __future__ import annotations

from dataclasses import asdict

from nnapi_check.coverage_db.changes import LevelChanges, level_changes
from nnapi_check.coverage_db.errors import LevelError
from nnapi_check.coverage_db.levels import api_to_feature_level, check_feature_level
from nnapi_check.coverage_db.queries import Registry
from nnapi_check.reports.changes_text import changes_text
from nnapi_check.reports.json_format import json_text


def compared(
    registry: Registry, from_api: int | None, to_api: int | None, from_feature: int | None, to_feature: int | None
) -> tuple[LevelChanges, str]:
    """What changes between two levels, each an API level or a feature level, and a title that names both.

    Raises ``LevelError`` for a level that is not known, missing, or higher than the one that it is compared with.
    """
    lower, lower_words = _level(registry, "from", from_api, from_feature)
    higher, higher_words = _level(registry, "to", to_api, to_feature)
    if higher < lower:
        raise LevelError(f"{higher_words} is below {lower_words}: pass the lower one as --from")
    return level_changes(registry, lower, higher), f"From {lower_words} to {higher_words}"


def _level(registry: Registry, side: str, api: int | None, feature: int | None) -> tuple[int, str]:
    match api, feature:
        case int(level), None:
            found = api_to_feature_level(level, registry.levels())
            return found, f"API level {level} (feature level {found})"
        case None, int(level):
            return check_feature_level(level, registry.levels()), f"feature level {level}"
        case _:
            raise LevelError(f"pass either --{side} (an API level) or --{side}-feature-level")


def output(changes: LevelChanges, title: str, form: str) -> str:
    """The changes in the form that was asked for."""
    if form == "text":
        return changes_text(changes, title)

    ops = [{**asdict(change), "is_newly_exact": change.is_newly_exact} for change in changes.ops]
    return json_text({"schema_version": 1, **asdict(changes), "ops": ops})
