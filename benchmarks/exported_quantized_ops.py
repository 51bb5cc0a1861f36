"""Draws scales and zero points for every op that exported programs round on both sides, and holds it to its bound.

``python -m benchmarks.exported_quantized_ops [--draws 2000] [--seed 0] [--only TEXT]``: floats between a dequantize
and a quantize of drawn parameters, extremes included, are captured, judged and lowered, run in the interpreter, and
compared with PyTorch's floats. A table tells, by op, how many draws had a level, on which share of the elements the
result was off, what share was stated, and the greatest difference in steps. Exit code 1: something is beyond its bound.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn
from torch.nn.functional import (
    adaptive_avg_pool2d,
    avg_pool2d,
    hardswish,
    hardtanh,
    interpolate,
    leaky_relu,
    max_pool2d,
    pad,
)

from benchmarks.drawn_rows import Shares, run
from benchmarks.exported_quantization import RoundedWeight, Steps
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.judging.judge import NodeVerdict, judge
from nnapi_check.analyzer.planning.layout import LayoutChanges, plan_layout
from nnapi_check.analyzer.planning.partition import Part
from nnapi_check.coverage_db.queries import Registry, open_registry
from nnapi_check.coverage_db.targets import NDK, PYTORCH_MOBILE
from nnapi_check.lowering.emission.rule_table import Rulebook, rules
from nnapi_check.lowering.part_lowering import PlannedGraph, lower_part
from nnapi_check.lowering.verification.part_run import run_part

LEVELS = (3, 4, 5, 8)
Function = Callable[..., torch.Tensor]
_IMAGE = (2, 4, 7, 6)


@dataclass(frozen=True)
class Sample:
    """An op of floats, how many tensors it takes, and whether it keeps the steps of the first."""

    make: Callable[[], Function]
    count: int = 1
    is_kept: bool = False
    shape: tuple[int, ...] = _IMAGE


def _kept(function: Function) -> Sample:
    return Sample(lambda: function, is_kept=True)


def _layer(make: Callable[[], nn.Module], after: nn.Module | None = None, *, per_channel: bool = False) -> Sample:
    def made() -> Function:
        layer = RoundedWeight(make(), per_channel=per_channel)
        return nn.Sequential(layer, after or nn.Identity())

    return Sample(made)


SAMPLES: Mapping[str, Sample] = {
    "convolution": _layer(lambda: nn.Conv2d(4, 5, (3, 2), (2, 1), (1, 0))),
    "convolution without bias": _layer(lambda: nn.Conv2d(4, 5, 2, bias=False)),
    "convolution and relu": _layer(lambda: nn.Conv2d(4, 5, 2), nn.ReLU()),
    "convolution and relu6": _layer(lambda: nn.Conv2d(4, 5, 2), nn.ReLU6()),
    "convolution per channel": _layer(lambda: nn.Conv2d(4, 5, 2), per_channel=True),
    "depthwise convolution": _layer(lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4)),
    "grouped convolution": _layer(lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2)),
    "transposed convolution": _layer(lambda: nn.ConvTranspose2d(4, 5, 2, stride=2)),
    "linear": _layer(lambda: nn.Linear(6, 9)),
    "linear and relu": _layer(lambda: nn.Linear(6, 9), nn.ReLU()),
    "linear per channel": _layer(lambda: nn.Linear(6, 9), per_channel=True),
    "sum": Sample(lambda: torch.add, 2),
    "sum and relu": Sample(lambda: lambda x, y: torch.relu(x + y), 2),
    "product": Sample(lambda: torch.mul, 2),
    "joined": Sample(lambda: lambda x, y: torch.cat([x, y], 1), 2),
    "leaky relu": Sample(lambda: lambda x: leaky_relu(x, 0.2)),
    "sigmoid": Sample(lambda: torch.sigmoid),
    "hard swish": Sample(lambda: hardswish),
    "softmax": Sample(lambda: lambda x: x.softmax(-1)),
    "relu": _kept(torch.relu),
    "bounds": _kept(lambda x: hardtanh(x, -0.5, 2.0)),
    "maximum": _kept(lambda x: max_pool2d(x, 2)),
    "average": _kept(lambda x: avg_pool2d(x, 2)),
    "adaptive average": _kept(lambda x: adaptive_avg_pool2d(x, 1)),
    "mean": _kept(lambda x: x.mean((2, 3), keepdim=True)),
    "nearest": _kept(lambda x: interpolate(x, scale_factor=2.0)),
    "bilinear": _kept(lambda x: interpolate(x, scale_factor=2.0, mode="bilinear")),
    "padding": _kept(lambda x: pad(x, (1, 2), value=1.5)),
    "reflection": _kept(lambda x: pad(x, (1, 2, 0, 1), "reflect")),
    "moved": _kept(lambda x: x.permute(0, 2, 3, 1)),
    "repeated": _kept(lambda x: x.repeat(1, 2, 1, 1)),
    "part": _kept(lambda x: torch.ops.aten.slice(x, 1, 1, 3)),
}


class _Rounded(nn.Module):
    """A function of floats between what is rounded before and after it."""

    def __init__(self, function: Function, before: list[Steps], after: Steps) -> None:
        super().__init__()
        self.function = function
        self.before, self.after = before, after

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        floats = [steps.rounded(x) for steps, x in zip(self.before, given, strict=True)]
        return self.after.rounded(self.function(*floats))


@dataclass(slots=True)
class Row:
    """What was found of one op."""

    runs: int = 0
    without: int = 0
    shares: Shares = field(default_factory=Shares)
    steps: int = 0
    beyond: list[str] = field(default_factory=list)
    ops: set[str] = field(default_factory=set)

    @property
    def cells(self) -> dict[str, str]:
        """The numbers, as the table tells them."""
        numbers = {"runs": str(self.runs), "without a level": str(self.without), "steps": str(self.steps)}
        return {**numbers, **self.shares.cells, "as": ", ".join(sorted(self.ops)) or "floats"}


def try_op(name: str, registry: Registry, draws: int, seed: int) -> Row:
    """Draw ``draws`` times."""
    sample, row = SAMPLES[name], Row()
    draw = random.Random(f"{seed} {name}")
    generator = torch.Generator().manual_seed(draw.randrange(1 << 30))
    for number in range(draws):
        torch.manual_seed(draw.randrange(1 << 30))
        _try(sample, row, registry, draw, generator, is_wild=number % 3 == 2)
    if row.shares.is_beyond:
        row.beyond.append("more elements off than stated")
    return row


def _steps(draw: random.Random, low: float, high: float) -> Steps:
    dtype = draw.choice([torch.uint8, torch.int8])
    limits = torch.iinfo(dtype)
    zero_point = draw.choice([limits.min, limits.max, draw.randint(limits.min, limits.max)])
    return Steps(10 ** draw.uniform(low, high), zero_point, dtype)


def _try(
    sample: Sample, row: Row, registry: Registry, draw: random.Random, generator: torch.Generator, *, is_wild: bool
) -> None:
    function = sample.make()
    before = [_steps(draw, -6, 3) if is_wild else _steps(draw, -2.5, -0.5) for _ in range(sample.count)]
    given = [steps.dequantize(_integers(steps, sample.shape, generator)) for steps in before]
    plain = function(*given)
    reach = float(plain.max() - plain.min()) or 1.0
    after = before[0]
    if not sample.is_kept:
        drawn = _steps(draw, -1, 1.5 if is_wild else 0.5)
        after = Steps(reach / 255 * drawn.scale, drawn.zero_point, drawn.dtype)
    module = _Rounded(function, before, after).eval()
    captured = capture(module, given, weights=True)
    wanted = module(*given)
    for target in (PYTORCH_MOBILE, NDK):
        judgement = judge(captured.graph, registry, registry.target(target))
        known: set[tuple[str, ...]] = set()
        for level in LEVELS:
            verdicts = judgement.at(level)
            ways = tuple(verdict.way.name for verdict in verdicts.values() if verdict.way is not None)
            if len(ways) < len(verdicts):
                row.without += 1
            elif ways not in known:
                known.add(ways)
                _compare(row, captured, verdicts, wanted, after, registry, level)


def _integers(steps: Steps, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    limits = torch.iinfo(steps.dtype)
    return torch.randint(limits.min, limits.max + 1, shape, generator=generator).to(steps.dtype)


def _compare(
    row: Row,
    captured: Captured,
    verdicts: Mapping[int, NodeVerdict],
    wanted: torch.Tensor,
    after: Steps,
    registry: Registry,
    level: int,
) -> None:
    graph = captured.graph
    facts = {found.name: found for found in registry.operations()}
    changes = LayoutChanges(facts["RESHAPE"], facts["TRANSPOSE"])
    layout = plan_layout(graph, verdicts, changes, level)
    part = Part(0, tuple(sorted(verdicts)), graph.body.inputs, graph.body.outputs, 1, 1)
    lowered = lower_part(part, PlannedGraph(graph, verdicts, layout), Rulebook(rules(), facts))
    given = dict(zip(graph.body.inputs, captured.example_inputs, strict=True))
    (found,) = run_part(lowered, graph, given, captured.tensor).outputs.values()
    off = ((found - wanted).abs() / after.single).round()
    bounds = {verdict.op: verdict.way.bound for verdict in verdicts.values() if verdict.way and verdict.way.bound}
    made = {node.op for node in graph.nodes() if node.covers}
    # The input lies on its steps; what is rounded otherwise is the result.
    stated = [bound for op, bound in bounds.items() if op in made or not made]
    steps = int(off.max())
    row.runs += 1
    row.shares.add(off.numel(), int((off > 0).sum()), max((bound.share for bound in stated), default=0.0))
    row.steps = max(row.steps, steps)
    row.ops |= made
    if steps > max((bound.steps for bound in stated), default=0) and len(row.beyond) < 3:
        row.beyond.append(f"level {level}, {after}: {steps} steps where {stated} is stated")


def main(arguments: list[str] | None = None) -> int:
    """Run the draws and print the table."""
    registry = open_registry()
    subjects = [(name, partial(try_op, name, registry)) for name in SAMPLES]
    return run(__doc__.splitlines()[0], subjects, arguments)


if __name__ == "__main__":
    sys.exit(main())
