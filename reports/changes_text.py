"""What a higher level adds, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnapi_check.coverage_db.cards import Status
from nnapi_check.coverage_db.changes import LevelChanges, OpChange, OperationChange
from nnapi_check.coverage_db.spec import OperandType
from nnapi_check.reports.terminal import wrapped

_WHOLE_NUMBERS = {OperandType.TENSOR_INT32, OperandType.TENSOR_BOOL8}
_PROMOTION = (
    "Types are those of the first tensor. Where PyTorch gives another one for whole numbers, as roots do, a check still"
    " refuses."
)


def changes_text(changes: LevelChanges, title: str) -> str:
    """The changes as text. ``title`` names the two levels as they were asked for."""
    lines = [title]
    lines += _operations("New operations", [change for change in changes.operations if change.is_new])
    lines += _operations("Operations that gain", [change for change in changes.operations if not change.is_new])
    if changes.functions:
        lines += ["", f"New functions of the C interface: {len(changes.functions)}"]
        lines += [f"  + {name}" for name in changes.functions]
    for words, found in _groups(changes.ops):
        lines += _ops(words, found)
    if any(_WHOLE_NUMBERS & set(change.types) for change in changes.ops):
        lines += ["", *wrapped(_PROMOTION, "")]
    if len(lines) == 1:
        lines.append("Nothing changes: both have the same operations, types and inputs.")
    return "\n".join(lines)


def _operations(title: str, found: Sequence[OperationChange]) -> Iterator[str]:
    if found:
        yield from ("", f"{title}: {len(found)}")
    for change in found:
        yield from wrapped(f"{change.operation}: {'; '.join(change.added)}", "  + ")


def _groups(ops: Sequence[OpChange]) -> Iterator[tuple[str, list[OpChange]]]:
    yield "Ops that become native", [each for each in ops if _became(each, Status.NATIVE)]
    yield "Ops that become lowered", [each for each in ops if _became(each, Status.LOWERED)]
    yield "Ops that become approximate", [each for each in ops if _became(each, Status.APPROXIMATE)]
    yield "Ops that become exact instead of approximate", [each for each in ops if each.is_newly_exact]
    yield (
        "Ops that become native instead of lowered",
        [each for each in ops if (each.before, each.after) == (Status.LOWERED, Status.NATIVE)],
    )
    yield "Ops with fewer requirements", [each for each in ops if each.lifted]


def _became(change: OpChange, status: Status) -> bool:
    return change.before is Status.CPU and change.after is status


def _ops(title: str, found: Sequence[OpChange]) -> Iterator[str]:
    if found:
        yield from ("", f"{title}: {len({change.op for change in found})}")
    for change in found:
        types = ", ".join(kind.name.removeprefix("TENSOR_") for kind in change.types)
        lifted = f", without {', '.join(change.lifted)}" if change.lifted else ""
        yield from wrapped(f"{change.op} ({types}): way {change.way}{lifted}", "  + ")
