"""The reason code of a failed check."""

from __future__ import annotations

from nnapi_check.coverage_db.checks import AllOf, AnyOf, Check, Compare, IsAbsent, IsConstant, IsKnown, Not


def reason_of(check: Check) -> str:
    """The reason code that a failed check has when its requirement names none."""
    match check:
        case IsConstant():
            return "NNC401"
        case IsAbsent() | IsKnown():
            return "NNC402"
        case AnyOf(of) | AllOf(of):
            return reason_of(of[0])
        case Not(of):
            return reason_of(of)
        case Compare(_, arg):
            _, _, attribute = arg.partition("[")[0].partition(".")
            return _REASON_BY_ATTRIBUTE.get(attribute, "NNC402")


_REASON_BY_ATTRIBUTE = {
    "rank": "NNC302",
    "shape": "NNC303",
    "numel": "NNC303",
    "dtype": "NNC301",
    "scale": "NNC501",
    "zero_point": "NNC501",
    "quantization": "NNC501",
    "constant": "NNC401",
}
