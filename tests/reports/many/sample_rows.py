"""Answers of a sweep made by hand, with every verdict, an error, and names that are markup."""

from dataclasses import replace

from nnapi_check.reports.many.rows import StaysRow, SweepRow, answered
from tests.reports.sample_reports import HOSTILE, mixed_report, ready_report


def asked(subject: str, level: int, target: str = "pytorch-mobile") -> SweepRow:
    """What is wanted, without an answer."""
    return SweepRow(subject, target, level, "abc", "1.2.3", "2.9.9", "2030-04-05T06:07:08+00:00", 1.5)


def sample_rows() -> tuple[SweepRow, ...]:
    """Four models at two levels, of which one was asked at one level alone."""
    return (
        *(answered(asked("models/segmenter.pt", level), mixed_report()) for level in (3, 8)),
        answered(asked("models/ready.pt", 3), ready_report()),
        answered(asked("models/ready.pt", 8), replace(ready_report(), readiness="does not fit the target", score=0.0)),
        *(replace(asked("zoo:broken", level), error="It was not answered within 5 seconds.") for level in (3, 8)),
        answered(asked(HOSTILE, 8), replace(mixed_report(), readiness="not worthwhile", score=0.0, parts=())),
    )


def sample_stays() -> tuple[StaysRow, ...]:
    """Why ops stay on the CPU."""
    return (
        StaysRow("models/segmenter.pt", "pytorch-mobile", 3, "aten.max_pool2d.default", "NNC402", "no-dilation", 7,
                 "MAX_POOL_2D has no dilation.", "Pool twice."),
        StaysRow(HOSTILE, "pytorch-mobile", 8, HOSTILE, "NNC103", "card", 1, HOSTILE, HOSTILE),
    )  # fmt: skip
