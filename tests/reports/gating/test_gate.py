"""What is asked of a model, and whether a report passes."""

from dataclasses import replace

import pytest

from nnapi_check.reports.gating.baseline import Baseline, facts_of
from nnapi_check.reports.gating.gate import Gate, judged
from nnapi_check.reports.views import MisfitView, ModelReport, WorkView
from tests.reports.sample_reports import mixed_report, quantized_report, ready_report


@pytest.mark.parametrize(
    ("report", "gate", "reason"),
    [
        (mixed_report(), Gate(min_score=90), "The score is 71.4; at least 90 was asked for."),
        (mixed_report(), Gate(requires_ready=True), "The model is ready with fallback; ready was asked for."),
        (mixed_report(), Gate(is_strict=True), "Nothing is known of mylib.whiten.default"),
        (
            replace(mixed_report(), uncounted=0),
            Gate(min_compute_share=88.5),
            "NNAPI computes 87.1% of the work; at least 88.5% was asked for.",
        ),
        (
            replace(mixed_report(), uncounted=1),
            Gate(min_compute_share=80),
            "at most 87.1% of the work, for 1 op has an unknown number of multiply-adds; at least 80% was asked for.",
        ),
        (
            replace(mixed_report(), uncounted=2, compute_coverage=1.0),
            Gate(min_compute_share=80),
            "a share that is not known of the work, for 2 ops have an unknown number of multiply-adds; at least 80%",
        ),
        (quantized_report(), Gate(min_integer_share=50), "of the work in integers; at least 50% was asked for."),
        (mixed_report(), Gate(max_parts=1), "The model becomes 2 parts; at most 1 were asked for."),
        (mixed_report(), Gate(ready_from=5), "The model is ready at no feature level; from 5 on was asked for."),
        (
            replace(mixed_report(), artifact_bytes=1001),
            Gate(max_bytes=1000),
            "The file has 1,001 bytes; at most 1,000 were asked for.",
        ),
    ],
)
def test_each_gate_refuses_what_is_below_it_alone(report: ModelReport, gate: Gate, reason: str) -> None:
    (told,) = judged(report, gate).gate.reasons

    assert reason in told
    assert not judged(report, gate).gate.is_passed


def test_a_model_that_is_all_that_is_asked_for_passes() -> None:
    report = replace(ready_report(), artifact_bytes=1000, lowest_ready_level=3)

    asked = Gate(
        min_score=100,
        requires_ready=True,
        is_strict=True,
        min_compute_share=100,
        max_parts=1,
        ready_from=3,
        max_bytes=1000,
    )
    assert judged(report, asked).gate.reasons == ()


@pytest.mark.parametrize("readiness", ["not worthwhile", "unsupported"])
def test_without_a_part_on_nnapi_every_gate_refuses(readiness: str) -> None:
    assert not judged(replace(mixed_report(), readiness=readiness, parts=()), Gate()).gate.is_passed


def test_an_estimate_fails_no_gate_that_does_not_ask_for_it() -> None:
    slow = replace(mixed_report(), readiness="not worthwhile")

    assert judged(slow, Gate()).gate.is_passed
    (reason,) = judged(slow, Gate(requires_worthwhile=True)).gate.reasons
    assert "likely to be slower in pieces than on the CPU alone" in reason
    assert judged(mixed_report(), Gate(requires_worthwhile=True)).gate.is_passed


def test_with_a_baseline_only_what_is_worse_fails() -> None:
    report = mixed_report()
    baseline = Baseline("before.json", facts_of(report))

    same = judged(report, Gate(min_score=90), baseline)
    worse = judged(replace(report, score=60.0), Gate(min_score=90), baseline)

    assert same.gate.is_passed
    assert same.comparison is not None
    assert same.comparison.accepted == ("The score is 71.4; at least 90 was asked for.",)
    assert worse.gate.reasons == ("Worse than the baseline: score, 71.4 before and 60.0 now.",)


ASKED = {
    "nothing": Gate(),
    "score": Gate(min_score=90),
    "ready": Gate(requires_ready=True),
    "worthwhile": Gate(requires_worthwhile=True),
    "strict": Gate(is_strict=True),
    "share": Gate(min_compute_share=88.5),
    "integers": Gate(min_integer_share=50),
    "parts": Gate(max_parts=1),
    "level": Gate(ready_from=5),
    "bytes": Gate(max_bytes=1000),
}
MET = replace(ready_report(), lowest_ready_level=3, artifact_bytes=995, work=WorkView(integers=100, floats=0, cpu=0))
LACKING = {
    "a part": replace(MET, parts=(), readiness="unsupported"),
    "target": replace(MET, parts=(), readiness="does not fit the target", misfit=MisfitView("It is.", "Change it.")),
    "score": replace(MET, score=89.0),
    "ready": replace(MET, readiness="ready with fallback"),
    "worthwhile": replace(MET, readiness="not worthwhile"),
    "strict": replace(MET, nodes=(*MET.nodes, *(node for node in mixed_report().nodes if node.status == "unknown"))),
    "share": replace(MET, compute_coverage=0.884),
    "integers": replace(MET, work=WorkView(integers=49, floats=51, cpu=0)),
    "parts": replace(MET, parts=(*MET.parts, *MET.parts)),
    "level": replace(MET, lowest_ready_level=6),
    "bytes": replace(MET, artifact_bytes=1001),
    "mixed": mixed_report(),
}


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize("asked", ASKED)
def test_what_the_baseline_held_of_a_gate_is_not_let_pass(asked: str, lacking: str) -> None:
    gate, report = ASKED[asked], replace(LACKING[lacking], target=MET.target, feature_level=MET.feature_level)
    alone = judged(report, gate)
    held = judged(MET, gate).gate.is_passed

    found = judged(report, gate, Baseline("before.json", facts_of(MET)))
    again = judged(report, gate, Baseline("before.json", facts_of(report)))

    assert found.comparison is not None
    assert again.comparison is not None
    if held:
        assert found.comparison.accepted == ()
        assert set(alone.gate.reasons) <= set(found.gate.reasons)
    assert again.gate.is_passed
    assert again.comparison.accepted == alone.gate.reasons


def test_a_share_that_is_no_longer_known_is_worse() -> None:
    report = replace(mixed_report(), uncounted=0)

    worse = judged(replace(report, uncounted=1), Gate(), Baseline("before.json", facts_of(report))).gate
    better = judged(report, Gate(), Baseline("before.json", facts_of(replace(report, uncounted=1)))).gate

    assert worse.reasons == ("Worse than the baseline: work on NNAPI, 87.1% before and at most 87.1% now.",)
    assert better.is_passed
