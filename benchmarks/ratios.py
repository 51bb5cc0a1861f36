"""Measure what a check, a conversion and a look-up cost, in units of ``python -c "import torch"`` in the same run.

    python benchmarks/ratios.py              everything
    python benchmarks/ratios.py check growth some of: check, convert, registry, growth

Whole processes are timed, alternating with the unit, and the fastest runs compared: all else is noise. Their modules
are compiled before, as those of an installed package are. Peak memory is the greatest resident set that the system
counted for a process. The exit code is 1 when a ratio is above its limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ROUNDS = 5
MEBIBYTE = 2**20

CHECK_LIMITS = {"mobilenet_v2": 1.25, "resnet152": 1.5}
CHECK_MEMORY_LIMIT = 1.3
CONVERT_LIMIT = 2.0
CONVERT_MEMORY_LIMIT = 2.5
REGISTRY_LIMIT_SECONDS = 0.3
SIZE_LIMIT = 1.05
GROWTH_LIMIT = 10.0
GROWTH_NODES = (10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took: time on the clock and on the processor, and memory."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Line:
    """One measured ratio or time, and the most it may be."""

    what: str
    found: float
    limit: float
    unit: str

    def __str__(self) -> str:
        mark = "ok " if self.found <= self.limit else "BAD"
        return f"{mark} {self.what:58} {self.found:8.3f} {self.unit:8} (at most {self.limit:g})"


def cost_of(command: Sequence[str]) -> Cost:
    """Run a process to its end, its output thrown away."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    # Where it is set, every process compiles this package anew, while that of PyTorch is compiled already.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    with open(os.devnull, "wb") as nothing:
        actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1), (os.POSIX_SPAWN_DUP2, nothing.fileno(), 2)]
        child = os.posix_spawn(command[0], list(command), environment, file_actions=actions)
        _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with code {code}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def alternating(commands: Sequence[Sequence[str]], rounds: int) -> list[Cost]:
    """The least time and the peak of each command, run in turn so that what slows the machine slows them all.

    Each runs once before, which compiles modules and builds the database.
    """
    found: list[list[Cost]] = [[] for _ in commands]
    for command in commands:
        cost_of(command)
    for _ in range(rounds):
        for costs, command in zip(found, commands, strict=True):
            costs.append(cost_of(command))
    return [
        Cost(
            min(cost.seconds for cost in costs),
            min(cost.cpu_seconds for cost in costs),
            max(cost.peak_bytes for cost in costs),
        )
        for costs in found
    ]


def python(*arguments: str) -> list[str]:
    """A command that this interpreter runs."""
    return [sys.executable, *arguments]


UNIT = python("-c", "import torch")
SAVE = """
import sys
from pathlib import Path
from benchmarks.models import save_model
save_model(sys.argv[1], Path(sys.argv[2]))
"""


def saved(name: str, folder: Path) -> Path:
    """A model's file, made in a process of its own: what a process measures begins with what its parent uses."""
    path = folder / f"{name}.pt"
    if not path.exists():
        cost_of(python("-c", SAVE, name, str(folder)))
    return path


def shown(name: str, cost: Cost, unit: Cost) -> None:
    """Print what is not held to a limit."""
    print(f"    {name}: {cost.seconds:.2f} s, on the processor {cost.cpu_seconds / unit.cpu_seconds:.2f} units")


def checks(folder: Path, rounds: int) -> list[Line]:
    """The check of two models, as a whole process."""
    paths = [saved(name, folder) for name in CHECK_LIMITS]
    commands = [UNIT, *(python("-m", "nnapi_check", str(path), "--api-level", "29") for path in paths)]
    unit, *costs = alternating(commands, rounds)
    print(f"    import torch: {unit.seconds:.2f} s, {unit.peak_bytes / MEBIBYTE:.0f} MiB")
    lines = []
    for (name, limit), cost in zip(CHECK_LIMITS.items(), costs, strict=True):
        shown(name, cost, unit)
        memory = cost.peak_bytes / unit.peak_bytes
        lines.append(Line(f"check of {name}, time / import torch", cost.seconds / unit.seconds, limit, "times"))
        lines.append(Line(f"check of {name}, peak memory / import torch", memory, CHECK_MEMORY_LIMIT, "times"))
    return lines


def conversions(folder: Path, rounds: int) -> list[Line]:
    """The conversion of ResNet-152 without verification, as a whole process, and the size of what it writes."""
    path, output = saved("resnet152", folder), folder / "converted.pt"
    command = python("-m", "nnapi_check", "convert", str(path), "--api-level", "29", "-o", str(output), "--no-verify")
    unit, cost = alternating([UNIT, command], rounds)
    shown("convert", cost, unit)
    size = path.stat().st_size
    lines = [
        Line("convert resnet152, time / import torch", cost.seconds / unit.seconds, CONVERT_LIMIT, "times"),
        Line(
            "convert resnet152, (peak memory - import torch) / weights",
            (cost.peak_bytes - unit.peak_bytes) / size,
            CONVERT_MEMORY_LIMIT,
            "times",
        ),
    ]
    if not output.exists():
        print("    resnet152 was not written, for its gate is not passed")
        return lines
    return [*lines, Line("size of converted resnet152 / original", output.stat().st_size / size, SIZE_LIMIT, "times")]


def registry_commands(_folder: Path, rounds: int) -> list[Line]:
    """The commands that need no PyTorch, as whole processes."""
    commands = [
        python("-m", "nnapi_check", *arguments)
        for arguments in (
            ("db", "status"),
            ("ops", "list"),
            ("ops", "search", "pool"),
            ("ops", "show", "CONV_2D"),
            ("explain", "NNC402"),
            ("--help",),
        )
    ]
    return [
        Line(" ".join(command[2:]), cost.seconds, REGISTRY_LIMIT_SECONDS, "seconds")
        for command, cost in zip(commands, alternating(commands, rounds), strict=True)
    ]


def growth(_folder: Path, rounds: int) -> list[Line]:
    """Judging a graph of ten times the nodes takes at most ten times as long, with some room for caches."""
    from benchmarks.synthetic import chain
    from nnapi_check.analyzer.planning.survey import survey
    from nnapi_check.coverage_db.queries import open_registry
    from nnapi_check.supervision import collect_seldom

    # As in the process of a check.
    collect_seldom()
    registry = open_registry()
    target = registry.target("pytorch-mobile")
    times = []
    for nodes in GROWTH_NODES:
        graph = chain(nodes)
        best = float("inf")
        for _ in range(min(rounds, 3)):
            # One thread, which waits for nothing: what else the machine does must not count.
            started = time.process_time()
            survey(graph, registry, target).at(3)
            best = min(best, time.process_time() - started)
        times.append(best)
        print(f"    judged {nodes:,} nodes in {best:.2f} s on the processor")
    small, large = times
    return [Line("time for 100,000 nodes / time for 10,000", large / small, GROWTH_LIMIT, "times")]


SECTIONS: dict[str, Callable[[Path, int], list[Line]]] = {
    "check": checks,
    "convert": conversions,
    "registry": registry_commands,
    "growth": growth,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every ratio with its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="check, convert, registry, growth; all of them")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs of every command ({ROUNDS})")
    given = parser.parse_args(arguments)
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in given.sections or SECTIONS:
            print(name)
            for line in SECTIONS[name](Path(folder), given.rounds):
                bad += line.found > line.limit
                print(line, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
