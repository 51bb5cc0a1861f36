"""Convert real models at several feature levels, run the results on the host runtime, and print a table.

    python benchmarks/models.py                              every model at every level
    python benchmarks/models.py --model resnet18 --level 3   some of them, options repeated
    python benchmarks/models.py --exported                   every model as a .pt2 file instead of a trace
    python benchmarks/models.py --decomposed                 the same after run_decompositions()
    python benchmarks/models.py --target ndk                 through the NDK's runtime, at each level's functions
    python benchmarks/models.py --lines found.jsonl          also write a line of JSON for each row

Each model is built and converted in a process of its own, so one that fails or takes too long costs its rows only.
The weights are random, with batch norms that differ from identity. The exit code is 1 when a row has an error, its
numbers are not within tolerance, or a promised level is not the validator's. A verdict that the target does not fit is
no error: nothing was promised.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.built_models import DECOMPOSED, EXPORTED, MODELS, save_model
from nnapi_check.analyzer.planning.plan import Readiness
from nnapi_check.coverage_db.levels import feature_levels
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parent.parent
LEVELS = (1, 2, 3, 5, 8)
TIMEOUT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Row:
    """What was found about one model at one feature level. ``error`` is empty where everything ran."""

    model: str
    level: int
    verdict: str = ""
    score: float = 0.0
    promised_level: int = 0
    validated_level: int = 0
    parts: int = 0
    nodes: int = 0
    nodes_on_nnapi: int = 0
    compute_coverage: float = 0.0
    transposes: int = 0
    max_relative: float | None = None
    max_steps: int | None = None
    steps_share: float | None = None
    is_within_tolerance: bool = False
    check_seconds: float = 0.0
    convert_seconds: float = 0.0
    verify_seconds: float = 0.0
    size_ratio: float = 0.0
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing contradicts the promises."""
        if self.verdict == Readiness.DOES_NOT_FIT.value:
            return not self.error
        return not self.error and self.is_within_tolerance and self.promised_level == self.validated_level


def measure(name: str, path: Path, level: int, target: str) -> Row:
    """Check, convert and verify a model at a level, each stage timed."""
    from nnapi_check.conversion import ConversionOptions, convert_model
    from nnapi_check.coverage_db.queries import open_registry
    from nnapi_check.lowering.nnapi.validation.validate import validate
    from nnapi_check.lowering.part_lowering import promised_level
    from nnapi_check.lowering.plan_lowering import FactsByName
    from nnapi_check.lowering.verification.subject import model_file_in
    from nnapi_check.lowering.verification.verify import verify_artifact
    from nnapi_check.pipeline import Request, check_model
    from nnapi_check.progress import Progress

    progress = Progress(is_quiet=True)
    request = Request(feature_level=level, target=target)
    started = time.perf_counter()
    checked = check_model(path, None, request, progress)
    check_seconds = time.perf_counter() - started
    facts = FactsByName(open_registry())
    promised = [promised_level(part.part, checked.plan.verdicts, checked.plan.layout) for part in checked.lowered]
    validated = [validate(part.model, facts).level for part in checked.lowered]
    report = checked.report
    row = Row(
        model=name,
        level=level,
        verdict=report.readiness,
        score=round(report.score, 2),
        promised_level=max(promised, default=0),
        validated_level=max(validated, default=0),
        parts=len(report.parts),
        nodes=report.nodes_total,
        nodes_on_nnapi=report.nodes_on_nnapi,
        compute_coverage=round(report.compute_coverage, 4),
        transposes=sum(part.transposes for part in report.parts),
        check_seconds=round(check_seconds, 3),
    )
    if report.readiness == Readiness.DOES_NOT_FIT.value:
        return row
    output = path.with_name(f"{path.stem}_{target}_{level}")
    started = time.perf_counter()
    made = convert_model(path, None, output, request, progress, ConversionOptions(verify=False))
    convert_seconds = time.perf_counter() - started
    if made.path is None:
        return _with(row, error="; ".join(made.report.gate.reasons), convert_seconds=round(convert_seconds, 3))
    started = time.perf_counter()
    found = verify_artifact(
        output, path, _stored_inputs(path), level=level, facts=FactsByName(open_registry()), with_layers=False
    )
    verify_seconds = time.perf_counter() - started
    written = model_file_in(output) or output
    size_ratio = written.stat().st_size / path.stat().st_size
    steps = [numbers.steps for numbers in found.outputs if numbers.steps is not None]
    shares = [numbers.steps_share for numbers in found.outputs if numbers.steps_share is not None]
    ran = "on the host runtime" in found.ran_in and found.executions >= len(report.parts)
    return _with(
        row,
        max_relative=max(numbers.max_relative for numbers in found.outputs),
        max_steps=max(steps, default=None),
        steps_share=max(shares, default=None),
        is_within_tolerance=found.is_within_tolerance,
        convert_seconds=round(convert_seconds, 3),
        verify_seconds=round(verify_seconds, 3),
        size_ratio=round(size_ratio, 4),
        error="" if ran else f"only {found.executions} of {len(report.parts)} NNAPI models ran, in {found.ran_in}",
    )


def _stored_inputs(path: Path) -> tuple[torch.Tensor, ...]:
    from nnapi_check.analyzer.capture.capture import capture

    return capture(path, None, weights=True).example_inputs


def _with(row: Row, **changes: object) -> Row:
    known = {field.name: getattr(row, field.name) for field in fields(Row)}
    return Row(**{**known, **changes})


def worker(name: str, levels: Sequence[int], folder: Path, target: str) -> None:
    """Measure one model at each level, and print a line of JSON for each row."""
    warnings.simplefilter("ignore")
    path = save_model(name, folder)
    for level in levels:
        try:
            row = measure(name, path, level, target)
        except Exception as error:  # noqa: BLE001  # a row tells what went wrong, whatever it is
            row = Row(name, level, error=" ".join(f"{type(error).__name__}: {error}".split()))
        print(json.dumps(asdict(row)), flush=True)


def run(name: str, levels: Sequence[int], timeout: float, target: str) -> list[Row]:
    """Measure one model in a process of its own. Levels that gave no row get one with the error."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--worker", name, "--folder", folder, "--target", target]
        command += [part for level in levels for part in ("--level", str(level))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, env=environment, check=False
            )
            printed, told = done.stdout, done.stderr.strip().splitlines()
            error = told[-1] if told else f"the process ended with code {done.returncode}"
        except subprocess.TimeoutExpired as expired:
            printed = expired.stdout.decode() if isinstance(expired.stdout, bytes) else expired.stdout or ""
            error = f"took longer than {timeout:g} s"
    rows = list(_rows(printed))
    seen = {row.level for row in rows}
    return rows + [Row(name, level, error=error) for level in levels if level not in seen]


def _rows(printed: str) -> Iterator[Row]:
    for line in printed.splitlines():
        with suppress(json.JSONDecodeError, TypeError):
            yield Row(**json.loads(line))


def _all_of(given: argparse.Namespace) -> list[str]:
    return list(DECOMPOSED if given.decomposed else EXPORTED if given.exported else MODELS)


HEADER = (
    f"{'model':29} lv {'verdict':20} {'score':>5} {'need':>4} {'parts':>5} {'ops':>9} {'compute':>7} "
    f"{'TRANSP':>6} {'error':>16} {'check':>6} {'conv':>6} {'size':>5}"
)


def line_of(row: Row) -> str:
    """A row as one line of the table, what is wrong with it after a second line's arrow."""
    level = (
        str(row.validated_level)
        if row.promised_level == row.validated_level
        else (f"{row.promised_level}≠{row.validated_level}")
    )
    if row.max_steps is not None:
        error = f"{row.max_steps} steps {100 * (row.steps_share or 0):.2f}%"
    else:
        error = "" if row.max_relative is None else f"{row.max_relative:.1e}"
    if row.max_relative is not None and not row.is_within_tolerance:
        error += " BAD"
    text = (
        f"{row.model:29} {row.level:>2} {row.verdict:20} {row.score:5.1f} {level:>4} {row.parts:>5} "
        f"{f'{row.nodes_on_nnapi}/{row.nodes}':>9} {row.compute_coverage:>7.1%} {row.transposes:>6} {error:>16} "
        f"{row.check_seconds:6.2f} {row.convert_seconds:6.2f} {row.size_ratio:5.3f}"
    )
    return f"{text}\n    -> {row.error}" if row.error else text


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model",
        action="append",
        choices=[*MODELS, *EXPORTED, *DECOMPOSED],
        help="a model; repeatable; all by default",
    )
    parser.add_argument("--exported", action="store_true", help="all models as exported programs, not as traces")
    parser.add_argument("--decomposed", action="store_true", help="all as exported programs in the Core ATen opset")
    parser.add_argument(
        "--level", action="append", type=int, choices=feature_levels(), help="a feature level; repeatable"
    )
    parser.add_argument("--target", choices=(PYTORCH_MOBILE, NDK), default=PYTORCH_MOBILE, help="what carries models")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time (1)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds for a model at all its levels")
    parser.add_argument("--lines", type=Path, help="also write the rows to this file, as lines of JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    levels = given.level or list(LEVELS)
    if given.worker:
        worker(given.worker, levels, given.folder, given.target)
        return 0
    chosen = given.model or _all_of(given)
    print(HEADER)
    bad = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        for rows in pool.map(lambda name: run(name, levels, given.timeout, given.target), chosen):
            for row in rows:
                bad += not row.is_good
                print(line_of(row), flush=True)
                if given.lines is not None:
                    with given.lines.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps(asdict(row)) + "\n")
    print(f"{bad} rows with an error" if bad else "every row is within tolerance at the promised level")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
