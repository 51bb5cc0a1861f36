"""What is asked of a model from Python: the arguments of `check` and `convert` that make a gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from nnapi_check.analyzer.errors import InputError

if TYPE_CHECKING:
    from nnapi_check.reports.gating.gate import Gate


class GateOptions(TypedDict, total=False):
    """What a model must be to pass; what is left out, or None, asks for nothing. Shares are percent of the work."""

    min_score: float | None
    requires_ready: bool
    requires_worthwhile: bool
    strict: bool
    min_compute_share: float | None
    min_integer_share: float | None
    max_parts: int | None
    ready_from: int | None


class ConversionGateOptions(GateOptions, total=False):
    """The same of a conversion, and how many bytes it may write."""

    max_bytes: int | None


def gate_of(call: str, options: Mapping[str, object], known: type[GateOptions]) -> Gate:
    """The gate that the arguments of a call ask for.

    Raises ``TypeError`` for one that is not ``known``, as Python does, and ``InputError`` for a number that is none.
    """
    from nnapi_check.reports.gating.gate import Gate

    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"{call}() got an unexpected keyword argument '{name}'")
    return Gate(
        min_score=_percent(options.get("min_score")),
        requires_ready=bool(options.get("requires_ready")),
        requires_worthwhile=bool(options.get("requires_worthwhile")),
        is_strict=bool(options.get("strict")),
        min_compute_share=_percent(options.get("min_compute_share")),
        min_integer_share=_percent(options.get("min_integer_share")),
        max_parts=_count(options.get("max_parts")),
        ready_from=_count(options.get("ready_from")),
        max_bytes=_count(options.get("max_bytes")),
    )


def _percent(number: object) -> float | None:
    match number:
        case None:
            return None
        case int() | float() if not isinstance(number, bool) and 0 <= number <= 100:
            return number
    raise InputError(f"A score or a share is a number from 0 to 100, not {number!r}.")


def _count(number: object) -> int | None:
    match number:
        case None:
            return None
        case int() if not isinstance(number, bool) and number >= 0:
            return number
    raise InputError(f"A number of parts, of bytes or of a level is a whole number, not {number!r}.")
