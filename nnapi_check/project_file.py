"""A project's own defaults: ``nnapi-check.toml`` in the current directory or one above it.

    registry = "cards.toml"      # laid over the registry; beside the project file
    device = "device.json"       # what the device's driver refuses
    target = "auto"              # what carries the model
    per_channel = "float"        # what becomes of weights with a scale for each channel

    [level]
    api_level = 29               # or feature_level

    [gate]
    min_score = 90.0
    require_ready = true
    strict = true

What is passed to a command goes before what the file says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.card_text import read_toml
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.targets import PER_CHANNEL, PYTORCH_MOBILE, PerChannelChoice, target_names

NAME = "nnapi-check.toml"

_KEYS = {
    "": ("registry", "device", "target", "per_channel", "level", "gate"),
    "level": ("api_level", "feature_level"),
    "gate": ("min_score", "require_ready", "strict"),
}


@dataclass(frozen=True, slots=True)
class Project:
    """The defaults of a project; everything is unset where there is no file."""

    path: Path | None = None
    registry: Path | None = None
    device: Path | None = None
    api_level: int | None = None
    feature_level: int | None = None
    min_score: float | None = None
    requires_ready: bool = False
    strict: bool = False
    target: str = PYTORCH_MOBILE
    per_channel: PerChannelChoice = PER_CHANNEL


def find_project(start: Path) -> Project:
    """The project of the directory ``start``: its file is there or in a directory above. Raises ``InputError``."""
    for directory in (start, *start.parents):
        path = directory / NAME
        if path.is_file():
            return read_project(path)
    return Project()


def read_project(path: Path) -> Project:
    """Read a project file. Raises ``InputError`` for what is malformed, with its line."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = read_toml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except CardError as error:
        raise InputError(str(error)) from error
    reader = _Reader(path, text)
    reader.check_keys("", tables)
    level, gate = reader.table(tables, "level"), reader.table(tables, "gate")
    found = Project(
        path=path,
        registry=reader.file(tables, "registry"),
        device=reader.file(tables, "device"),
        target=reader.choice(tables, "target", target_names(), PYTORCH_MOBILE),
        per_channel=PerChannelChoice(
            reader.choice(tables, "per_channel", [choice.value for choice in PerChannelChoice], PER_CHANNEL.value)
        ),
        api_level=reader.integer(level, "api_level"),
        feature_level=reader.integer(level, "feature_level"),
        min_score=reader.score(gate, "min_score"),
        requires_ready=reader.flag(gate, "require_ready"),
        strict=reader.flag(gate, "strict"),
    )
    if found.api_level is not None and found.feature_level is not None:
        raise reader.fail("feature_level", "give api_level or feature_level, not both")
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    text: str

    def fail(self, key: str, problem: str) -> InputError:
        lines = self.text.split("\n")
        starts = (number for number, line in enumerate(lines, 1) if _key_of(line) == key)
        return InputError(f"{self.path}, line {next(starts, 1)}: {problem}")

    def check_keys(self, table: str, found: Mapping[str, object]) -> None:
        known = _KEYS[table]
        for key in found:
            if key not in known:
                where = f"of [{table}]" if table else "of a project file"
                raise self.fail(key, f"`{key}` is not a key {where}; its keys are {', '.join(known)}")

    def table(self, tables: Mapping[str, object], key: str) -> Mapping[str, object]:
        found = tables.get(key, {})
        if not isinstance(found, Mapping):
            raise self.fail(key, f"`{key}` must be a table, found {found!r}")
        self.check_keys(key, found)
        return found

    def file(self, table: Mapping[str, object], key: str) -> Path | None:
        found = table.get(key)
        if found is None:
            return None
        if not isinstance(found, str) or not found:
            raise self.fail(key, f"`{key}` must be the name of a file, found {found!r}")
        path = self.path.parent / found
        if not path.is_file():
            raise self.fail(key, f"{path} is not there")
        return path

    def choice(self, table: Mapping[str, object], key: str, known: Sequence[str], usual: str) -> str:
        found = table.get(key, usual)
        if not isinstance(found, str) or found not in known:
            raise self.fail(key, f"`{key}` must be one of {', '.join(known)}, found {found!r}")
        return found

    def integer(self, table: Mapping[str, object], key: str) -> int | None:
        found = table.get(key)
        if found is not None and (not isinstance(found, int) or isinstance(found, bool)):
            raise self.fail(key, f"`{key}` must be a whole number, found {found!r}")
        return found

    def score(self, table: Mapping[str, object], key: str) -> float | None:
        found = table.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 100:
            raise self.fail(key, f"`{key}` must be a number from 0 to 100, found {found!r}")
        return float(found)

    def flag(self, table: Mapping[str, object], key: str) -> bool:
        found = table.get(key, False)
        if not isinstance(found, bool):
            raise self.fail(key, f"`{key}` must be true or false, found {found!r}")
        return found


def _key_of(line: str) -> str:
    bare = line.strip()
    return bare.strip("[]").strip() if bare.startswith("[") else bare.partition("=")[0].strip().strip("\"'")
