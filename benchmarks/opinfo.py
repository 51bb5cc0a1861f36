"""Hold the promises of a check against PyTorch's own samples of its ops: a yes is never followed by a no.

    python benchmarks/opinfo.py [--ops WORD ...] [--levels 1 3 8] [--limit 12] [--seed 0] [--jobs 1] [--json FILE]
                                [--target ndk]

Every OpInfo of the installed PyTorch is traced with its samples of float32, of one type of whole numbers, of bool and
of complex numbers, once with every tensor as an input, and once with all but the first as constants. Each is captured,
checked, lowered and run at every level, however small its parts are, on the sample and on draws with zeros of both
signs, infinities, NaN and large numbers. Elements that a named difference concerns are left out. A share of the calls
is converted as well, and the file run on the host runtime. For the target ndk, which carries one NNAPI model or
nothing, every call that it promises to carry is written to a model file too, and run by the NDK's runtime at the
functions of each level. Every op has a process of its own, with limits of time and
memory. ``--limit 0`` takes all samples.

It prints what was said and the faults by kind, each with the first call that shows it. Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.agreement import Disagreement
from benchmarks.carrying import TARGETS, Carrier, carrier_of, known
from benchmarks.conversions import hold_converted
from benchmarks.draws import Draw
from benchmarks.opinfo_calls import Call, OpInfo, calls, dtypes_of, infos
from benchmarks.processes import in_processes
from benchmarks.promises import Answer, Broken, Fault, hold
from nnapi_check.coverage_db.targets import PYTORCH_MOBILE

SECONDS_PER_CALL = 60
LEVELS = (1, 3, 8)

UNCOUNTED = {Disagreement.ZERO_SIGN, Disagreement.ILL_CONDITIONED}
"""Told, but no fault: of an op that does not tell the zeros apart, and of numbers that rounding alone moves further."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to try of each op."""

    levels: tuple[int, ...] = LEVELS
    limit: int = 12
    seed: int = 0
    dtypes: tuple[str, ...] = ()
    share: float = 0.02
    target: str = PYTORCH_MOBILE


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one call: ``call`` finds it again, ``words`` are its arguments."""

    op: str
    call: str
    words: str
    answer: Answer


class OutOfTimeError(Exception):
    """A call took too long."""


@contextmanager
def memory_filled() -> Iterator[None]:
    """Fill tensors that PyTorch leaves as it found them, so that two runs of an op give the same."""
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)


def try_op(info: OpInfo, options: Options) -> Iterator[Found]:
    """Try every sample of one op, in this process."""
    with warnings.catch_warnings(), memory_filled(), carrier_of(options.target) as carrier:
        warnings.simplefilter("ignore")
        yield from _tried(info, options, carrier)


def _tried(info: OpInfo, options: Options, carrier: Carrier) -> Iterator[Found]:
    for dtype in dtypes_of(info):
        kind = str(dtype).removeprefix("torch.")
        if options.dtypes and kind not in options.dtypes:
            continue
        for call in calls(info, dtype, options.limit, options.seed):
            name = f"{kind}/{call.name}"
            chosen = random.Random(f"{options.seed} {info.formatted_name} {name}").random() < options.share
            yield Found(info.formatted_name, name, call.words, _held(call, options, carrier, is_converted=chosen))


def _held(call: Call, options: Options, carrier: Carrier, *, is_converted: bool) -> Answer:
    def out_of_time(_signal: int, _frame: object) -> None:
        raise OutOfTimeError

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(SECONDS_PER_CALL)
    try:
        answer = hold(call.module, call.draws, options.levels, carrier)
        if not is_converted:
            return answer
        wrong = {fault.level for fault in answer.faults}
        right = [level for level in answer.accepted if level not in wrong]
        more = [fault for level in right for fault in hold_converted(call.module, call.draws, level, carrier)]
        return replace(answer, faults=(*answer.faults, *more))
    except OutOfTimeError:
        return Answer("", (), (Fault(Broken.TIME, options.levels[0], Draw.SAMPLE, (), f"{SECONDS_PER_CALL} seconds"),))
    finally:
        signal.alarm(0)


def try_all(ops: Sequence[OpInfo], options: Options, jobs: int) -> Iterator[Found]:
    """Try ops, each in a process of its own that is forked from this one."""
    known()

    def rows(info: OpInfo) -> Iterator[str]:
        return (json.dumps(_plain(found)) for found in try_op(info, options))

    for ended in in_processes(ops, rows, jobs):
        last = "none"
        for line in ended.lines:
            found = _found(json.loads(line))
            last = found.call
            yield found
        if ended.is_late or ended.death:
            kind = Broken.TIME if ended.is_late else Broken.DEATH
            fault = Fault(kind, 0, Draw.SAMPLE, (), f"{ended.death}, after call {last}".removeprefix(", "))
            yield Found(ended.item.formatted_name, "", "", Answer("", (), (fault,)))


def _plain(found: Found) -> dict[str, object]:
    answer = found.answer
    faults = [[fault.kind.name, fault.level, fault.draw.name, list(fault.ways), fault.told] for fault in answer.faults]
    accepted = list(answer.accepted)
    return {"op": found.op, "call": found.call, "words": found.words, "refused": answer.refused, "accepted": accepted,
            "faults": faults}  # fmt: skip


def _found(row: dict[str, object]) -> Found:
    faults = row["faults"]
    accepted = row["accepted"]
    if not isinstance(faults, list) or not isinstance(accepted, list):
        raise TypeError("a row of results holds no lists")
    kinds: dict[str, Broken | Disagreement] = {kind.name: kind for every in (Broken, Disagreement) for kind in every}
    made = tuple(Fault(kinds[kind], level, Draw[draw], tuple(ways), told) for kind, level, draw, ways, told in faults)
    return Found(
        str(row["op"]), str(row["call"]), str(row["words"]), Answer(str(row["refused"]), tuple(accepted), made)
    )


def table(found: Sequence[Found], levels: Sequence[int]) -> str:
    """The counts, by level and by kind of fault."""
    lines = [f"{len({item.op for item in found})} ops, {len(found)} calls"]
    refused = Counter(item.answer.refused for item in found if item.answer.refused)
    lines.append(f"refused when captured: {sum(refused.values())}")
    for level in levels:
        yes = sum(1 for item in found if level in item.answer.accepted)
        bad = sum(1 for item in found if any(_is_fault(fault) and fault.level == level for fault in item.answer.faults))
        lines.append(f"level {level}: {yes} yes, {len(found) - yes} no, {bad} wrong")
    kinds = Counter(
        (fault.kind.value, fault.draw.value) for item in found for fault in set(_first_of_each(item.answer.faults))
    )
    ops = Counter((kind, draw) for kind, draw, _ in {
        (fault.kind.value, fault.draw.value, item.op) for item in found for fault in item.answer.faults})  # fmt: skip
    lines.append("")
    for (kind, draw), count in kinds.most_common():
        lines.append(f"{count:6} calls {ops[kind, draw]:4} ops  {kind} ({draw})")
    return "\n".join(lines)


def _is_fault(fault: Fault) -> bool:
    return fault.kind not in UNCOUNTED


def _first_of_each(faults: Sequence[Fault]) -> list[Fault]:
    return list({(fault.kind, fault.draw): fault for fault in reversed(faults)}.values())


def listing(found: Sequence[Found]) -> Iterator[str]:
    """The faults, those of one op, kind and draw together, with the first call that shows each."""
    groups: dict[tuple[str, str, str], list[tuple[Found, Fault]]] = {}
    for item in found:
        for fault in _first_of_each(item.answer.faults):
            if _is_fault(fault):
                groups.setdefault((fault.kind.value, item.op, fault.draw.value), []).append((item, fault))
    for (kind, op, draw), members in sorted(groups.items()):
        item, fault = members[0]
        yield f"{kind}: {op} ({draw}, {len(members)} calls)"
        yield f"    {item.call}({item.words[:160]}) at level {fault.level}: {fault.told[:160]}"
        yield f"    by {' '.join(dict.fromkeys(fault.ways))[:160]}"


def main(arguments: Sequence[str]) -> int:
    """Try the ops, and tell what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", nargs="*", default=[], help="only ops whose name holds one of these words")
    parser.add_argument("--target", choices=TARGETS, default=PYTORCH_MOBILE)
    parser.add_argument("--levels", nargs="*", type=int, default=list(LEVELS))
    parser.add_argument("--dtypes", nargs="*", default=[], help="only these element types, such as float32")
    parser.add_argument("--limit", type=int, default=12, help="samples of an op and type; 0 for all")
    parser.add_argument("--share", type=float, default=0.02, help="share of the calls that are converted as well")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every call here, one a line")
    options = parser.parse_args(arguments)
    ops = [info for info in infos() if not options.ops or any(word in info.formatted_name for word in options.ops)]
    asked = Options(
        tuple(options.levels), options.limit, options.seed, tuple(options.dtypes), options.share, options.target
    )
    found: list[Found] = []
    started = time.monotonic()
    with (options.json or Path(os.devnull)).open("w", encoding="utf-8") as file:
        for item in try_all(ops, asked, options.jobs):
            found.append(item)
            file.write(json.dumps(_plain(item)) + "\n")
    for line in listing(found):
        print(line)
    print()
    print(table(found, options.levels))
    print(f"seed {options.seed}, {time.monotonic() - started:.0f} s")
    return 1 if any(_is_fault(fault) for item in found for fault in item.answer.faults) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
