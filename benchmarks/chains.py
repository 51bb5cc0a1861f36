"""Draw random chains of ops, and hold every promise that is made of them.

    python benchmarks/chains.py [--count N | --seconds S] [--start-seed N] [--jobs N] [--levels 1,3,8] [--with NAMES]
                                [--target ndk]

Each chain is captured, judged, lowered and run at every level, however small its parts are, and a share of them goes
through the whole packaging and PyTorch's own NNAPI binding. For the target ndk, which carries one NNAPI model or
nothing, every chain or former part of a chain that it promises to carry is written to a model file, and run by the
NDK's runtime at the functions of each level. Faults are told by kind, each with the smallest chain that shows it.
Exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.carrying import TARGETS, carrier_of
from benchmarks.random_chains import control, elementwise, moves, programs, rarities, summaries, windows
from benchmarks.random_chains.drawing import Drawer, draw_chain
from benchmarks.random_chains.judging import Fault, Judge, Kind, Outcome
from benchmarks.random_chains.shrinking import shrink
from benchmarks.random_chains.steps import Chain, reproduction
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE

FAMILIES: tuple[tuple[Drawer, ...], ...] = (
    *(elementwise.DRAWERS, elementwise.DRAWERS, moves.DRAWERS, moves.DRAWERS),
    *(windows.DRAWERS, windows.DRAWERS, summaries.DRAWERS, rarities.DRAWERS),
)
OTHERS: dict[str, tuple[Drawer, ...]] = {
    "writes": control.WRITES,
    "conditions": control.CONDITIONS,
    "programs": programs.PROGRAMS,
}
LEVELS = {PYTORCH_MOBILE: (1, 3, 8), NDK: (1, 2, 3, 4, 5, 8)}
PACKAGED_EVERY = 33
BATCH = 200
PATIENCE_SECONDS = 60.0

_NUMBERS = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?|%[\w.]+|(?<=aten::)\w+")


@dataclass(frozen=True, slots=True)
class Started:
    """A chain is being judged."""

    seed: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A chain was judged. ``smallest`` shows each fault that was not known before, in the order of the faults."""

    seed: int
    outcome: Outcome
    smallest: dict[str, str]


@dataclass(slots=True)
class Tally:
    """What all chains came to."""

    chains: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    seeds: dict[str, list[int]] = field(default_factory=dict)
    smallest: dict[str, str] = field(default_factory=dict)

    def add(self, seed: int, outcome: Outcome, smallest: dict[str, str]) -> None:
        """Add a chain."""
        self.chains += 1
        self.counts.update(outcome.counts)
        self.reasons.update(outcome.reasons)
        for sign in dict.fromkeys(map(signature, outcome.faults)):
            self.faults[sign] += 1
            self.seeds.setdefault(sign, []).append(seed)
        for sign, program in smallest.items():
            self.smallest.setdefault(sign, program)


def signature(fault: Fault) -> str:
    """A fault without its numbers: what the same fault of other chains is told by."""
    return f"{fault.kind.value}: {_NUMBERS.sub('N', fault.words)}"


def chain_of(seed: int, others: Sequence[str] = ()) -> Chain:
    """The chain of a seed, with steps of other families where asked for."""
    return draw_chain(seed, (*FAMILIES, *(OTHERS[name] for name in others)))


def run_one(judge: Judge, chain: Chain, known: set[str], shrinking_seconds: float) -> Judged:
    """Judge a chain, and make it smaller for every fault that is not known."""
    outcome = judge.judge(chain, packages=chain.seed % PACKAGED_EVERY == 0)
    smallest: dict[str, str] = {}
    for fault in outcome.faults:
        sign = signature(fault)
        if sign in known or shrinking_seconds <= 0:
            continue
        known.add(sign)
        level = Judge((fault.level,) if fault.level else judge.levels, judge.carrier)

        def shows(smaller: Chain, sign: str = sign, level: Judge = level) -> bool:
            return sign in map(signature, level.judge(smaller).faults)

        least = shrink(chain, shows, shrinking_seconds)
        smallest[sign] = reproduction(least, fault.level or judge.levels[-1], judge.target.name)
    return Judged(chain.seed, outcome, smallest)


@dataclass(frozen=True, slots=True)
class Settings:
    """How chains are drawn and judged."""

    target: str
    levels: tuple[int, ...]
    others: tuple[str, ...]
    shrinking_seconds: float

    def chain(self, seed: int) -> Chain:
        """The chain of a seed."""
        return chain_of(seed, self.others)


def _child(seeds: Sequence[int], settings: Settings, known: set[str], out: Connection) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    with carrier_of(settings.target) as carrier:
        judge = Judge(settings.levels, carrier)
        for seed in seeds:
            out.send(Started(seed))
            out.send(run_one(judge, settings.chain(seed), known, settings.shrinking_seconds))
    out.close()


class Runner:
    """Runs batches of seeds in forked processes, so that the death of one is a finding and not the end."""

    def __init__(self, settings: Settings, jobs: int) -> None:
        self._settings = settings
        self._jobs = jobs
        self._fork = multiprocessing.get_context("fork")
        self._running: dict[Connection, tuple[multiprocessing.process.BaseProcess, list[int], float]] = {}
        self.tally = Tally()

    def run(self, start: int, count: int | None, until: float | None) -> None:
        """Run so many chains, or until a time. No process is left behind, not after an interruption either."""
        try:
            self._run(start, count, until)
        finally:
            for process, _, _ in self._running.values():
                process.kill()

    def _run(self, start: int, count: int | None, until: float | None) -> None:
        following = start
        while until is None or time.monotonic() < until:
            while len(self._running) < self._jobs:
                size = BATCH if count is None else min(BATCH, start + count - following)
                if size <= 0:
                    break
                self._start(list(range(following, following + size)))
                following += size
            if not self._running:
                break
            self._receive()

    def _start(self, seeds: list[int]) -> None:
        reading, writing = self._fork.Pipe(duplex=False)
        known = set(self.tally.smallest)
        process = self._fork.Process(target=_child, args=(seeds, self._settings, known, writing))
        process.start()
        writing.close()
        self._running[reading] = (process, seeds, time.monotonic())

    def _receive(self) -> None:
        for ready in wait(list(self._running), timeout=1.0):
            if isinstance(ready, Connection):
                self._read(ready)
        for connection, (process, seeds, since) in list(self._running.items()):
            if time.monotonic() - since > PATIENCE_SECONDS + 8 * self._settings.shrinking_seconds:
                process.kill()
                self._lost(connection, seeds, Kind.HANG)

    def _read(self, connection: Connection) -> None:
        process, seeds, _ = self._running[connection]
        try:
            message = connection.recv()
        except EOFError:
            process.join()
            if seeds:
                self._lost(connection, seeds, Kind.DEATH)
            else:
                del self._running[connection]
            return
        self._running[connection] = (process, seeds, time.monotonic())
        if isinstance(message, Judged):
            seeds.remove(message.seed)
            self.tally.add(message.seed, message.outcome, message.smallest)

    def _lost(self, connection: Connection, seeds: list[int], kind: Kind) -> None:
        del self._running[connection]
        outcome = Outcome()
        outcome.blame(kind, 0, "in this chain")
        sign = signature(outcome.faults[0])
        program = reproduction(self._settings.chain(seeds[0]), self._settings.levels[-1], self._settings.target)
        self.tally.add(seeds[0], outcome, {sign: program})
        if seeds[1:]:
            self._start(seeds[1:])


def report(tally: Tally, seconds: float, levels: Sequence[int], *, shown: int, reasons: int) -> None:
    """Print the table, the most frequent reasons of refusals, and the smallest chain of each fault."""
    each = 1000 * seconds / max(1, tally.chains * len(levels))
    print(f"{tally.chains} chains x {len(levels)} levels in {seconds:.0f} s, {each:.0f} ms for each chain and level")
    for what, times in sorted(tally.counts.items()):
        print(f"{times:9}  {what}")
    for reason, times in tally.reasons.most_common(reasons):
        print(f"{times:9}  no: {reason}")
    print(f"{sum(tally.faults.values())} faults of {len(tally.faults)} kinds")
    for sign, times in tally.faults.most_common():
        print(f"{times:9}  {sign}  (seeds {', '.join(map(str, tally.seeds[sign][:5]))})")
    for sign, _ in tally.faults.most_common(shown):
        print(f"\n# {sign}\n{tally.smallest.get(sign, 'not made smaller')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chains and tell what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, help="how many chains (1000 unless --seconds is given)")
    parser.add_argument("--seconds", type=float, help="for how long")
    parser.add_argument("--start-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS, default=PYTORCH_MOBILE)
    parser.add_argument("--levels", help="by commas")
    parser.add_argument("--with", dest="others", default="", help=f"steps besides: {', '.join(OTHERS)}, by commas")
    parser.add_argument(
        "--shrinking-seconds", type=float, default=20.0, help="for each fault; 0 to leave them as they are"
    )
    parser.add_argument("--shown", type=int, default=100, help="how many faults are shown with a program")
    parser.add_argument("--reasons", type=int, default=0, help="how many reasons of refusals are told, for ndk")
    given = parser.parse_args(arguments)
    levels = tuple(map(int, given.levels.split(","))) if given.levels else LEVELS[given.target]
    count = 1000 if given.count is None and given.seconds is None else given.count
    begun = time.monotonic()
    others = tuple(name for name in given.others.split(",") if name)
    runner = Runner(Settings(given.target, levels, others, given.shrinking_seconds), given.jobs)
    # What was found until an interruption is told as well.
    with suppress(KeyboardInterrupt):
        runner.run(given.start_seed, count, None if given.seconds is None else begun + given.seconds)
    report(runner.tally, time.monotonic() - begun, levels, shown=given.shown, reasons=given.reasons)
    return 1 if runner.tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
