"""Whether fixes keep their promises: each that a check of a model prints is made in the model, which is then converted.

    python -m benchmarks.fixes [--write] [MODEL ...]

An edit is made in the TorchScript of the model, by no code that a check tries it with: what its code becomes as
TorchScript is put in place of each call. The model as it is then runs beside the one as it was, and is converted and
verified; its score is what was got. Models of packages that are not installed are left out. ``--write`` puts the table
on the page docs/fixes.md. Exit code 1 where a promise is not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import cast

import torch
from torch.jit._recursive import wrap_cpp_module

import nnapi_check
from benchmarks.edited_models import MODELS, EditedModel
from benchmarks.measured_page import write_page
from nnapi_check.analyzer.capture.capture import Captured, capture
from nnapi_check.analyzer.graph import TensorType
from nnapi_check.analyzer.planning.gains import Basis, changes_worth_most
from nnapi_check.analyzer.planning.survey import Survey, survey
from nnapi_check.analyzer.tensor_types import torch_dtype
from nnapi_check.analyzer.torchscript import quiet
from nnapi_check.analyzer.trials.calls import EditedCall, edited_calls
from nnapi_check.analyzer.trials.trial import Trials
from nnapi_check.analyzer.trials.written import Written
from nnapi_check.coverage_db.edits.edit import Edit, Keeps
from nnapi_check.coverage_db.queries import open_registry

PAGE = Path(__file__).parent.parent / "docs" / "fixes.md"
SCORES = 0.05
"""How far the score that was got may be from the one that was promised: as far as shows."""

NUMBERS = {Keeps.EXACT: 1e-5, Keeps.ROUNDING: 1e-4, Keeps.NEAR: 0.05}
"""How far outputs may be off, of their range. Other ops round what comes out of an edit otherwise as well."""


@dataclass(frozen=True, slots=True)
class Made:
    """One fix, or all of a model's together, as it was promised and as it was got."""

    model: EditedModel
    says: str
    calls: int
    keeps: tuple[Keeps, ...]
    before: float
    promised: float
    promised_parts: int
    got: float
    got_parts: int
    off: float
    is_verified: bool | None

    @property
    def is_kept(self) -> bool:
        """Whether the promise was."""
        allowed = max(NUMBERS.get(keeps, float("inf")) for keeps in self.keeps)
        is_as_told = abs(self.promised - self.got) <= SCORES and self.promised_parts == self.got_parts
        return is_as_told and self.off <= allowed and self.is_verified is not False


def made(model: EditedModel) -> Iterator[Made]:
    """Every fix that was tried on a model for its report, and all of them together."""
    torch.manual_seed(3)
    module, inputs = model.build()
    module.eval()
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(module, inputs, check_trace=False, strict=False)  # type: ignore[no-untyped-call]  # it has no types
    registry = open_registry()
    target = registry.target(model.target)
    surveyed = survey(capture(traced, inputs, weights=False).graph, registry, target)
    plan = surveyed.at(model.level)
    found = changes_worth_most(surveyed, plan, Trials(surveyed, registry))
    alone = [
        (remedy.fix, remedy.edits, remedy.outcome)
        for change in found.first
        for remedy in change.remedies
        if remedy.basis is Basis.TRIED
    ]
    together = found.together
    if together is not None and together.basis is Basis.TRIED:
        alone.append((f"All {len(found.first)} together", together.edits, together.outcome))
    for says, applied, outcome in alone:
        captured = capture(traced, inputs, weights=True)
        calls = [call for item in applied for call in _calls(item.edit, item.nodes, surveyed)]
        edited = _edited(captured, surveyed, calls)
        off = _off(traced, edited, inputs)
        got, parts, is_verified = _converted(edited, inputs, model)
        keeps = tuple(item.edit.keeps for item in applied)
        yield Made(
            model,
            says,
            len(calls),
            keeps,
            plan.score.points,
            outcome.score,
            outcome.parts,
            got,
            parts,
            off,
            is_verified,
        )


def _calls(edit: Edit, nodes: Sequence[int], surveyed: Survey) -> list[EditedCall]:
    ((_, found),) = edited_calls([surveyed.nodes[node] for node in nodes], [edit], surveyed.judgement.uses)
    return found


def _edited(captured: Captured, surveyed: Survey, calls: Sequence[EditedCall]) -> torch.jit.ScriptModule:
    """The TorchScript with the code of each call in its place."""
    graph = captured.torch_graph
    values = list(captured.torch_values)
    for call in calls:
        kinds = [surveyed.graph.type_of(value) for value in call.values]
        tensors = [
            torch.zeros(kind.shape, dtype=torch_dtype(kind.dtype)) for kind in kinds if isinstance(kind, TensorType)
        ]
        with quiet(), torch.no_grad():
            written = Written(call, call.after).eval()
            traced = torch.jit.trace(written, tensors, check_trace=False)  # type: ignore[no-untyped-call]  # it has no types
            code = torch.jit.freeze(traced).graph
        node = captured.torch_nodes[call.node.id]
        read = [values[value] for value in call.values]
        with graph.insert_point_guard(node):
            given = graph.insertGraph(code, [next(iter(graph.inputs())), *read])
        unpacked = _unpacked(given, graph, node)
        for place, value in enumerate(unpacked):
            # What another edit reads of it is the new value as well.
            output = call.node.outputs[place]
            values[output].replaceAllUsesWith(value)
            values[output] = value
    # What several calls compute alike, such as a mask for every layer, is written once.
    torch._C._jit_pass_constant_pooling(graph)  # type: ignore[attr-defined]  # the stubs leave it out
    torch._C._jit_pass_cse(graph)
    torch._C._jit_pass_dce(graph)
    torch._C._jit_pass_lint(graph)
    return cast(torch.jit.ScriptModule, wrap_cpp_module(captured.module))  # type: ignore[no-untyped-call]  # it has no types


def _unpacked(given: Sequence[torch._C.Value], graph: torch._C.Graph, before: torch._C.Node) -> list[torch._C.Value]:
    """The tensors that code gives, which may be in a tuple."""
    if len(given) == 1 and given[0].node().kind() == "prim::TupleConstruct":
        return list(given[0].node().inputs())
    return list(given)


def _off(before: torch.nn.Module, after: torch.nn.Module, inputs: Sequence[torch.Tensor]) -> float:
    """How far outputs are off, of their range."""
    with quiet(), torch.no_grad():
        wanted, found = (
            [item for item in (given if isinstance(given, tuple) else (given,)) if isinstance(item, torch.Tensor)]
            for given in (before(*inputs), after(*inputs))
        )
    return max(float((x - y).abs().max() / (x.max() - x.min() + 1e-30)) for x, y in zip(wanted, found, strict=True))


def _converted(
    module: torch.jit.ScriptModule, inputs: Sequence[torch.Tensor], model: EditedModel
) -> tuple[float, int, bool | None]:
    """The score and the number of parts of the model as it is converted, and whether its numbers are right.

    None where no file is written, as of a model that one NNAPI model does not hold, for a target that carries no more.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = nnapi_check.convert(
            module, Path(folder) / "converted.pt", list(inputs), feature_level=model.level, target=model.target
        )
    checked = report.verification
    return report.score, len(report.parts), None if checked is None else checked.is_within_tolerance


def table(found: Sequence[Made]) -> list[str]:
    """What was promised and got, as Markdown."""
    packages = ("torch", *dict.fromkeys(item.model.package for item in found))
    versions = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in packages)
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} with {versions}: {len(found)} fixes of "
        f"{len({item.model.name for item in found})} models, {sum(item.is_kept for item in found)} kept.",
        "",
        "| model | target, level | fix | calls | keeps | before | promised | got | parts | off by | verified |",
        "| --- " * 11 + "|",
    ]
    for item in found:
        keeps = ", ".join(dict.fromkeys(keeps.value for keeps in item.keeps))
        verified = {None: "not written", True: "yes", False: "**no**"}[item.is_verified]
        parts = (
            str(item.got_parts)
            if item.got_parts == item.promised_parts
            else f"{item.promised_parts}, got {item.got_parts}"
        )
        lines.append(
            f"| {item.model.name} | {item.model.target} {item.model.level} | {item.says.rstrip('.')} | {item.calls} "
            f"| {keeps} | {item.before:.1f} | {item.promised - item.before:+.1f} | {item.got - item.before:+.1f} "
            f"| {parts} | {item.off:.1g} | {verified} |"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run for these models, or for all; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table on its page")
    parser.add_argument("models", nargs="*", metavar="MODEL")
    options = parser.parse_args(argv)
    found: list[Made] = []
    for model in MODELS:
        if not model.is_installed or (options.models and model.name not in options.models):
            continue
        for item in made(model):
            found.append(item)
            print(f"{'kept' if item.is_kept else 'BROKEN'} {table([item])[-1]}", flush=True)
    if options.write and found:
        write_page(table(found), PAGE)
    return 0 if all(item.is_kept for item in found) else 1


if __name__ == "__main__":
    sys.exit(main())
