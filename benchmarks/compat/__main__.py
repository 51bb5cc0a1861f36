"""Runs what this PyTorch writes in older and newer ones, and writes the table of docs/compatibility.md.

    make compat                                        every release, each in an environment of its own
    python -m benchmarks.compat --only 2.1.0 --keep    one release, whose environment stays

An environment takes some gigabytes while it is there, and each release some minutes to download.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.compat.files import LEVEL, Run, written_runs
from benchmarks.compat.old_torch import CALLS
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer

RELEASES = ("1.13.1", "2.1.0", "2.4.1", "2.6.0", "2.9.1", "2.14.1")
COLUMNS = (
    ("original", "full", "as saved"),
    ("original", "lite", "as saved"),
    ("converted", "full", "cpu"),
    ("converted", "lite", "cpu"),
    ("converted", "full", "nnapi"),
    ("converted", "lite", "nnapi"),
)
TOLERANCE = 1e-3
"""Of the outputs' range. Old kernels round otherwise; one step of a quantized output is more, and counted apart."""
STEP_TOLERANCE = 2e-2

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "compatibility.md"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went; ``fault`` is empty where it gave what it must."""

    run: Run
    fault: str


def main(words: Sequence[str] | None = None) -> int:
    """Try the releases. The exit code is 1 where a run fails."""
    parser = argparse.ArgumentParser(prog="compat", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="RELEASE", help="this release alone; repeatable")
    parser.add_argument("--envs", type=Path, metavar="DIR", help="where environments are made, or lie already")
    parser.add_argument("--keep", action="store_true", help="leave environments that were made")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args(words)
    rows: dict[str, tuple[Outcome, ...]] = {}
    with tempfile.TemporaryDirectory() as folder, HostServer() as server:
        runs = tuple(written_runs(Path(folder)))
        environments = given.envs or Path(folder) / "envs"
        for release in given.only or RELEASES:
            is_new = not (environments / release).exists()
            python = environment(environments / release, release)
            rows[release] = tuple(outcomes(python, runs, server, Path(folder)))
            for outcome in rows[release]:
                print(f"{release}: {outcome.run.id}: {outcome.fault or 'ok'}", flush=True)
            if is_new and not given.keep:
                shutil.rmtree(environments / release)
    lines = table(rows)
    print("\n".join(lines))
    if given.write:
        text = PAGE.read_text(encoding="utf-8")
        head, _, rest = text.partition("<!-- table -->\n")
        _, _, tail = rest.partition("<!-- end -->")
        PAGE.write_text(f"{head}<!-- table -->\n" + "\n".join(lines) + f"\n<!-- end -->{tail}", encoding="utf-8")
    return 1 if any(outcome.fault for outcomes in rows.values() for outcome in outcomes) else 0


def environment(folder: Path, release: str) -> Path:
    """The Python of an environment with this release, which is made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", f"torch=={release}", "numpy<2"], check=True
        )
    return python


def outcomes(python: Path, runs: Sequence[Run], server: HostServer, folder: Path) -> Iterator[Outcome]:
    """How every run goes in one release. Where the process dies, the next one goes on after the run that it died of."""
    left = list(runs)
    while left:
        before = server.executions
        told = _told(python, left, server, folder)
        made = server.executions - before
        # Else a file may have taken its CPU path.
        wanted = CALLS * sum(run.executions for run in left[: len(told)])
        missing = f"{made} executions in NNAPI, wanted {wanted}" if made != wanted and len(told) == len(left) else ""
        for run in left[: len(told)]:
            yield Outcome(run, _fault(run, told[run.id]) or (missing if run.executions else ""))
        if len(told) < len(left):
            yield Outcome(left[len(told)], "the process died")
        left = left[len(told) + 1 :]


def _told(python: Path, runs: Sequence[Run], server: HostServer, folder: Path) -> dict[str, dict[str, object]]:
    asked = folder / "runs.json"
    asked.write_text(json.dumps([run.document() for run in runs]), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [python, HERE / "old_torch.py", asked],
        env={**inherited, **server.environment(LEVEL)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"    exit code {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)
    return {str(line["id"]): line for line in map(json.loads, done.stdout.splitlines())}


def _fault(run: Run, told: dict[str, object]) -> str:
    if "error" in told:
        return str(told["error"]).strip().splitlines()[0]
    if not told["is_telling"]:
        return "an output has one number everywhere"
    limit = STEP_TOLERANCE if "quantized" in run.id else TOLERANCE
    difference = told["difference"]
    is_close = isinstance(difference, float) and difference <= limit
    return "" if is_close else f"off by {difference} of the range"


def table(rows: dict[str, tuple[Outcome, ...]]) -> list[str]:
    """The outcomes as a table: how many of the files of each kind run."""
    names = [f"{kind}, {form}" + ("" if path == "as saved" else f", {path.upper()}") for kind, form, path in COLUMNS]
    lines = [f"| PyTorch | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for release, found in rows.items():
        cells = []
        for column in COLUMNS:
            of_column = [item for item in found if (item.run.kind, item.run.form, item.run.path) == column]
            good = sum(1 for item in of_column if not item.fault)
            cells.append(f"{good} of {len(of_column)}")
        lines.append(f"| {release} | {' | '.join(cells)} |")
    return [f"Written by PyTorch {torch.__version__.partition('+')[0]}, for feature level {LEVEL}:", "", *lines]


if __name__ == "__main__":
    sys.exit(main())
