"""The table of torchvision's models, from rows of a sweep."""

from benchmarks.zoo_page import table
from nnapi_check.reports.many.rows import SweepRow


def row(name: str, level: int, **told: object) -> SweepRow:
    """A row of a model at a level."""
    kept = {"subject": f"benchmarks.zoo:{name}", "target": "pytorch-mobile", "feature_level": level, "identity": ""}
    when = {"tool_version": "", "torch_version": "", "finished": "2026-01-02T03:04:05"}
    return SweepRow(**kept, **when, **told)  # type: ignore[arg-type]  # each has its type above


def test_each_model_is_counted_at_each_level() -> None:
    rows = [
        row("whole", 3, readiness="ready", score=100.0, compute_share=1.0, parts=1, seconds=0.5, peak_mib=300),
        row("whole", 8, readiness="ready", score=100.0, compute_share=1.0, parts=1, seconds=0.25, peak_mib=400),
        row("split", 3, readiness="ready with fallback", score=61.25, compute_share=0.5, parts=4),
        row("split", 8, readiness="ready with fallback", score=70.0, compute_share=0.995, parts=2),
        row("silent", 3, error="It cannot be traced, at /home/me/net.py:3: no."),
        row("silent", 8, error="It cannot be traced, at /home/me/net.py:3: no."),
    ]
    lines = table(rows)
    assert "| whole | 100.0 | 100.0 | 0.5 | 400 |" in lines
    assert "| split | 61.2, 4 parts, 50% | 70.0, 2 parts | 0.0 | 0 |" in lines
    assert "| silent | no answer | no answer | 0.0 | 0 |" in lines
    assert lines[-3:] == [
        "- Level 3: of 3 models 1 have at least 99% of their multiply-adds on NNAPI, 1 are one part, and 1 are "
        "ready with nothing left to the CPU.",
        "- Level 8: of 3 models 2 have at least 99% of their multiply-adds on NNAPI, 1 are one part, and 1 are "
        "ready with nothing left to the CPU.",
        "- No answer for silent: It cannot be traced.",
    ]
