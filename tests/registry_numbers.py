"""How far the registry reaches, read from its text by none of the code that is tested.

A new level changes these numbers, and no test has to be edited for that. Only what levels 1 to 8 brought is a fixed
expectation: it is a fact of Android's past.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

_NNAPI = Path(__file__).parent.parent / "coverage_db" / "nnapi"
_LEVELS = tomllib.loads((_NNAPI / "levels.toml").read_text(encoding="utf-8"))
_CODES: dict[str, int] = {
    name: table["code"]
    for path in sorted((_NNAPI / "operations").glob("*.toml"))
    for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items()
}

LEVELS: tuple[int, ...] = tuple(sorted(row["feature_level"] for row in _LEVELS["levels"]))
"""The feature levels, from the lowest."""

HIGHEST_LEVEL = LEVELS[-1]
NEXT_LEVEL = HIGHEST_LEVEL + 1
"""A level that nobody has seen yet."""

API_LEVELS: tuple[int, ...] = tuple(sorted(row["api_level"] for row in _LEVELS["api_levels"]))
"""Android's API levels, from the lowest."""

OPERATION_COUNT = len(_CODES)
NEXT_CODE = max(_CODES.values()) + 1
"""The code of the first operation that is not there yet."""

LAST_OPERATION = max(_CODES, key=_CODES.__getitem__)
"""The operation with the highest code."""
