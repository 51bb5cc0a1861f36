"""What every text must be about a node that stays on the CPU, or is computed in floats, whichever op and level."""

import re
from collections.abc import Iterator

from nnapi_check.analyzer.judging.judge import NodeVerdict

LONGEST = 125
_MOVES = frozenset(
    {"expand", "flatten", "permute", "reshape", "squeeze", "transpose", "unflatten", "unsqueeze", "view"}
)


def faults(verdict: NodeVerdict, level: int) -> Iterator[str]:
    """What is wrong with the reasons of a verdict at a feature level, in words."""
    told = verdict.in_floats if verdict.is_supported else verdict.failures
    if not told and not verdict.is_supported:
        yield "no reason at all"
    for failure in told:
        if failure.reason == "NNC201" and int(failure.wanted.split()[2]) <= level:
            yield f"level {level} is told to be raised: {failure.wanted}"
        for met in re.findall(r"level (\d)", failure.fix):
            if int(met) <= level:
                yield f"level {level} has what the fix asks for: {failure.fix}"
        if not failure.fix or failure.fix.startswith(("Nothing", "None is needed")):
            yield f"no fix: {failure.fix!r} for {failure.because}"
        if re.search(r"\bnot \(|does not hold|_UNSPECIFIED", failure.wanted) or len(failure.wanted) > LONGEST:
            yield f"not for people: {failure.wanted}"
        name = verdict.op.split(".")[1]
        if name in _MOVES and re.search(rf"\b{name}\b", failure.fix):
            yield f"a circle: {failure.fix} for {name}"
    if len({(failure.wanted, failure.fix) for failure in told}) < len(told):
        yield "a reason is told twice"
