"""Feature levels as the documents write them: "NNAPI feature level 3", or "API level 29" for the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nnapi_check.coverage_db.spec import Level

LEVEL = r"(?:(?:Android )?NNAPI feature level|(?:Android )?API level) \d+"
"""The words that name a level, as a part of a regular expression."""

_NAMED = re.compile(r"(?:(?P<kind>feature|API) level) (?P<number>\d+)")
_FIRST_API_LEVEL = 27


class UnknownLevelError(Exception):
    """Words that name a level which nothing is known of."""


@dataclass(frozen=True, slots=True)
class LevelWords:
    """Turns words into feature levels. ``by_api_level`` holds the API levels that brought one, ``known`` all levels."""

    by_api_level: dict[int, int]
    known: frozenset[int]

    @classmethod
    def of(cls, levels: tuple[Level, ...], documented: frozenset[int]) -> LevelWords:
        """Made of the levels that the registry knows, and of those that the document itself numbers."""
        by_api_level = {api.api_level: level.feature_level for level in levels for api in level.api_levels}
        return cls(by_api_level, documented | {level.feature_level for level in levels})

    def level(self, words: str) -> int:
        """The feature level that words name first; raises ``UnknownLevelError``."""
        found = _NAMED.search(words)
        if found is None:
            raise UnknownLevelError(f"{words!r} names no level")
        number = int(found["number"])
        if found["kind"] == "feature" and number < _FIRST_API_LEVEL:
            return self._checked(number, words)
        return self.of_api_level(number)

    def of_api_level(self, api_level: int) -> int:
        """The feature level of an API level; raises ``UnknownLevelError``."""
        if api_level not in self.by_api_level:
            raise UnknownLevelError(f"API level {api_level} is not in levels.toml")
        return self.by_api_level[api_level]

    def after(self, pattern: str, text: str) -> int | None:
        """The level named right after what ``pattern`` matches in ``text``, or None where it does not match."""
        found = re.search(f"{pattern}({LEVEL})", text)
        return None if found is None else self.level(found[1])

    def _checked(self, number: int, words: str) -> int:
        if number not in self.known:
            raise UnknownLevelError(f"feature level {number} is neither in levels.toml nor among the FeatureLevelCode")
        return number
