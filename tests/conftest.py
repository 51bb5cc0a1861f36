"""What holds for all tests: random seeds, a short output, and goldens.

Goldens are texts that are read in review like code, and rewritten by ``pytest --update-golden``.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Every processor has a worker already. PyTorch, which is not imported yet, would start as many threads in each.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault of the code under test. Seeds are random everywhere, where Hypothesis would choose them by
# itself in CI, and an example that fails is printed as a decorator that draws it again.
settings.register_profile(
    "project", deadline=None, derandomize=False, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

TESTS_PER_DOT = 100
_passed = 0

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the texts in tests/golden")


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """Print one dot for many tests where all of them run: those that pass are not worth a line."""
    global _passed
    if not config.getoption("numprocesses", None) or not (report.when == "call" and report.passed):
        return None
    _passed += 1
    return "passed", "" if _passed % TESTS_PER_DOT else ".", "PASSED"


@pytest.fixture(autouse=True)
def quantized_engine() -> Iterator[None]:
    """Puts back the engine for quantized tensors that PyTorch had before the test."""
    torch = sys.modules.get("torch")
    before = torch.backends.quantized.engine if torch is not None else None
    yield
    if torch is not None:
        torch.backends.quantized.engine = before


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with the one of that name in ``tests/golden``."""
    is_updating = bool(request.config.getoption("--update-golden"))

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if is_updating:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} does not exist; run pytest --update-golden and read what it writes"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(autouse=True, scope="session")
def rewrites_keep_their_invariants() -> Iterator[None]:
    """Hold the rewrites of every graph that any test captures to what they require and ensure."""
    if "nnapi_check.analyzer.capture.capture" not in sys.modules:
        yield
        return
    from nnapi_check.analyzer.capture import capture
    from nnapi_check.analyzer.graph import Graph
    from nnapi_check.analyzer.rewrites.driver import Rewritten, rewrite
    from nnapi_check.analyzer.rewrites.invariants import broken
    from nnapi_check.analyzer.rewrites.rewrite import KnownOps

    def held(graph: Graph, known: KnownOps) -> Rewritten:
        found = rewrite(graph, known)
        assert list(broken(graph, found)) == []
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capture, "rewrite", held)
        yield
