"""Read an earlier report, as ``--format json`` writes it, to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.analyzer.errors import InputError
from nnapi_check.coverage_db.cards import Status
from nnapi_check.coverage_db.user_documents import parse_json, shown
from nnapi_check.reports.gating.baseline import Baseline, Facts, Stays, integer_share, readiness_words
from nnapi_check.reports.json_format import SCHEMA_VERSION
from nnapi_check.reports.naming import shown_path
from nnapi_check.reports.views import WorkView


def read_baseline(path: Path) -> Baseline:
    """The facts of a report in a file. Raises ``InputError`` for what is no report of nnapi-check."""
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"The baseline {path} is not there; --update-baseline writes it.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"{path} is no report of nnapi-check: it is not JSON ({error}).") from error
    if not isinstance(document, Mapping):
        raise InputError(f"{path} is no report of nnapi-check: it holds no object.")
    report = _Reader(path, document)
    version = report.integer("schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(f"{path} is a report by schema {version}; write a new baseline by schema {SCHEMA_VERSION}.")
    return Baseline(shown_path(str(path)), _facts(report))


def _facts(report: _Reader) -> Facts:
    work = report.table("work")
    readiness = report.text("readiness")
    if readiness not in readiness_words():
        raise report.fail("readiness", f"one of {', '.join(readiness_words())}", readiness)
    return Facts(
        target=report.text("target"),
        feature_level=report.integer("feature_level"),
        tool_version=report.text("tool_version"),
        torch_version=report.text("torch_version"),
        readiness=readiness,
        is_carried=not report.has("misfit"),
        score=report.number("score"),
        compute_share=report.number("compute_coverage"),
        integer_share=integer_share(WorkView(*(work.integer(key) for key in ("integers", "floats", "cpu")))),
        parts=len(report.tables("parts")),
        cpu_ops=report.integer("nodes_total") - report.integer("nodes_on_nnapi"),
        lowest_ready_level=report.optional_integer("lowest_ready_level"),
        unknown_ops=_unknown_ops(report.tables("nodes")),
        stays=tuple(sorted(_stays(report.tables("blockers")).items())),
        is_within_tolerance=report.table("verification").flag("is_within_tolerance")
        if report.has("verification")
        else None,
        artifact_bytes=report.optional_integer("artifact_bytes"),
        uncounted=report.optional_integer("uncounted") or 0,
    )


def _unknown_ops(nodes: Sequence[_Reader]) -> tuple[str, ...]:
    return tuple(sorted({node.text("op") for node in nodes if node.text("status") == Status.UNKNOWN.value}))


def _stays(blockers: Sequence[_Reader]) -> dict[Stays, int]:
    found: dict[Stays, int] = {}
    for blocker in blockers:
        if not blocker.flag("is_alternative"):
            key = (blocker.text("op"), blocker.text("reason"), blocker.text("requirement"))
            found[key] = found.get(key, 0) + len(blocker.tables("places"))
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """One object of the file, whose members have the types that the schema says."""

    path: Path
    item: Mapping[str, object]

    def fail(self, key: str, wanted: str, found: object) -> InputError:
        return InputError(f"{self.path} is no report of nnapi-check: `{key}` must be {wanted}, found {shown(found)}.")

    def has(self, key: str) -> bool:
        return self.item.get(key) is not None

    def text(self, key: str) -> str:
        found = self.item.get(key)
        if not isinstance(found, str):
            raise self.fail(key, "a text", found)
        return found

    def number(self, key: str) -> float:
        found = self.item.get(key)
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise self.fail(key, "a number", found)
        return float(found)

    def integer(self, key: str) -> int:
        found = self.item.get(key)
        if not isinstance(found, int) or isinstance(found, bool):
            raise self.fail(key, "a whole number", found)
        return found

    def optional_integer(self, key: str) -> int | None:
        return self.integer(key) if self.has(key) else None

    def flag(self, key: str) -> bool:
        found = self.item.get(key)
        if not isinstance(found, bool):
            raise self.fail(key, "true or false", found)
        return found

    def table(self, key: str) -> _Reader:
        found = self.item.get(key)
        if not isinstance(found, Mapping):
            raise self.fail(key, "an object", found)
        return _Reader(self.path, found)

    def tables(self, key: str) -> list[_Reader]:
        found = self.item.get(key)
        if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
            raise self.fail(key, "a list of objects", found)
        return [_Reader(self.path, item) for item in found]
