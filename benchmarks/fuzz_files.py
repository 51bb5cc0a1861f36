"""Damage real files of every kind that is read, checksums mended, and demand an answer to each.

    python benchmarks/fuzz_files.py --tries 2000                     in process, in forked batches
    python benchmarks/fuzz_files.py --tries 0 --commands 100         whole processes, as a user starts them
    python benchmarks/fuzz_files.py --seconds 600 --seed 7           for as long as that, from a seed on

Try ``n`` of a seed is always the same file, so a run goes on where another ended (``--start``); ``--keep`` keeps the
files that made faults. An answer is a report, or one sentence. The exit code is 1 where there was a fault: a crash, a
hang, a traceback, memory beyond a bound, a file that was written, an exit code but 0, 1 and 2, or a sentence that
blames this project.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import selectors
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.damaged_files import MARKER, SPEC, Sample, damaged, samples  # noqa: E402  # The tree's own.

HANG_SECONDS = 10
MEMORY_BYTES = 2 << 30
BATCH = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with one try."""

    kind: str
    sample: str
    try_: int
    words: str


def made(all_samples: list[Sample], seed: int, try_: int) -> tuple[Sample, bytes]:
    """The file of one try."""
    source = random.Random(f"{seed}:{try_}")
    sample = source.choice(all_samples)
    return sample, damaged(source, sample)


def answered(sample: Sample, path: Path, model: Path) -> None:
    """Read one file as the command that reads it does. Raises `UserError` for one sentence, and whatever is a fault."""
    import nnapi_check
    from nnapi_check.project_file import read_project

    match sample.arguments[0]:
        case "inspect":
            from nnapi_check import inspect_command

            with open(os.devnull, "w", encoding="utf-8") as nothing:
                before, sys.stdout = sys.stdout, nothing
                try:
                    inspect_command.inspect(path, None, "text", trust=False, whole=True)
                finally:
                    sys.stdout = before
        case "project":
            read_project(path)
        case "--baseline":
            nnapi_check.check(model, api_level=29, baseline=path)
        case "--device":
            nnapi_check.check(model, api_level=29, device=path)
        case "--registry":
            nnapi_check.check(model, api_level=29, overlay=path)
        case _:
            given = [SPEC] if "--input" in sample.arguments else None
            nnapi_check.check(path, given, api_level=29)


def command_of(sample: Sample, path: Path, model: Path) -> list[str]:
    """The command line that reads a file."""
    program = [sys.executable, "-m", "nnapi_check"]
    match sample.arguments[0]:
        case "inspect":
            return [*program, "inspect", str(path)]
        case "project":
            return [*program, str(model)]
        case "--baseline" | "--device" | "--registry" as option:
            return [*program, str(model), option, str(path), *sample.arguments[1:]]
        case _:
            return [*program, str(path), *sample.arguments]


def in_process(
    all_samples: list[Sample], seed: int, tries: Iterator[int], folder: Path, keep: Path | None
) -> list[Fault]:
    """Read the files of these tries in forked processes, a batch in each."""
    faults: list[Fault] = []
    model = folder / "honest.pt"
    model.write_bytes(all_samples[1].data)
    batch = [try_ for _, try_ in zip(range(BATCH), tries, strict=False)]
    while batch:
        found, done = _batch(all_samples, seed, batch, folder, model)
        faults += found
        if keep is not None:
            for fault in found:
                sample, data = made(all_samples, seed, fault.try_)
                (keep / f"{seed}_{fault.try_}_{sample.name}").write_bytes(data)
        batch = batch[done:]
        batch += [try_ for _, try_ in zip(range(BATCH - len(batch)), tries, strict=False)]
    return faults


def _batch(
    all_samples: list[Sample], seed: int, batch: list[int], folder: Path, model: Path
) -> tuple[list[Fault], int]:
    """The faults of a batch in one forked process, and how many of its tries were made."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _work(all_samples, seed, batch, folder, model, theirs)
        os._exit(0)
    os.close(theirs)
    text, done, last = "", 0, time.monotonic()
    with selectors.DefaultSelector() as ready, os.fdopen(ours, "rb", buffering=0) as pipe:
        ready.register(pipe, selectors.EVENT_READ)
        ended = ""
        while not ended:
            if ready.select(0.5):
                data = pipe.read(65536)
                text += data.decode()
                last = time.monotonic()
                if not data:
                    break
            elif time.monotonic() - last > HANG_SECONDS:
                os.kill(child, signal.SIGKILL)
                ended = f"hang over {HANG_SECONDS} s"
    _, status = os.waitpid(child, 0)
    lines = text.splitlines()
    faults = [Fault(*json.loads(line)) for line in lines if line.startswith("[")]
    done = sum(line == "ok" or line.startswith("[") for line in lines)
    if not ended and os.WIFSIGNALED(status):
        ended = f"crash by {signal.Signals(os.WTERMSIG(status)).name}"
    if done < len(batch):
        sample, _ = made(all_samples, seed, batch[done])
        faults.append(Fault(ended or "process ended", sample.name, batch[done], ""))
        done += 1
    return faults, done


def _work(all_samples: list[Sample], seed: int, batch: list[int], folder: Path, model: Path, pipe: int) -> None:
    from nnapi_check.coverage_db.errors import UserError

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = _peak_bytes()
    for try_ in batch:
        sample, data = made(all_samples, seed, try_)
        path = folder / f"try_{sample.name}"
        path.write_bytes(data)
        fault = ""
        words = ""
        try:
            answered(sample, path, model)
        except UserError as error:
            words = str(error)
            fault = "" if "\n" not in words else "more than one line"
        except MemoryError:
            pass
        except BaseException as error:  # noqa: BLE001  # Whatever it is, it is what is looked for.
            fault = f"traceback {type(error).__name__}"
            words = f"{error} {''.join(traceback.format_tb(error.__traceback__)[-2:])}"
        if _peak_bytes() - used > MEMORY_BYTES:
            fault = fault or "memory over 2 GiB"
            used = _peak_bytes()
        marks = [name for name in os.listdir(folder) if name.startswith(MARKER)]
        if marks:
            fault = "executed: a file was written"
            for name in marks:
                (folder / name).unlink()
        line = json.dumps([fault, sample.name, try_, words[:600]]) if fault else "ok"
        os.write(pipe, line.encode() + b"\n")


def _read_the_registry_once() -> None:
    """What no file of a try can change is read before the forks: half of a try's time would go into it."""
    from nnapi_check import inspect_command, pipeline
    from nnapi_check.coverage_db.queries import open_registry

    registry = open_registry()
    registry.cards()
    for module in (inspect_command, pipeline):
        vars(module)["open_registry"] = lambda: registry


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def by_command(
    all_samples: list[Sample], seed: int, tries: Iterator[int], folder: Path, keep: Path | None
) -> list[Fault]:
    """Read the files of these tries by the command line."""
    import subprocess

    faults: list[Fault] = []
    model = folder / "honest.pt"
    model.write_bytes(all_samples[1].data)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for try_ in tries:
        sample, data = made(all_samples, seed, try_)
        path = folder / (sample.name if sample.arguments[0] == "project" else f"try_{sample.name}")
        path.write_bytes(data)
        fault, words = "", ""
        try:
            found = subprocess.run(
                command_of(sample, path, model),
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=HANG_SECONDS * 6,
                check=False,
            )
            words = found.stderr.strip()
            if found.returncode not in (0, 1, 2):
                fault = f"exit code {found.returncode}"
            elif "Traceback" in found.stderr:
                fault = "traceback"
            elif "fault of nnapi-check" in found.stderr:
                fault = "internal fault"
            elif found.returncode == 2 and (words.count("\n") or not words.startswith("nnapi-check: ")):
                fault = "not one sentence"
            elif "crashed" in words or "was not read within" in words:
                fault = "crash or hang, told in one sentence"
        except subprocess.TimeoutExpired:
            fault = "hang"
        for name in [name for name in os.listdir(folder) if name.startswith(MARKER)]:
            fault = "executed: a file was written"
            (folder / name).unlink()
        path.unlink()
        if fault:
            faults.append(Fault(fault, sample.name, try_, words[:600]))
            if keep is not None:
                (keep / f"{seed}_{try_}_{sample.name}").write_bytes(data)
    return faults


def main() -> int:
    """Run what the command line asks for, and print the faults by kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--commands", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="the first try")
    parser.add_argument("--seconds", type=float, default=None, help="stop the tries in process after that")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for the files that made faults")
    parser.add_argument("--show", type=int, default=3, help="how many faults of a kind are shown")
    asked = parser.parse_args()
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    all_samples = samples()
    _read_the_registry_once()
    started = time.monotonic()
    count = 0

    def numbers() -> Iterator[int]:
        nonlocal count
        for try_ in range(asked.start, asked.start + asked.tries):
            if asked.seconds is not None and time.monotonic() - started > asked.seconds:
                return
            count += 1
            yield try_

    with tempfile.TemporaryDirectory() as folder:
        faults = in_process(all_samples, asked.seed, numbers(), Path(folder), asked.keep)
        took = time.monotonic() - started
        commands = range(asked.start, asked.start + asked.commands)
        faults += by_command(all_samples, asked.seed, iter(commands), Path(folder), asked.keep)
    each = f", {1000 * took / count:.1f} ms each" if count else ""
    tries = f"tries {asked.start} to {asked.start + count - 1} in process{each}"
    print(f"seed {asked.seed}, {tries}; {asked.commands} commands")
    for kind, number in Counter(fault.kind for fault in faults).most_common():
        print(f"{number:6} {kind}")
        for fault in [fault for fault in faults if fault.kind == kind][: asked.show]:
            print(f"         {fault.sample} try {fault.try_}: {' '.join(fault.words.split())[:300]}")
    print("no faults" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
