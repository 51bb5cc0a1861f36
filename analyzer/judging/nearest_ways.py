"""Which of the ways that do not fit a node are worth telling, and of each of them what is in the way.

Told is the way with the fewest steps to go, whole, and beside it each way that a single step opens. A step that opens
nothing by itself is no fix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnapi_check.analyzer.judging.arithmetic import Arithmetic
from nnapi_check.analyzer.judging.failures import Failure
from nnapi_check.coverage_db.cards import InFloats, Way
from nnapi_check.coverage_db.requirements import Requirement


@dataclass(frozen=True, slots=True)
class WayVerdict:
    """Whether one way fits a node: from feature level ``least_level`` on, where there are no failures.

    ``is_for_others`` says that the card has the way for other calls than this one. ``raised`` is the requirement that
    holds from ``least_level`` on only, where the level is not that of the operations themselves. ``arithmetic`` is what
    the way computes in at this node.
    """

    way: Way
    least_level: int
    failures: tuple[Failure, ...]
    is_for_others: bool = False
    raised: Requirement | None = None
    arithmetic: Arithmetic = Arithmetic.NONE

    @property
    def level(self) -> int | None:
        """The lowest feature level at which the way fits, None for never."""
        return None if self.failures else self.least_level

    def fits(self, level: int) -> bool:
        """Whether the way fits at a feature level."""
        return not self.failures and self.least_level <= level


def worth_telling(ways: Sequence[WayVerdict], level: int) -> tuple[Failure, ...]:
    """What is in the way at a feature level: all of the nearest way, and each other single step that opens one."""
    steps = [_steps(found, level) for found in ways if not found.is_for_others] or [
        _steps(found, level) for found in ways
    ]
    general = {failure for found in steps for failure in found if not failure.way}
    # A tensor that no operation takes is mended first: what a way says of its rank or type follows from that.
    kinds = {failure.reason for failure in general}
    following = [[step for step in found if not step.way or step.reason not in kinds] for found in steps]
    # A way for tensors of more dimensions has nothing left where they are too many for it as well.
    steps = [found for found in following if found]
    steps.sort(key=len)
    if not steps or len(steps[0]) > 1:
        return _without_repeats(steps[0] if steps else ())
    single = [found[0] for found in steps if len(found) == 1]
    lowest = min((_level(failure) for failure in single if failure.reason == "NNC201"), default=level)
    return _without_repeats(found for found in single if found.reason != "NNC201" or _level(found) == lowest)


def why_in_floats(taken: Way, ways: Sequence[WayVerdict], level: int) -> tuple[Failure, ...]:
    """Why a way that computes in floats was taken for a call on integers: what the nearest way in integers lacks.

    Where the card has none, the way that was taken says why.
    """
    if taken.in_floats is not None:
        return (_without_integers(taken, taken.in_floats),)
    return worth_telling([found for found in ways if found.arithmetic is Arithmetic.INTEGERS], level)


def between_steps(op: str, taken: Way) -> Failure:
    """Why a call on what quantized tensors and weights stand for is computed in floats."""
    return Failure(
        reason="NNC503",
        requirement="rounded-result",
        way=taken.name,
        found=f"{op} between a dequantize and no quantize",
        wanted="a result that is quantized before anything but a relu reads it",
        because="An op on integers would have to do all that stands between the dequantize before it and the next "
        "quantize, and none does.",
        fix="Let the quantizer annotate the op's output, as XNNPACKQuantizer does.",
    )


def other_steps(op: str, taken: Way) -> Failure:
    """Why a call is computed in floats that reads what is rounded, but to steps that no quantized tensor has."""
    return Failure(
        reason="NNC504",
        requirement="steps-of-8-bits",
        way=taken.name,
        found=f"{op} of a tensor that is rounded in another way",
        wanted="a tensor that is rounded to all 256 steps of 8 bits",
        because="NNAPI multiplies integers of 8 bits, which stand for float32 numbers in 256 steps of a scale and a "
        "zero point that are known before the model runs. Other steps are rounded, and multiplied, in floats.",
        fix="Let the quantizer round activations to int8 (-128 to 127) or uint8 (0 to 255), from a model in float32, "
        "with scales that calibration finds.",
    )


def _without_integers(taken: Way, why: InFloats) -> Failure:
    return Failure(
        reason="NNC502",
        requirement="integer-way",
        way=taken.name,
        found="no way in integers",
        wanted="an op that has one",
        because=why.because,
        fix=why.fix,
    )


def _steps(found: WayVerdict, level: int) -> list[Failure]:
    if found.least_level <= level:
        return list(found.failures)
    operations = ", ".join(dict.fromkeys(part.operation for part in found.way.emits)) or "it"
    raised = Failure(
        reason="NNC201",
        requirement="level",
        way=found.way.name,
        found=f"feature level {level}",
        wanted=f"feature level {found.least_level} or higher",
        because=f"This way needs {operations} as feature level {found.least_level} has it."
        if found.raised is None
        else found.raised.because,
        fix=f"Raise the target to feature level {found.least_level} or higher, if your users' devices allow it.",
    )
    return [*found.failures, raised]


def _level(failure: Failure) -> int:
    return int(failure.wanted.split()[2])


def _without_repeats(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    seen: dict[tuple[str, str, str], Failure] = {}
    for failure in failures:
        seen.setdefault((failure.reason, failure.wanted, failure.fix), failure)
    return tuple(seen.values())
