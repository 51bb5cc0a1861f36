"""A project's own defaults: ``nnapi-check.toml`` in the current directory or one above it, or in ``pyproject.toml``.

    registry = "cards.toml"      # laid over the registry; beside the project file
    device = "device.json"       # what the device's driver refuses
    target = "auto"              # what carries the model
    per_channel = "float"        # what becomes of weights with a scale for each channel

    [level]
    api_level = 29               # or feature_level

    [gate]
    min_score = 90.0
    require_ready = true
    require_worthwhile = true    # by an estimate
    strict = true
    min_compute_share = 80.0     # percent, as the next one
    min_integer_share = 50.0
    max_parts = 2
    ready_from = 3               # a feature level
    max_bytes = 20_000_000       # of what a conversion writes
    baseline = "report.json"     # fail only on what is worse than in this report

The same stands in ``pyproject.toml`` below ``[tool.nnapi-check]``, where there is no file of its own beside it. What is
passed to a command goes before what the file says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.card_text import read_toml
from nnapi_check.coverage_db.checks import CardError
from nnapi_check.coverage_db.targets import PER_CHANNEL, PYTORCH_MOBILE, PerChannelChoice, target_names
from nnapi_check.coverage_db.user_documents import shown
from nnapi_check.reports.gating.gate import NO_GATE, Gate

NAME = "nnapi-check.toml"
SHARED_NAME = "pyproject.toml"
_TABLE = "nnapi-check"
_HEADER = f"tool.{_TABLE}"

_KEYS = {
    "": ("registry", "device", "target", "per_channel", "level", "gate"),
    "level": ("api_level", "feature_level"),
    "gate": (
        "min_score",
        "require_ready",
        "require_worthwhile",
        "strict",
        "min_compute_share",
        "min_integer_share",
        "max_parts",
        "ready_from",
        "max_bytes",
        "baseline",
    ),
}


@dataclass(frozen=True, slots=True)
class Project:
    """The defaults of a project; everything is unset where there is no file."""

    path: Path | None = None
    registry: Path | None = None
    device: Path | None = None
    api_level: int | None = None
    feature_level: int | None = None
    gate: Gate = NO_GATE
    baseline: Path | None = None
    target: str = PYTORCH_MOBILE
    per_channel: PerChannelChoice = PER_CHANNEL


def find_project(start: Path) -> Project:
    """The project of the directory ``start``: its file is there or in a directory above. Raises ``InputError``."""
    for directory in (start, *start.parents):
        path = directory / NAME
        if path.is_file():
            return read_project(path)
        shared = directory / SHARED_NAME
        # One that says nothing of this tool is not looked into, and so may be as wrong as it likes.
        if shared.is_file() and _TABLE in _text_of(shared):
            tables = _tables_of(shared).get("tool")
            own = tables.get(_TABLE) if isinstance(tables, Mapping) else None
            if own is not None:
                return _project(shared, _text_of(shared), own)
    return Project()


def read_project(path: Path) -> Project:
    """Read a project file. Raises ``InputError`` for what is malformed, with its line."""
    return _project(path, _text_of(path), _tables_of(path))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _tables_of(path: Path) -> Mapping[str, object]:
    try:
        return read_toml(path)
    except CardError as error:
        raise InputError(str(error)) from error


def _project(path: Path, text: str, tables: object) -> Project:
    reader = _Reader(path, text)
    if not isinstance(tables, Mapping):
        raise reader.fail(_TABLE, f"`{_TABLE}` must be a table, found {shown(tables)}")
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
        gate=Gate(
            min_score=reader.score(gate, "min_score"),
            requires_ready=reader.flag(gate, "require_ready"),
            requires_worthwhile=reader.flag(gate, "require_worthwhile"),
            is_strict=reader.flag(gate, "strict"),
            min_compute_share=reader.score(gate, "min_compute_share"),
            min_integer_share=reader.score(gate, "min_integer_share"),
            max_parts=reader.count(gate, "max_parts"),
            ready_from=reader.count(gate, "ready_from"),
            max_bytes=reader.count(gate, "max_bytes"),
        ),
        # It may still have to be written, by --update-baseline.
        baseline=reader.path_to(gate, "baseline"),
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
        # In a file that is shared with other tools, what is before the table is not of this one.
        first = next((number for number, line in enumerate(lines) if _HEADER in line), 0)
        starts = (number for number, line in enumerate(lines[first:], first + 1) if _key_of(line) == key)
        return InputError(f"{self.path}, line {next(starts, first + 1)}: {problem}")

    def check_keys(self, table: str, found: Mapping[str, object]) -> None:
        known = _KEYS[table]
        for key in found:
            if key not in known:
                where = f"of [{table}]" if table else "of a project file"
                raise self.fail(key, f"`{key}` is not a key {where}; its keys are {', '.join(known)}")

    def table(self, tables: Mapping[str, object], key: str) -> Mapping[str, object]:
        found = tables.get(key, {})
        if not isinstance(found, Mapping):
            raise self.fail(key, f"`{key}` must be a table, found {shown(found)}")
        self.check_keys(key, found)
        return found

    def path_to(self, table: Mapping[str, object], key: str) -> Path | None:
        found = table.get(key)
        if found is None:
            return None
        if not isinstance(found, str) or not found:
            raise self.fail(key, f"`{key}` must be the name of a file, found {shown(found)}")
        return self.path.parent / found

    def file(self, table: Mapping[str, object], key: str) -> Path | None:
        path = self.path_to(table, key)
        try:
            is_there = path is None or path.is_file()
        except OSError as error:
            raise self.fail(key, f"{path} cannot be read: {error.strerror}") from error
        if not is_there:
            raise self.fail(key, f"{path} is not there")
        return path

    def choice(self, table: Mapping[str, object], key: str, known: Sequence[str], usual: str) -> str:
        found = table.get(key, usual)
        if not isinstance(found, str) or found not in known:
            raise self.fail(key, f"`{key}` must be one of {', '.join(known)}, found {shown(found)}")
        return found

    def integer(self, table: Mapping[str, object], key: str) -> int | None:
        found = table.get(key)
        if found is not None and (not isinstance(found, int) or isinstance(found, bool)):
            raise self.fail(key, f"`{key}` must be a whole number, found {shown(found)}")
        return found

    def count(self, table: Mapping[str, object], key: str) -> int | None:
        found = self.integer(table, key)
        if found is not None and found < 0:
            raise self.fail(key, f"`{key}` must not be below 0, found {shown(found)}")
        return found

    def score(self, table: Mapping[str, object], key: str) -> float | None:
        found = table.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 100:
            raise self.fail(key, f"`{key}` must be a number from 0 to 100, found {shown(found)}")
        return float(found)

    def flag(self, table: Mapping[str, object], key: str) -> bool:
        found = table.get(key, False)
        if not isinstance(found, bool):
            raise self.fail(key, f"`{key}` must be true or false, found {shown(found)}")
        return found


def _key_of(line: str) -> str:
    bare = line.strip()
    return (
        bare.strip("[]").strip().removeprefix(f"{_HEADER}.")
        if bare.startswith("[")
        else bare.partition("=")[0].strip().strip("\"'")
    )
