"""Random programs that write in place compute the same in a package: outputs, inputs and state, run after run."""

import copy
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from nnapi_check import registry
from nnapi_check.analyzer.capture.capture import capture
from nnapi_check.analyzer.planning.survey import survey
from nnapi_check.analyzer.tensor_types import flat_tensors
from nnapi_check.analyzer.torchscript import computed_op_by_op
from nnapi_check.lowering.nnapi.host_runtime.runtime import HostRuntime, load_host_runtime
from nnapi_check.lowering.packaging.artifact import open_artifact
from nnapi_check.lowering.packaging.convert import convert
from nnapi_check.lowering.packaging.package import PackageOptions
from nnapi_check.lowering.packaging.saving import Form, save_package
from nnapi_check.lowering.plan_lowering import FactsByName, lower_plan
from tests.lowering.in_place_programs import COLUMNS, ROWS, program_text

SEEDS = (*range(16), 76, 429)
"""The last two write in place in branches and loops, where PyTorch's fuser fails."""
LOOP_SEEDS = range(24)


def drawn_module(seed: int, folder: Path, *, in_loops: bool = False) -> nn.Module:
    """The module of a seed, from a file, for PyTorch reads its source there."""
    path = folder / f"drawn_{seed}.py"
    path.write_text(program_text(seed, in_loops=in_loops), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"drawn_{seed}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    made: nn.Module = loaded.Drawn().eval().requires_grad_(False)
    return made


def draws(rows: int) -> list[list[torch.Tensor]]:
    """Inputs for several runs."""
    generator = torch.Generator().manual_seed(rows)
    return [[torch.randn(rows, COLUMNS, generator=generator) for _ in range(2)] for _ in range(3)]


def run(call: Callable[..., object], runs: list[list[torch.Tensor]]) -> list[tuple[torch.Tensor, ...]]:
    """What every run gives and leaves in its inputs."""
    found = []
    for inputs in runs:
        given = [tensor.clone() for tensor in inputs]
        outputs = [tensor.clone() for tensor in flat_tensors(call(*given))]
        found.append((*outputs, *given))
    return found


def package(source: nn.Module | Path, level: int, path: Path, inputs: Sequence[torch.Tensor] | None = None) -> None:
    """Convert with every part that can run on NNAPI, however small it is."""
    known = registry()
    captured = capture(copy.deepcopy(source), draws(ROWS)[0] if inputs is None else inputs, weights=True)
    found = survey(captured.graph, known, known.target("pytorch-mobile"), gain=0)
    facts = FactsByName(known)
    lowered = lower_plan(found, found.at(level), facts)
    save_package(convert(captured, found, lowered, facts, PackageOptions()), path, form=Form.FULL)


@computed_op_by_op()
def hold(source: torch.jit.ScriptModule, level: int, path: Path) -> int:
    """Compare a module with its package in NNAPI and on the CPU, also for inputs of another shape; gives executions."""
    package(source, level, path)
    # A package of a lower level runs from level 3 on, which brought what PyTorch's loader calls.
    runtime: HostRuntime = load_host_runtime(max(level, 3))
    wanted = run(copy.deepcopy(source), draws(ROWS))
    before = runtime.executions
    found = run(open_artifact(path).run, draws(ROWS))
    executions = runtime.executions - before
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    on_cpu = open_artifact(path)
    on_cpu.use_cpu()
    torch.testing.assert_close(run(on_cpu.run, draws(ROWS)), wanted)
    try:
        wider = run(copy.deepcopy(source), draws(ROWS + 2))
    except RuntimeError:
        return executions
    torch.testing.assert_close(run(open_artifact(path).run, draws(ROWS + 2)), wider)
    return executions


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_program_computes_the_same(seed: int, nnapi: HostRuntime, tmp_path: Path) -> None:
    module = drawn_module(seed, tmp_path)
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
    inputs = tuple(tensor.clone() for tensor in draws(ROWS)[0])

    hold(script(copy.deepcopy(module)), (1, 3, 8)[seed % 3], tmp_path / "scripted.pt")
    hold(trace(copy.deepcopy(module), inputs, check_trace=False), (8, 1, 3)[seed % 3], tmp_path / "traced.pt")


@pytest.mark.parametrize("seed", LOOP_SEEDS)
@computed_op_by_op()
def test_captured_graph_of_a_program_of_loops_computes_the_same(seed: int, tmp_path: Path) -> None:
    script: Callable[..., torch.jit.ScriptModule] = torch.jit.script
    source = script(drawn_module(seed, tmp_path, in_loops=True))
    captured = capture(copy.deepcopy(source), draws(ROWS)[0], weights=True)
    call = torch._C._create_function_from_graph("forward", captured.torch_graph)

    found = run(lambda *inputs: call(captured.module, *inputs), draws(ROWS))

    for left, right in zip(found, run(source, draws(ROWS)), strict=True):
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(left, right, strict=True))
