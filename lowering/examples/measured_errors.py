"""Errors that were measured of cards' examples, and the file that they are kept in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nnapi_check.coverage_db.errors import UserError
from nnapi_check.coverage_db.writing.output import write_text

FORMAT = "nnapi-check example errors 1"


class MeasurementsError(UserError):
    """A file does not hold measured errors, or cannot be read or written."""


@dataclass(frozen=True, slots=True)
class MeasuredExample:
    """The greatest error among an example's outputs.

    ``max_relative`` is a share of the largest magnitude of PyTorch's output; ``steps`` counts steps of the scale
    where an output is quantized. ``level`` is the feature level that the example's model needs.
    """

    op: str
    way: str
    example: str
    level: int
    max_absolute: float
    max_relative: float
    steps: int | None


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured, by op, way and example; ``made_with`` names PyTorch's version, empty for nothing measured."""

    made_with: str
    by_example: dict[tuple[str, str, str], MeasuredExample]

    def of(self, op: str, way: str, example: str) -> MeasuredExample | None:
        """What was measured of an example, or None where nothing was."""
        return self.by_example.get((op, way, example))


NOTHING_MEASURED = Measurements("", {})


def measurements(made_with: str, found: Iterable[MeasuredExample]) -> Measurements:
    """Measured examples, to be looked up."""
    return Measurements(made_with, {(item.op, item.way, item.example): item for item in found})


def write_measurements(found: Measurements, path: Path) -> None:
    """Write what was measured. Raises ``OutputError`` where the file cannot be written."""
    rows = [
        {
            "op": item.op,
            "way": item.way,
            "example": item.example,
            "level": item.level,
            "max_absolute": _finite(item.max_absolute),
            "max_relative": _finite(item.max_relative),
            "steps": item.steps,
        }
        for item in found.by_example.values()
    ]
    document = {"format": FORMAT, "made_with": found.made_with, "examples": rows}
    write_text(path, json.dumps(document, indent=1) + "\n")


def read_measurements(path: Path) -> Measurements:
    """Read what ``write_measurements`` wrote. Raises ``MeasurementsError``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MeasurementsError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise MeasurementsError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MeasurementsError(f'{path} does not hold measured errors: "format" must be {FORMAT!r}')
    try:
        return measurements(str(document["made_with"]), [_read(row) for row in document["examples"]])
    except (KeyError, TypeError, ValueError) as error:
        raise MeasurementsError(f"{path} does not hold measured errors: {error!r}") from error


def _read(row: dict[str, str | int | float | None]) -> MeasuredExample:
    steps = row["steps"]
    return MeasuredExample(
        op=str(row["op"]),
        way=str(row["way"]),
        example=str(row["example"]),
        level=_whole(row["level"]),
        max_absolute=_number(row["max_absolute"]),
        max_relative=_number(row["max_relative"]),
        steps=None if steps is None else _whole(steps),
    )


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"a whole number was wanted, found {value!r}")
    return value


def _number(value: object) -> float:
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number was wanted, found {value!r}")
    return float(value)


def _finite(value: float) -> float | None:
    """JSON has no infinity, so null stands for it."""
    return value if math.isfinite(value) else None
