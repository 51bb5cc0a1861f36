"""Change the validator and the interpreter at random, and count how many changes the tests notice.

    NNAPI_VECTORS=FOLDER python benchmarks/mutation.py [--count 300] [--seed 1] [--jobs N] [--json FILE] [--only WORD]

Without a folder the conformance rows are the repository's own. Each mutant runs in a process of its own: first the
rows, then the unit tests, of each only those that execute the changed statement, until one fails. A mutant that does
not import, crashes or takes too long is killed too. Nothing else kills: where pytest ends badly without naming what
failed, the mutant counts as alive. Survivors are listed. The exit code is 1 where fewer than ``--goal`` percent are
killed.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import json
import multiprocessing
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import TYPE_CHECKING

import hypothesis
import pytest
import torch  # noqa: F401  # Loaded once for all mutants: the tests import it.

if TYPE_CHECKING:
    from _typeshed import TraceFunction

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# No more of the library than this may be loaded here, for what is loaded is not mutated.
from benchmarks.mutants import Mutant, find_mutants, source_of  # noqa: E402
from nnapi_check.coverage_db.writing.output import write_text  # noqa: E402
from nnapi_check.lowering.nnapi.conformance.vector_rows import VectorRow, read_rows  # noqa: E402

LIBRARY = ROOT / "nnapi_check" / "lowering" / "nnapi"
PATTERNS = ("validation/*.py", "shapes/*.py", "interpreter/*.py")
TESTS = ROOT / "tests" / "lowering" / "nnapi"
OWN_VECTORS = TESTS / "conformance" / "own_vectors.jsonl"
LEFT_OUT = (
    # These run all rows, which is done here, or speak of other modules, or of time.
    "--ignore=tests/lowering/nnapi/host_runtime",
    "--ignore=tests/lowering/nnapi/test_serialize.py",
    "--ignore=tests/lowering/nnapi/test_text.py",
    "--ignore=tests/lowering/nnapi/conformance/test_vector_rows.py",
    "--ignore=tests/lowering/nnapi/conformance/test_own_vectors.py",
    "--deselect=tests/lowering/nnapi/conformance/test_coverage_table.py::"
    "test_every_documented_operation_is_validated_and_run_in_every_type",
    "--deselect=tests/lowering/nnapi/conformance/test_coverage_table.py::"
    "test_the_lowest_level_of_every_operation_and_type_is_the_documented_one",
    "--deselect=tests/lowering/nnapi/conformance/test_coverage_table.py::test_only_these_have_no_conformance_example",
    "--deselect=tests/lowering/nnapi/conformance/test_runner.py::test_every_vector_fails_when_its_expected_values_are_wrong",
    "--deselect=tests/lowering/nnapi/conformance/test_runner.py::"
    "test_every_vector_is_accepted_at_its_level_and_computed_within_its_tolerance",
    "--deselect=tests/lowering/nnapi/validation/test_validate_properties.py::test_time_grows_as_the_number_of_operations_does",
    "--deselect=tests/lowering/nnapi/validation/test_validate_properties.py::"
    "test_a_thousand_operations_take_less_than_a_tenth_of_a_second",
)
ROW_SECONDS = 20
TEST_SECONDS = 90
MEMORY_BYTES = 4 << 30

Lines = dict[tuple[str, int], set[int]]
"""Which rows, or which tests, execute a line of a file."""


@dataclass(slots=True)
class Reach:
    """What executes what. ``tests`` are the names of the unit tests, fastest first."""

    rows: Lines = field(default_factory=dict)
    tests: list[str] = field(default_factory=list)
    by_test: Lines = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: killed by ``by``, or alive."""

    mutant: Mutant
    is_killed: bool
    by: str
    seconds: float


class Recorder:
    """Notes the lines of the library that are executed, for one row or test at a time."""

    def __init__(self) -> None:
        self.lines: Lines = {}
        self.number = 0
        self._prefix = str(LIBRARY)

    def start(self, number: int) -> None:
        """From now on lines are executed for ``number``."""
        self.number = number
        sys.settrace(self._enter)

    def stop(self) -> None:
        """No longer note anything."""
        sys.settrace(None)

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        return self._line if frame.f_code.co_filename.startswith(self._prefix) else None

    def _line(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction:
        self.lines.setdefault((frame.f_code.co_filename, frame.f_lineno), set()).add(self.number)
        return self._line


class TestWatch:
    """A pytest plugin: notes which test executes what, and for how long, or kills one that takes too long."""

    __test__ = False

    def __init__(self, recorder: Recorder | None) -> None:
        self.recorder = recorder
        self.names: list[str] = []
        self.seconds: list[float] = []
        self.failed: str = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch one test with its fixtures."""
        started = time.perf_counter()
        signal.alarm(0 if self.recorder else TEST_SECONDS)
        if self.recorder is not None:
            self.recorder.start(len(self.names))
        result = yield
        if self.recorder is not None:
            self.recorder.stop()
        signal.alarm(0)
        self.names.append(item.nodeid)
        self.seconds.append(time.perf_counter() - started)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the first failure."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note the first module that does not import."""
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid}, which does not import"


class _Source(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module by changed source."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name = name
        self._path = path
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The changed module's specification."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(self._code, module.__dict__)  # noqa: S102  # This is what a mutation is.


def run_pytest(arguments: Sequence[str], watch: TestWatch) -> int:
    """Run tests in this process, without a word."""
    hypothesis.settings.register_profile("mutation", database=None, derandomize=True, deadline=None)
    return int(
        pytest.main(
            [
                *arguments,
                *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutation"),
                # Hypothesis was imported above, before pytest could look at it.
                *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
            ],
            plugins=[watch],
        )
    )


def in_child(work: Callable[[], object], limit: float) -> tuple[object, str]:
    """Run ``work`` in a forked process: what it returns, or how it ended."""
    with tempfile.NamedTemporaryFile() as answer:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, 1)
                os.dup2(nothing, 2)
                Path(answer.name).write_bytes(pickle.dumps(work()))
                code = 0
            finally:
                os._exit(code)
        deadline = time.monotonic() + limit
        while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return None, "took too long"
            time.sleep(0.005)
        code = os.waitstatus_to_exitcode(found[1])
        if code == -signal.SIGALRM:
            return None, "took too long"
        if code != 0:
            return None, "an exception, or a crash"
        return pickle.loads(Path(answer.name).read_bytes()), ""  # noqa: S301  # Written above.


def find_reach(rows: Sequence[VectorRow]) -> Reach:
    """Run everything once, unchanged, and note what executes what. Raises where something fails unchanged."""
    from nnapi_check.lowering.nnapi.conformance.runner import run_row

    recorder = Recorder()
    for number, row in enumerate(rows):
        recorder.start(number)
        outcomes = run_row(row)
        recorder.stop()
        if any(outcome.fault for outcome in outcomes):
            raise RuntimeError(f"{row.name} fails without any change")
    reach = Reach(rows=recorder.lines)
    recorder = Recorder()
    watch = TestWatch(recorder)
    if run_pytest([str(TESTS), *LEFT_OUT], watch) != 0:
        raise RuntimeError(f"{watch.failed} fails without any change")
    order = sorted(range(len(watch.names)), key=lambda index: watch.seconds[index])
    place = {index: rank for rank, index in enumerate(order)}
    reach.tests = [watch.names[index] for index in order]
    alike = {index: _sharing(index, watch.names) for index in place}
    reach.by_test = {
        line: {place[other] for index in numbers for other in alike[index]} for line, numbers in recorder.lines.items()
    }
    return reach


def _sharing(index: int, names: Sequence[str]) -> Sequence[int]:
    """The tests that may see what one of them executes: all of a file whose tests share what they compute."""
    file = names[index].partition("::")[0]
    source = (ROOT / file).read_text()
    if "lru_cache" not in source and 'scope="' not in source:
        return (index,)
    return [other for other, name in enumerate(names) if name.startswith(f"{file}::")]


def judge(mutant: Mutant, rows: Sequence[VectorRow], reach: Reach) -> str:
    """What kills a mutant, or nothing. Runs in a process of its own."""
    name = ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts)
    code = compile(source_of(mutant), str(mutant.path), "exec")
    sys.meta_path.insert(0, _Source(name, mutant.path, code))
    signal.alarm(ROW_SECONDS)
    from nnapi_check.lowering.nnapi.conformance.runner import run_row

    lines = [(str(mutant.path), line) for line in range(mutant.first, mutant.last + 1)]
    if mutant.is_top_level:
        reached, tests = set(range(len(rows))), set(range(len(reach.tests)))
    else:
        reached = {number for line in lines for number in reach.rows.get(line, ())}
        tests = {number for line in lines for number in reach.by_test.get(line, ())}
    if not reached and not tests:
        return ""
    order = sorted(reached)
    random.Random(7).shuffle(order)
    for number in order:
        signal.alarm(ROW_SECONDS)
        if any(outcome.fault for outcome in run_row(rows[number])):
            return f"row {rows[number].name}"
    signal.alarm(0)
    names = [reach.tests[number] for number in sorted(tests)]
    watch = TestWatch(None)
    if names and run_pytest(names, watch) == pytest.ExitCode.USAGE_ERROR:
        # The mutant changed the name of a parametrized test, which alone proves nothing: run the whole files.
        run_pytest(sorted({name.partition("::")[0] for name in names}), watch)
    return watch.failed


@dataclass(slots=True)
class Jury:
    """Judges mutants. Its processes have it from before they were forked, so that nothing of it is sent to them."""

    rows: Sequence[VectorRow]
    reach: Reach

    def fate_of(self, mutant: Mutant) -> Fate:
        """Judge a mutant within its time."""
        started = time.perf_counter()
        answer, ended = in_child(lambda: judge(mutant, self.rows, self.reach), limit=600)
        by = ended or str(answer)
        return Fate(mutant, bool(by), by, time.perf_counter() - started)

    def fates_of(self, mutants: Sequence[Mutant], jobs: int) -> Iterator[Fate]:
        """Judge all, ``jobs`` at a time, in their order."""
        global _jury  # The processes' only argument that is not sent.
        _jury = self
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            yield from pool.imap(_fate_of, mutants)


_jury: Jury | None = None


def _fate_of(mutant: Mutant) -> Fate:
    if _jury is None:
        raise RuntimeError("the jury was not set before this process was forked")
    return _jury.fate_of(mutant)


def main() -> int:
    """Sample, judge, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="how many mutants to sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to judge at a time")
    parser.add_argument("--goal", type=float, default=90.0, help="percentage that must be killed")
    parser.add_argument("--json", type=Path, help="also write every mutant's fate here")
    parser.add_argument("--only", default="", metavar="WORD", help="only mutants whose description has this word")
    options = parser.parse_args()
    folder = os.environ.get("NNAPI_VECTORS")
    os.chdir(ROOT)
    vectors = [OWN_VECTORS] if folder is None else sorted(Path(folder).glob("*.jsonl.gz"))
    rows = [row for path in vectors for row in read_rows(path)]
    paths = [path for pattern in PATTERNS for path in sorted(LIBRARY.glob(pattern))]
    mutants = [mutant for path in paths for mutant in find_mutants(path)]
    sample = random.Random(options.seed).sample(mutants, min(options.count, len(mutants)))
    sample = [mutant for mutant in sample if options.only in str(mutant)]
    reach, ended = in_child(lambda: find_reach(rows), limit=3600)
    if not isinstance(reach, Reach):
        parser.error(f"what is unchanged {ended}: a test fails without any change")
    fates = []
    for number, fate in enumerate(Jury(rows, reach).fates_of(sample, options.jobs)):
        fates.append(fate)
        if not fate.is_killed or number % 25 == 0:
            words = f"killed by {fate.by}" if fate.is_killed else "alive"
            print(f"{number}: {_shortened(fate.mutant)}: {words}", file=sys.stderr, flush=True)
    _tell(fates, len(mutants))
    if options.json:
        rows_of_json = [{**asdict(_shortened(fate.mutant)), "by": fate.by, "seconds": fate.seconds} for fate in fates]
        write_text(options.json, json.dumps(rows_of_json, indent=1, default=str))
    killed = sum(fate.is_killed for fate in fates)
    return 0 if fates and 100 * killed >= options.goal * len(fates) else 1


def _shortened(mutant: Mutant) -> Mutant:
    return replace(mutant, path=mutant.path.relative_to(ROOT))


def _tell(fates: Sequence[Fate], total: int) -> None:
    for fate in fates:
        if not fate.is_killed:
            print(f"alive: {_shortened(fate.mutant)}")
    kinds = Counter(fate.mutant.kind for fate in fates)
    alive = Counter(fate.mutant.kind for fate in fates if not fate.is_killed)
    for kind, count in sorted(kinds.items()):
        print(f"{kind}: {count - alive[kind]} of {count} killed")
    seconds = sum(fate.seconds for fate in fates)
    killed = sum(fate.is_killed for fate in fates)
    share = 100 * killed / max(len(fates), 1)
    print(f"{killed} of {len(fates)} mutants killed ({share:.1f} %), sampled from {total}, in {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
