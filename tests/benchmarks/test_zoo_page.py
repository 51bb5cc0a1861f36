"""The table of torchvision's models, from rows of a sweep."""

from benchmarks.zoo_page import table
from nnapi_check.reports.many.rows import FAILED, PASSED, StaysRow, SweepRow

WHOLE = {"readiness": "ready", "score": 100.0, "compute_share": 1.0, "parts": 1, "transposes": 2}
CONVERTED = {"verification": PASSED, "model_bytes": 4000, "artifact_bytes": 5000, "convert_seconds": 2.5}


def row(name: str, level: int, **told: object) -> SweepRow:
    """A row of a model at a level."""
    kept = {"subject": f"benchmarks.zoo:{name}", "target": "pytorch-mobile", "feature_level": level, "identity": ""}
    when = {"tool_version": "", "torch_version": "", "finished": "2026-01-02T03:04:05"}
    return SweepRow(**kept, **when, **told)  # type: ignore[arg-type]  # each has its type above


def test_each_model_is_told_and_counted_at_each_level() -> None:
    rows = [
        row("whole", 3, **WHOLE, **CONVERTED, difference=2e-7, seconds=0.5, peak_mib=300),
        row("whole", 8, **WHOLE, **CONVERTED, difference=1e-7, seconds=0.25, peak_mib=400),
        row("split", 3, readiness="ready with fallback", score=61.25, compute_share=0.5, parts=4),
        row("split", 8, readiness="ready with fallback", score=70.0, compute_share=0.995, parts=2),
        row("silent", 3, error="It cannot be traced, at /home/me/net.py:3: no."),
        row("silent", 8, error="It cannot be traced, at /home/me/net.py:3: no."),
        row("wrong", 8, **{**WHOLE, **CONVERTED, "verification": FAILED}, difference=0.5),
    ]
    why = StaysRow("benchmarks.zoo:split", "pytorch-mobile", 8, "aten.lgamma.default", "NNC103", "card", 3, "None.", "")

    lines = table(rows, [why], ["whole", "split", "silent", "wrong", "vgg11"])

    assert "| whole | 3, 8 | ready | 100.0 | 1 | 100.0% | 2 | 2e-07 | 0.5 | 2.5 | 1.25 | 400 |" in lines
    assert "| split | 3 | ready with fallback | 61.2 | 4 | 50.0% | 0 |  | 0.0 | 0.0 | 0.00 | 0 |" in lines
    assert "| split | 8 | ready with fallback | 70.0 | 2 | 99.5% | 0 |  | 0.0 | 0.0 | 0.00 | 0 |" in lines
    assert any(line.startswith("| silent | 3, 8 | **no answer: It cannot be traced** |") for line in lines)
    assert any(line.startswith("| wrong | 8 | **ready: Converted for level 8, it is 5e-01 of") for line in lines)
    assert lines[-7:] == [
        "- Level 3: of 3 models 1 have at least 99% of their multiply-adds on NNAPI, 1 are one part, 1 leave nothing "
        "to the CPU, and of 2 what was promised was kept.",
        "- Level 8: of 4 models 3 have at least 99% of their multiply-adds on NNAPI, 2 are one part, 2 leave nothing "
        "to the CPU, and of 2 what was promised was kept.",
        "- Not asked yet: vgg11.",
        "",
        "What stays on the CPU at level 8, and why:",
        "",
        "- `aten.lgamma.default` (split): None.",
    ]
