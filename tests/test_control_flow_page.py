"""What docs/control-flow.md says of what runs inside NNAPI, of what is refused, and of what to write instead is so."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import nnapi_check
from nnapi_check.coverage_db.differences import load_differences
from tests.analyzer.judging.written_programs import judged_program

PAGE = (Path(__file__).parent.parent / "docs" / "control-flow.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| `x", line)]


def runs_inside(statement: str) -> bool:
    """Whether NNAPI holds a loop over t with this statement."""
    found = judged_program(f"for t in range(int(n)):\n    {statement}\nreturn x * 1").at(8)
    assert "prim.Loop" in {verdict.op for verdict in found.values()}
    return all(verdict.is_supported for verdict in found.values())


def test_the_model_of_the_page_runs_inside_nnapi_with_the_options_of_the_page(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "steps.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("steps", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(3)
    model = torch.jit.script(module.Steps().eval())
    inputs = re.findall(r"--input '(.*?)'", PAGE)
    (level,) = re.findall(r"--feature-level (\d)", PAGE)

    report = nnapi_check.convert(model, tmp_path / "out", inputs, feature_level=int(level), target="ndk", verify=False)

    assert report.readiness == "ready"
    x = torch.randn((6, 2, 5), generator=torch.Generator().manual_seed(0))
    for steps in (0, 6):
        found = nnapi_check.verify(tmp_path / "out", model, [x, torch.tensor(steps)])
        assert all(output.max_relative < 1e-5 for output in found.outputs)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_is_refused_is_and_what_stands_instead_is_not(row: list[str]) -> None:
    (refused, *_), _, instead = re.findall(r"`(.*?)`", row[0]), *row[1:]

    assert not runs_inside(refused)
    if instead.startswith("`"):
        assert runs_inside(instead.strip("`"))


def test_the_page_names_differences_that_there_are() -> None:
    named = re.search(r"`nnapi-check explain (.*?) tell", PAGE, re.DOTALL)
    assert named is not None

    names = re.findall(r"[a-z]+-[a-z]+", named.group(1))
    assert len(names) == 4
    assert set(names) <= set(load_differences())
