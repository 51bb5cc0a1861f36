"""Kill conversions at random moments: at the output is the old file or the new one, and what is left over goes away.

    python benchmarks/kill_convert.py MODEL.pt --count 100 --seed 1

Half of the runs are killed at any moment of the whole run, the others while the package is being written and verified,
which is seen by the hidden folder beside the output. Every run starts over from an old file with a link to it, and is
killed with all that it started. The table counts what is found at the output, and the kills that leave hidden folders;
one more conversion, which is not killed, must remove them. The exit code is 1 where it does not, or where there is half
a file.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

OLD = b"the old file\n" * 1000
LITTER = ".nnapi-check-*"


class Moment(Enum):
    """When a run is killed."""

    ANY = "any moment"
    WRITING = "while writing"


class Found(Enum):
    """What is at the output after a kill."""

    OLD = "old"
    NEW = "new"
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Killed:
    """What one kill left: at the output, and how many hidden folders beside it."""

    found: Found
    litter: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that is not killed: what it writes, and for how long each of the moments lasts."""

    data: bytes
    seconds: Mapping[Moment, float]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A command that converts a model to ``output``, which is given as a link to it."""

    model: Path
    level: int
    link: Path
    output: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, in a session of its own so that all that it starts can be killed too."""
        command = [sys.executable, "-m", "nnapi_check", "convert", str(self.model), "--feature-level", str(self.level)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [*command, "-o", str(self.link)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def whole(self) -> Whole:
        """Run without a kill."""
        begun = time.monotonic()
        process = self.start()
        self.wait_until_it_writes(process)
        writes = time.monotonic()
        if process.wait() != 0:
            raise SystemExit(f"{self.model} does not convert")
        ended = time.monotonic()
        return Whole(self.output.read_bytes(), {Moment.ANY: ended - begun, Moment.WRITING: ended - writes})

    def wait_until_it_writes(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a new hidden folder, or for the end."""
        before = self.litter()
        while process.poll() is None and self.litter() <= before:
            time.sleep(0.001)

    def killed(self, moment: Moment, seconds: float, new: bytes) -> Killed:
        """Start over from the old file, and kill the run ``seconds`` after its start or after it began to write."""
        self.output.write_bytes(OLD)
        process = self.start()
        if moment is Moment.WRITING:
            self.wait_until_it_writes(process)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        data = self.output.read_bytes()
        found = Found.OLD if data == OLD else Found.NEW if data == new else Found.HALF
        return Killed(found if self.link.is_symlink() else Found.HALF, len(self.litter()), seconds)

    def litter(self) -> set[str]:
        """The hidden folders beside the output."""
        return {path.name for path in self.output.parent.glob(LITTER)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("--count", type=int, default=100, help="runs that are killed (100)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (1)")
    parser.add_argument("--feature-level", type=int, default=4, help="to convert for (4)")
    given = parser.parse_args(arguments)
    random_moments = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deep").mkdir()
        (folder / "out.pt").symlink_to("deep/real.pt")
        conversion = Conversion(given.model, given.feature_level, folder / "out.pt", folder / "deep" / "real.pt")
        conversion.whole()  # Fills the caches.
        whole = conversion.whole()
        table: dict[Moment, list[Killed]] = {moment: [] for moment in Moment}
        for number in range(given.count):
            moment = list(Moment)[number % 2]
            seconds = random_moments.uniform(0, 1.05 * whole.seconds[moment])
            table[moment].append(conversion.killed(moment, seconds, whole.data))
        conversion.whole()
        left = len(conversion.litter())
    lengths = ", ".join(f"{moment.value} {seconds:.2f} s" for moment, seconds in whole.seconds.items())
    print(f"{given.count} kills, seed {given.seed}; a whole run writes {len(whole.data):,} bytes ({lengths})")
    print(f"{'killed at':16}{'kills':>8}" + "".join(f"{found.value:>8}" for found in Found) + f"{'litter':>8}")
    for moment, kills in table.items():
        counts = Counter(kill.found for kill in kills)
        litter = sum(kill.litter > 0 for kill in kills)
        row = "".join(f"{counts[found]:>8}" for found in Found)
        print(f"{moment.value:16}{len(kills):>8}{row}{litter:>8}")
    print(f"hidden folders after one more conversion: {left}")
    return 1 if left or any(kill.found is Found.HALF for kills in table.values() for kill in kills) else 0


if __name__ == "__main__":
    sys.exit(main())
